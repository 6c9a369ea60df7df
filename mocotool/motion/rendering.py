"""Frames for the discriminators, in memory that does not grow with clip length or resolution.

Discriminators see small frames, so a clip is rendered in chunks without a graph and shrunk; once
their gradient at the small frames is known, each chunk is rendered again with a graph and its
gradient pushed to the latents. The sum is the gradient of one graph over the whole clip.
"""

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.devices import is_out_of_memory
from mocotool.errors import ConfigError, MocoWarning
from mocotool.generators.base import Generator, NoiseMode
from mocotool.generators.chunks import ChunkSize
from mocotool.training.randomness import derive_rng


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClipRenderer:
    """Renders trajectories as small videos.

    Args:
        generator: The frozen image generator.
        frame_size: Height and width of the small frames; it divides the side of the generator's
            pictures, or of their centre squares where they are not square, as of real clips.
        chunk_size: Frames rendered at once.
        graph_chunk_size: Frames rendered at once with a graph, where it is not kept.
        noise_mode: "random" keeps one set of maps for all frames of a video; or "const", "none".
        num_kept: Frames of a batch whose graph is kept in place of rendering them again: a third
            less work for each, and memory in proportion to them.
    """

    generator: Generator
    frame_size: int
    chunk_size: int
    graph_chunk_size: int | None = None
    noise_mode: NoiseMode = "random"
    num_kept: int = 0

    _chunks: ChunkSize = dataclasses.field(init=False, repr=False, compare=False)
    _graph_chunks: ChunkSize = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_frame_size(self.frame_size, min(self.generator.img_size))
        # What memory turns out to have no room for is remembered from step to step.
        object.__setattr__(self, "_chunks", ChunkSize(self.chunk_size))
        graph_chunk_size = self.graph_chunk_size or self.chunk_size
        object.__setattr__(self, "_graph_chunks", ChunkSize(graph_chunk_size))

    def draw_noise(self, seeds: list[int]) -> list[Tensor] | None:
        """Draw noise maps per video's seed, [n, 1, h, w] per layer; `None` if it has none."""
        if self.noise_mode != "random":
            return None
        device = self.generator.device
        sets = [self.generator.draw_noise(1, rng=derive_rng(s, device=device)) for s in seeds]
        return [torch.cat(maps) for maps in zip(*sets, strict=True)] or None

    def render(
        self, trajectory: Tensor, *, noise: list[Tensor] | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """Render a trajectory.

        No gradient flows into the first frame, which no motion model can change.

        Args:
            trajectory: [n, t, latent_dim] or [n, t, num_ws, latent_dim].
            noise: Maps from `draw_noise`.
            labels: Classes int64 [n] on the CPU, where the generator's synthesis takes them.

        Returns:
            float32 [n, t, c, frame_size, frame_size]; not clamped.
        """
        n, t = trajectory.shape[:2]
        video_idxs = torch.arange(n, device=trajectory.device)
        with torch.no_grad():
            first = self.render_all(trajectory[:, 0], video_idxs, noise, labels)
        if t == 1:
            return first.unsqueeze(1)
        latents = trajectory[:, 1:].flatten(0, 1)  # [n*(t-1), ...]
        video_idxs = video_idxs.repeat_interleave(t - 1)
        labels = None if labels is None else labels.repeat_interleave(t - 1)
        needs_graph = torch.is_grad_enabled() and latents.requires_grad
        render_later = self._render_with_graph if needs_graph else self.render_all
        later = render_later(latents, video_idxs, noise, labels)
        later = later.unflatten(0, (n, t - 1))  # [n, t-1, c, h, w]
        return torch.cat([first.unsqueeze(1), later], dim=1)

    def _render_with_graph(
        self,
        latents: Tensor,
        video_idxs: Tensor,
        noise: list[Tensor] | None,
        labels: Tensor | None,
    ) -> Tensor:
        """Render what a gradient will be asked for: the last `num_kept` with a graph that is kept.

        Autograd goes back from what was made last, so the kept graph is gone before anything is
        rendered again.
        """

        def pick(rows: slice) -> tuple[Tensor, Tensor, list[Tensor] | None, Tensor | None]:
            own = None if labels is None else labels[rows]
            return latents[rows], video_idxs[rows], noise, own

        def render_again(rows: slice) -> Tensor:
            chosen, *rest = pick(rows)
            rendered: Tensor = _RenderAgain.apply(chosen, self, *rest)
            return rendered

        num_again = max(0, len(latents) - self.num_kept)
        if num_again == len(latents):
            return render_again(slice(None))
        parts = [render_again(slice(num_again))] if num_again else []
        last = slice(num_again, None)
        kept = self._keep(*pick(last))
        return torch.cat([*parts, render_again(last) if kept is None else kept])

    def _keep(
        self,
        latents: Tensor,
        video_idxs: Tensor,
        noise: list[Tensor] | None,
        labels: Tensor | None,
    ) -> Tensor | None:
        """Render all and keep the graph, or return `None`: from now on it is rendered again."""
        try:
            parts = [
                self.render_chunk(
                    latents[rows],
                    video_idxs[rows],
                    noise,
                    None if labels is None else labels[rows],
                )
                for rows in self._slices(len(latents))
            ]
            return torch.cat(parts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        object.__setattr__(self, "num_kept", 0)
        warnings.warn(
            "out of memory with the graph of a batch; going on by rendering it again",
            MocoWarning,
            stacklevel=3,
        )
        return None

    def _slices(self, num_rows: int) -> Iterator[slice]:
        size = self._chunks.value
        return (slice(start, start + size) for start in range(0, num_rows, size))

    def render_all(
        self,
        latents: Tensor,
        video_idxs: Tensor,
        noise: list[Tensor] | None,
        labels: Tensor | None,
    ) -> Tensor:
        """Render latents [m, ...] of the videos `video_idxs` [m], one chunk after the other."""

        def render_rows(start: int, stop: int) -> Tensor:
            rows = slice(start, stop)
            own = None if labels is None else labels[rows]
            return self.render_chunk(latents[rows], video_idxs[rows], noise, own)

        return torch.cat(list(self._chunks.run(render_rows, len(latents))))

    def render_chunk(
        self,
        latents: Tensor,
        video_idxs: Tensor,
        noise: list[Tensor] | None,
        labels: Tensor | None,
    ) -> Tensor:
        """Render latents at once and shrink them.

        Args:
            latents: [m, ...].
            video_idxs: Which video's noise each takes [m], on their device.
            noise: Maps from `draw_noise`.
            labels: Class of each [m].

        Returns:
            [m, c, frame_size, frame_size].
        """
        img = self.generator.synthesis(
            latents,
            labels=labels,
            noise_mode=self.noise_mode,
            noise=None if noise is None else [maps[video_idxs] for maps in noise],
        )
        if img.shape[1] == 1:  # grey
            img = img.expand(-1, 3, -1, -1)
        return shrink(cut_square(img), self.frame_size)


class _RenderAgain(torch.autograd.Function):
    """`ClipRenderer.render_all` without a graph; renders again when asked for a gradient."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any,
        latents: Tensor,
        renderer: ClipRenderer,
        video_idxs: Tensor,
        noise: list[Tensor] | None,
        labels: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(latents)
        ctx.rest = (renderer, video_idxs, noise, labels)
        return renderer.render_all(latents, video_idxs, noise, labels)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (latents,) = ctx.saved_tensors
        renderer, video_idxs, noise, labels = ctx.rest

        def differentiate_rows(start: int, stop: int) -> Tensor:
            rows = slice(start, stop)
            leaf = latents[rows].detach().requires_grad_()
            own = None if labels is None else labels[rows]
            with torch.enable_grad():
                frames = renderer.render_chunk(leaf, video_idxs[rows], noise, own)
            grad: Tensor = torch.autograd.grad(frames, leaf, grads[0][rows])[0]
            return grad

        parts = renderer._graph_chunks.run(differentiate_rows, len(latents))
        return torch.cat(list(parts)), None, None, None, None


def cut_square(img: Tensor) -> Tensor:
    """Cut the centre square of [n, c, h, w]; what is square stays as it is."""
    height, width = img.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return img[:, :, top : top + side, left : left + side]


def shrink(img: Tensor, size: int) -> Tensor:
    """Average [n, c, h, w] down to `size` pixels, which divides h and w."""
    factor = img.shape[-1] // size
    return img if factor == 1 else F.avg_pool2d(img, factor)


def check_frame_size(frame_size: int, resolution: int) -> None:
    """Check that a generator's pictures can be averaged down to `frame_size` pixels.

    Raises:
        ConfigError: They cannot.
    """
    if frame_size > resolution or resolution % frame_size:
        raise ConfigError(
            f"--frame-size {frame_size}: does not divide the generator's {resolution} pixels",
            hint=f"use --frame-size {min(resolution, 128)}",
        )


def measure_graph_bytes(renderer: ClipRenderer, *, latent_dim: int) -> int:
    """Return how many bytes the graph of one more rendered frame keeps."""
    return _weigh_graph(renderer, 2, latent_dim) - _weigh_graph(renderer, 1, latent_dim)


def _weigh_graph(renderer: ClipRenderer, num_frames: int, latent_dim: int) -> int:
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    device = renderer.generator.device
    latents = torch.zeros(num_frames, latent_dim, device=device, requires_grad=True)
    labels = torch.zeros(num_frames, dtype=torch.int64)
    video_idxs = torch.zeros(num_frames, dtype=torch.int64, device=device)
    noise = renderer.draw_noise([0])
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        frames = renderer.render_chunk(latents, video_idxs, noise, labels)
    del frames
    return sum(seen.values())
