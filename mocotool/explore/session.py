"""Where the controls stand -> latents -> frames; what did not change is not computed again."""

import dataclasses
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch

from mocotool.basis import PCABasis
from mocotool.configs.edit import EditConfig, Move
from mocotool.configs.explore import MAX_FRAMES, ExploreView
from mocotool.configs.path import PathConfig
from mocotool.configs.render import DEFAULT_FPS, RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.errors import ConfigError, UnavailableError
from mocotool.explore.line import STILL, Named, make_commands
from mocotool.frames import render_video
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.motion.generator import MotionGenerator
from mocotool.provenance import FileRecord
from mocotool.steering.edits import edit_trajectory
from mocotool.steering.keyframes import Keyframe, gather_keyframes, make_path
from mocotool.trajectory import draw_contents, sample_trajectory
from mocotool.video.pictures import encode_png

CHUNK_FRAMES = 4  # rendered at once, after the first, which comes alone so that it comes soon
CHUNK_PIXELS = CHUNK_FRAMES << 16  # of large pictures fewer, so that nobody waits for others' long
MAX_PIXELS = 1 << 29  # of all frames of a view: 480 frames of 1024 pixels by 1024
MAX_WALKS = 16
MAX_CACHE_BYTES = 1 << 26


class FrameCache:
    """Frames as PNG files, the least recently used dropped first.

    Args:
        max_bytes: Limit of their total size.
    """

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.max_bytes, self.size_bytes = max_bytes, 0
        self._frames: OrderedDict[bytes, bytes] = OrderedDict()

    def find(self, key: bytes) -> bytes | None:
        """Return the kept frame of a latent, or `None`."""
        found = self._frames.get(key)
        if found is not None:
            self._frames.move_to_end(key)
        return found

    def keep(self, key: bytes, frame: bytes) -> None:
        """Keep a frame, for as long as there is room."""
        self.size_bytes += len(key) + len(frame)
        self._frames[key] = frame
        while self.size_bytes > self.max_bytes:
            old_key, old = self._frames.popitem(last=False)
            self.size_bytes -= len(old_key) + len(old)


class Explorer:
    """One generator with its motion, explored by any number of clients at once.

    A client's state is its `ExploreView`, which it sends each time; what is kept here is what was
    computed, and it serves all. One client computes at a time, a few frames each in turn.

    Args:
        generator: The generator.
        motion: The motion model, or `None` where there is none for this generator: the video is
            then the path from content seed to motion seed.
        basis: The directions.
        named: What the files are called, for the command line.
    """

    def __init__(
        self,
        generator: Generator,
        motion: MotionGenerator | None,
        basis: PCABasis,
        *,
        named: Named | None = None,
    ) -> None:
        self.generator, self.motion, self.basis = generator, motion, basis
        self.named = Named() if named is None else named
        self.own_step_size = None if motion is None else motion.step_size
        self.busy = threading.RLock()
        """Held by whoever computes."""
        self._walks: OrderedDict[ExploreView, Trajectory] = OrderedDict()
        self._frames = FrameCache()

    @property
    def max_frames(self) -> int:
        """Frames that a view of this generator may have."""
        return min(MAX_FRAMES, MAX_PIXELS // math.prod(self.generator.img_size))

    def check(self, view: ExploreView) -> ExploreView:
        """Return a view in the one form that all of its kind have.

        Raises:
            ConfigError: There are not so many directions, or the frames are too many to render.
        """
        num_components = self.basis.num_components
        if len(view.directions) > num_components:
            raise ConfigError(
                f"{len(view.directions)} directions: the basis has {num_components} components"
            )
        if view.num_frames > self.max_frames:
            raise ConfigError(
                f"num_frames {view.num_frames}: expected at most {self.max_frames} for a generator "
                f"of {self.generator.img_size[1]}x{self.generator.img_size[0]} pixels"
            )
        strengths = list(view.directions)
        while strengths and strengths[-1] == STILL:
            strengths.pop()
        own = self.motion is None or view.step_size == self.own_step_size
        return dataclasses.replace(
            view, directions=tuple(strengths), step_size=None if own else view.step_size
        )

    def trajectory(self, view: ExploreView) -> Trajectory:
        """Return the latents of a view, as the commands of `commands` make them.

        Returns:
            One video, [1, t, latent_dim].

        Raises:
            ConfigError: The generator cannot make such a video.
            MismatchError: A class was chosen of a generator without any.
            DivergedError: The latents became NaN or infinite.
        """
        view = self.check(view)
        with self.busy:
            walk = self._walk(dataclasses.replace(view, directions=(), fps=DEFAULT_FPS))
        moves = tuple(
            Move(name=str(number), strength=strength)
            for number, strength in enumerate(view.directions)
            if strength != STILL
        )
        edited = edit_trajectory(walk, config=EditConfig(directions=moves), basis=self.basis)
        edited = dataclasses.replace(edited, meta=dataclasses.replace(edited.meta, fps=view.fps))
        for command in self.commands(view, out="latents.npz"):
            edited = edited.with_command(command)
        return edited

    def _walk(self, view: ExploreView) -> Trajectory:
        """Return the latents of a view without directions, at the usual frame rate."""
        if view in self._walks:
            self._walks.move_to_end(view)
            return self._walks[view]
        walk = self._follow_path(view) if self.motion is None else self._sample(self.motion, view)
        self._walks[view] = walk
        if len(self._walks) > MAX_WALKS:
            self._walks.popitem(last=False)
        return walk

    def _sample(self, motion: MotionGenerator, view: ExploreView) -> Trajectory:
        config = SampleConfig(
            seeds=(view.seed,),
            motion_seeds=(view.motion_seed,),
            num_frames=view.num_frames,
            loop=view.loop,
            truncation_psi=view.truncation_psi,
            labels=None if view.label is None else (view.label,),
        )
        assert self.own_step_size is not None
        motion.step_size = self.own_step_size if view.step_size is None else view.step_size
        return sample_trajectory(motion, self.generator, config=config)

    def _follow_path(self, view: ExploreView) -> Trajectory:
        def draw(seeds: list[int], _record: FileRecord | None) -> Trajectory:
            psi = view.truncation_psi
            return draw_contents(self.generator, seeds, label=view.label, truncation_psi=psi)

        keyframes = [Keyframe(seed=view.seed), Keyframe(seed=view.motion_seed)]
        gathered, _ = gather_keyframes(keyframes, read=_read_nothing, draw=draw)
        return make_path(gathered, config=PathConfig(num_frames=view.num_frames, loop=view.loop))

    def frames(self, view: ExploreView, *, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """Render a view, each frame as soon as it is there.

        Args:
            view: What to render.
            first: The frame that comes first; the others follow it, and then those before it.

        Returns:
            Yields the number of a frame and its PNG file. The latents are computed before this
            returns, so that what is wrong with a view is raised here.

        Raises:
            ConfigError: As `trajectory`, or there is no such frame.
            MismatchError: As `trajectory`.
            DivergedError: As `trajectory`.
        """
        trajectory = self.trajectory(view)
        num_frames = trajectory.num_frames
        if not 0 <= first < num_frames:
            raise ConfigError(f"frame {first}: the video has frames 0 to {num_frames - 1}")
        return self._render(trajectory, [(first + i) % num_frames for i in range(num_frames)])

    def _render(self, trajectory: Trajectory, order: list[int]) -> Iterator[tuple[int, bytes]]:
        size = min(CHUNK_FRAMES, max(CHUNK_PIXELS // math.prod(self.generator.img_size), 1))
        chunks = [order[:1], *(order[i : i + size] for i in range(1, len(order), size))]
        for chunk in chunks:
            with self.busy:
                frames = self._render_chunk(trajectory, chunk)
            yield from zip(chunk, frames, strict=True)

    def _render_chunk(self, trajectory: Trajectory, chunk: list[int]) -> list[bytes]:
        label = b"" if trajectory.labels is None else trajectory.labels.tobytes()
        keys = [label + trajectory.latents[0, idx].tobytes() for idx in chunk]
        frames = {key: png for key in keys if (png := self._frames.find(key)) is not None}
        # Equal latents are one frame, as in a walk that stands still.
        missing = {key: idx for key, idx in zip(keys, chunk, strict=True) if key not in frames}
        if missing:
            rendered = self._render_frames(trajectory, list(missing.values()))
            for key, png in zip(missing, rendered, strict=True):
                frames[key] = png
                self._frames.keep(key, png)
        return [frames[key] for key in keys]

    def _render_frames(self, trajectory: Trajectory, frame_idxs: list[int]) -> list[bytes]:
        config = RenderConfig(chunk_size=len(frame_idxs))
        idxs = np.array(frame_idxs)
        try:
            (frames_u8,) = render_video(
                self.generator, trajectory, 0, config=config, frame_idxs=idxs
            )
        except (MemoryError, torch.OutOfMemoryError):
            raise UnavailableError("out of memory while frames were rendered") from None
        return [encode_png(frame_u8, level=1) for frame_u8 in frames_u8]

    def render_anew(self) -> None:
        """Render a few frames that are neither looked up nor kept, to see how long it takes."""
        trajectory = self.trajectory(ExploreView(num_frames=CHUNK_FRAMES, label=self.any_label))
        self._render_frames(trajectory, list(range(CHUNK_FRAMES)))

    @property
    def any_label(self) -> int | None:
        """A class that there is; `None` of a generator without any."""
        return 0 if self.generator.c_dim else None

    def commands(self, view: ExploreView, *, out: str) -> list[str]:
        """Return the commands that make the same video, to be joined by pipes."""
        return make_commands(
            self.check(view), self.named, has_motion=self.motion is not None, out=out
        )


def _read_nothing(name: str) -> tuple[Trajectory, str]:
    raise FileNotFoundError(name)  # a view has seeds alone
