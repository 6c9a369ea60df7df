"""Rendering for training: chunks, gradients, noise."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.errors import ConfigError, MocoWarning
from mocotool.motion.render_budget import build_renderer, settle_graph_mb
from mocotool.motion.rendering import ClipRenderer, measure_graph_bytes


@pytest.fixture
def renderer(toy_generator):
    return ClipRenderer(generator=toy_generator, frame_size=8, chunk_size=3, noise_mode="random")


@pytest.fixture
def trajectory():
    return torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))


def gradient_at(renderer, trajectory):
    leaf = trajectory.clone().requires_grad_()
    frames = renderer.render(leaf, noise=renderer.draw_noise([1, 2]))
    weight = torch.randn(frames.shape, generator=torch.Generator().manual_seed(4))
    (frames.tanh() * weight).sum().backward()
    return frames.detach(), leaf.grad


def test_the_chunked_gradient_is_that_of_one_graph(renderer, trajectory):
    whole = dataclasses.replace(renderer, num_kept=100, chunk_size=100)

    frames, grad = gradient_at(renderer, trajectory)
    expected_frames, expected_grad = gradient_at(whole, trajectory)

    assert_close(frames, expected_frames)
    assert_close(grad, expected_grad, rtol=1e-4, atol=1e-6)


def test_a_part_of_a_batch_keeps_its_graph(renderer, trajectory, monkeypatch):
    whole = dataclasses.replace(renderer, num_kept=100, chunk_size=100)
    part = dataclasses.replace(renderer, num_kept=5, chunk_size=2)
    expected_frames, expected_grad = gradient_at(whole, trajectory)
    rendered = []
    render_chunk = ClipRenderer.render_chunk

    def note(self, latents, *args):
        rendered.append((len(latents), torch.is_grad_enabled()))
        return render_chunk(self, latents, *args)

    monkeypatch.setattr(ClipRenderer, "render_chunk", note)
    frames, grad = gradient_at(part, trajectory)

    assert_close(frames, expected_frames)
    assert_close(grad, expected_grad, rtol=1e-4, atol=1e-6)
    # Two first frames; three of eight without a graph, and five with one; and the three again
    graphs = [(2, False), (2, False), (1, False), (2, True), (2, True), (1, True)]
    assert rendered == [*graphs, (2, True), (1, True)]


def test_rendering_again_keeps_no_graph(renderer, trajectory):
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda x: saved.append(x.numel()) or x, lambda x: x
    ):
        frames = renderer.render(trajectory.requires_grad_())

    assert frames.requires_grad
    assert max(saved) <= trajectory.numel()


def test_no_gradient_reaches_the_first_frame_or_the_generator(renderer, trajectory):
    _, grad = gradient_at(renderer, trajectory)

    assert torch.equal(grad[:, 0], torch.zeros(2, 12))
    assert grad[:, 1:].abs().min(dim=-1).values.max() > 0
    assert all(p.grad is None for p in renderer.generator.parameters())


def test_a_still_trajectory_gives_a_still_video(renderer):
    trajectory = torch.randn(2, 1, 12).expand(-1, 4, -1)

    video = renderer.render(trajectory, noise=renderer.draw_noise([1, 2]))

    assert_close(video, video[:, :1].expand_as(video), rtol=0, atol=1e-6)


def test_frames_are_averaged_down(renderer, toy_generator, trajectory):
    full = dataclasses.replace(renderer, frame_size=16, noise_mode="none")
    small = dataclasses.replace(renderer, noise_mode="none")

    pooled = torch.nn.functional.avg_pool2d(full.render(trajectory).flatten(0, 1), 2)

    assert_close(small.render(trajectory).flatten(0, 1), pooled)


def test_per_layer_latents_render_alike(renderer, toy_generator, trajectory):
    ws = trajectory[:, :, None].expand(-1, -1, toy_generator.num_ws, -1)
    noise = renderer.draw_noise([1, 2])

    assert_close(renderer.render(ws, noise=noise), renderer.render(trajectory, noise=noise))


def test_noise_belongs_to_its_seed(renderer):
    both = renderer.draw_noise([5, 6])
    alone = renderer.draw_noise([6])

    assert all(torch.equal(a[1:], b) for a, b in zip(both, alone, strict=True))


@pytest.mark.parametrize("frame_size", [12, 32])
def test_frames_that_do_not_fit_are_refused(toy_generator, frame_size):
    with pytest.raises(ConfigError, match=f"frame-size {frame_size}"):
        ClipRenderer(generator=toy_generator, frame_size=frame_size, chunk_size=1)


def test_the_graph_of_a_frame_is_weighed(renderer):
    assert 1_000 < measure_graph_bytes(renderer, latent_dim=12) < 1_000_000


@pytest.mark.parametrize(
    ("graph_mb", "graph_chunk_size", "num_kept"), [(0, 16, 0), (1, 13, 26), (1000, 16, 30)]
)
def test_memory_decides_what_is_kept_and_how_much_is_rendered_at_once(
    toy_generator, frame_of_40_kilobytes, graph_mb, graph_chunk_size, num_kept
):
    config = TrainMotionConfig(frame_size=16, num_frames=31, graph_mb=graph_mb)

    renderer = build_renderer(toy_generator, config, num_clips=1)

    assert renderer.chunk_size == 16
    assert renderer.graph_chunk_size == graph_chunk_size
    assert renderer.num_kept == num_kept


@pytest.fixture
def frame_of_40_kilobytes(monkeypatch):
    monkeypatch.setattr(
        "mocotool.motion.render_budget.measure_graph_bytes", lambda *_, **__: 40_000
    )


@pytest.mark.parametrize(
    ("free_mb", "share", "graph_mb"),
    [
        (1000, 0.4, 10),  # what 240 frames need
        (20, 0.4, 8),
        (20, 0.25, 4),
        (0, 0.4, 0),
    ],
)
def test_free_memory_decides_how_much_graphs_may_take(
    toy_generator, frame_of_40_kilobytes, monkeypatch, free_mb, share, graph_mb
):
    monkeypatch.setattr(
        "mocotool.motion.render_budget.free_device_bytes", lambda _: free_mb * 2**20
    )
    config = TrainMotionConfig(frame_size=16, num_frames=31, memory_share=share)

    assert settle_graph_mb(toy_generator, config, num_clips=8).graph_mb == graph_mb
    said = dataclasses.replace(config, graph_mb=3)
    assert settle_graph_mb(toy_generator, said, num_clips=8).graph_mb == 3


# Memory that runs out


class Tight:
    """A generator's synthesis with room for a few pictures at once."""

    def __init__(self, synthesis, room):
        self.synthesis, self.room, self.tried = synthesis, room, []
        self.compute_dtype = synthesis.compute_dtype

    def __call__(self, latent, **kwargs):
        self.tried.append(len(latent))
        if len(latent) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.synthesis(latent, **kwargs)


def make_tight(toy_generator, *, room, **settings):
    generator = SimpleNamespace(
        synthesis=Tight(toy_generator.synthesis, room),
        img_size=toy_generator.img_size,
        device=toy_generator.device,
    )
    return ClipRenderer(generator=generator, frame_size=8, noise_mode="none", **settings)


def differentiate(renderer):
    walk = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    renderer.render(walk).square().sum().backward()
    return walk.grad


@pytest.mark.parametrize("num_kept", [0, 8])
def test_too_large_a_chunk_is_halved_and_said_once(toy_generator, num_kept):
    roomy = ClipRenderer(generator=toy_generator, frame_size=8, chunk_size=8, noise_mode="none")
    renderer = make_tight(toy_generator, room=3, chunk_size=8, num_kept=num_kept)

    with pytest.warns(MocoWarning, match="out of memory") as warned:
        grad = differentiate(renderer)
    again = differentiate(renderer)

    assert_close(grad, differentiate(roomy))
    assert torch.equal(grad, again)
    # Pictures, and with a graph as well
    assert len(warned) <= 3
    assert renderer.generator.synthesis.tried[-4:] == [2, 2, 2, 2]


def test_no_room_for_one_picture_is_an_error(toy_generator):
    with pytest.raises(torch.OutOfMemoryError), pytest.warns(MocoWarning):
        differentiate(make_tight(toy_generator, room=0, chunk_size=2))
