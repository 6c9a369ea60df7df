import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mocotool.configs.invert_clips import InvertClipsConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.inversion.clip_search import LatentAxes, _solve, search_clip
from mocotool.inversion.clips import ClipParts, invert_clips, to_trajectory
from mocotool.inversion.objective import PyramidFeatures, inversion_loss
from mocotool.inversion.quality import measure_lpips
from mocotool.networks.lpips import load_lpips

CONFIG = InvertClipsConfig(num_steps=20, num_anchors=2, prior=1e-5, smoothness=1e-4, min_gain=0)


@pytest.fixture(scope="module")
def axes(toy_generator):
    return LatentAxes.measure(toy_generator, count=12)


def _walk(axes, t=6, seed=0):
    """Return coordinates [t, k] of a smooth walk from a drawn latent."""
    rng = torch.Generator().manual_seed(seed)
    k = len(axes.axes)
    pace = 0.1 * torch.randn(1, k, generator=rng)
    return torch.randn(1, k, generator=rng) + pace * torch.arange(t)[:, None]


def _render(generator, latents):
    with torch.no_grad():
        return generator.synthesis(latents)


def test_coordinates_are_standard_and_lead_back(toy_generator, axes):
    drawn = toy_generator.mapping(
        torch.randn(3000, 8, generator=torch.Generator().manual_seed(5))
    ).detach()

    coords = axes.to_coords(drawn)

    assert_close(coords.std(dim=0), torch.ones(len(axes.axes)), rtol=0.1, atol=0.1)
    assert_close(axes.to_latents(coords), drawn, rtol=1e-3, atol=1e-3)


def test_the_step_solves_the_whole_least_squares_problem():
    rng = torch.Generator().manual_seed(0)
    t, k, p = 5, 3, 7
    rest, coords = torch.randn(t, p, generator=rng), torch.randn(t, k, generator=rng)
    slopes, anchors = torch.randn(2, k, p, generator=rng), torch.tensor([0, 0, 1, 1, 0])
    config = InvertClipsConfig(smoothness=0.7, prior=0.2)

    step = _solve(rest, coords, anchors, slopes, damping=0.0, config=config)

    # The same as one dense system over all frames.
    blocks = torch.block_diag(*[slopes[a].T for a in anchors])  # [t*p, t*k]
    differences = torch.kron(torch.diff(torch.eye(t), dim=0), torch.eye(k)) * 0.7**0.5
    rows = torch.cat([blocks, differences, torch.eye(t * k) * 0.2**0.5])
    flat = coords.flatten()
    wanted = torch.cat([-rest.flatten(), -differences @ flat, -(0.2**0.5) * flat])
    expected = torch.linalg.lstsq(rows, wanted[:, None]).solution.reshape(t, k)
    assert_close(step, expected, rtol=1e-3, atol=1e-3)


def test_a_clip_of_the_generators_own_is_found_again(toy_generator, axes):
    truth = axes.to_latents(_walk(axes))
    frames = _render(toy_generator, truth)
    start = axes.to_latents(_walk(axes) + 0.3)

    found = search_clip(toy_generator, frames, start=start, axes=axes, config=CONFIG)

    before = (_render(toy_generator, start) - frames).square().mean()
    assert (found.img - frames).square().mean() < 0.02 * before
    assert_close(found.img, _render(toy_generator, found.latents))


def test_smoothness_makes_steps_small(toy_generator, axes):
    frames = _render(toy_generator, axes.to_latents(_walk(axes)))
    frames = frames + 0.3 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    start = axes.to_latents(_walk(axes))
    lengths = []
    for smoothness in (1e-5, 1e-1):
        config = dataclasses.replace(CONFIG, smoothness=smoothness)
        found = search_clip(toy_generator, frames, start=start, axes=axes, config=config)
        lengths.append(float(axes.to_coords(found.latents).diff(dim=0).norm()))

    assert lengths[1] < 0.5 * lengths[0]


def test_the_loss_never_rises(toy_generator, axes):
    frames = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    start = axes.to_latents(_walk(axes, t=4))
    errors = []
    for num_steps in (1, 4, 12):
        config = dataclasses.replace(CONFIG, num_steps=num_steps, prior=0, smoothness=0)
        found = search_clip(toy_generator, frames, start=start, axes=axes, config=config)
        errors.append(float((found.img - frames).square().mean()))

    assert errors == sorted(errors, reverse=True)


def _clips(generator, axes, n=3):
    """Return names and readers of clips, and how often each was read."""
    read = []
    clips = []
    for i in range(n):
        frames = _render(generator, axes.to_latents(_walk(axes, seed=i))).clamp(-1, 1)

        def reader(name=f"clip-{i}", frames=frames):
            read.append(name)
            return frames

        clips.append((f"clip-{i}", reader))
    return clips, read


def test_many_clips_become_one_trajectory_with_their_names(toy_generator, axes):
    clips, _ = _clips(toy_generator, axes)

    found = invert_clips(toy_generator, clips, config=InvertClipsConfig(num_steps=10))
    trajectory = to_trajectory(found, toy_generator, frame_stride=2, fps=12.0)

    assert trajectory.latents.shape == (3, 6, 12)
    assert trajectory.meta.names == ["clip-0", "clip-1", "clip-2"]
    assert trajectory.meta.frame_stride == 2


def test_more_steps_come_nearer_where_nothing_holds_latents_back(toy_generator, axes):
    clips, _ = _clips(toy_generator, axes)

    rough, fine = (
        invert_clips(
            toy_generator,
            clips,
            config=InvertClipsConfig(num_steps=steps, smoothness=0.0, prior=0.0),
        )
        for steps in (1, 10)
    )

    features = PyramidFeatures()
    for (_, reader), first, clip in zip(clips, rough, fine, strict=True):
        frames = reader()
        losses = [
            inversion_loss(
                img=img, target=frames, maps=features(img), target_maps=features(frames)
            ).sum()
            for img in (_render(toy_generator, each.latents) for each in (first, clip))
        ]
        assert losses[1] < losses[0]


def test_a_stopped_search_goes_on_with_what_is_done(toy_generator, axes, tmp_path):
    clips, read = _clips(toy_generator, axes)
    config = InvertClipsConfig(num_steps=3)
    whole = invert_clips(toy_generator, clips, config=config)
    read.clear()
    parts = ClipParts(tmp_path / "parts", {"seed": 0})
    invert_clips(toy_generator, clips[:2], config=config, parts=parts)

    resumed = invert_clips(toy_generator, clips, config=config, parts=parts)

    assert read == ["clip-0", "clip-1", "clip-2"]
    assert parts.check() == 3
    for a, b in zip(whole, resumed, strict=True):
        assert torch.equal(a.latents, b.latents)
    parts.remove()
    assert not (tmp_path / "parts").exists()


def test_parts_of_other_settings_are_refused(toy_generator, axes, tmp_path):
    clips, _ = _clips(toy_generator, axes, n=1)
    config = InvertClipsConfig(num_steps=1)
    invert_clips(toy_generator, clips, config=config, parts=ClipParts(tmp_path / "p", {"seed": 0}))

    with pytest.raises(ConfigError, match="other settings"):
        ClipParts(tmp_path / "p", {"seed": 1}).check()


def test_clips_of_another_size_are_refused(toy_generator):
    with pytest.raises(MismatchError):
        invert_clips(toy_generator, [("large", lambda: torch.zeros(2, 3, 32, 32))])


def test_settings_out_of_range_are_refused():
    for settings in ({"num_frames": 1}, {"num_anchors": 0}, {"smoothness": -1.0}):
        with pytest.raises(ConfigError):
            InvertClipsConfig(**settings)


def test_names_and_stride_survive_a_file(toy_generator, axes, tmp_path):
    from mocotool.latents import read_latents, write_latents

    clips, _ = _clips(toy_generator, axes, n=2)
    found = invert_clips(toy_generator, clips, config=InvertClipsConfig(num_steps=1))
    trajectory = to_trajectory(found, toy_generator, frame_stride=2)
    with (tmp_path / "t.npz").open("wb") as file:
        write_latents(trajectory, file)

    again = read_latents(tmp_path / "t.npz")

    assert again.meta.names == trajectory.meta.names
    assert again.meta.frame_stride == 2
    np.testing.assert_array_equal(again.latents, trajectory.latents)


def test_lpips_of_a_clip_is_that_of_its_pictures():
    rng = torch.Generator().manual_seed(0)
    img, target = (torch.rand(18, 3, 128, 128, generator=rng) * 2 - 1 for _ in range(2))

    found = measure_lpips(img, target)

    assert found == pytest.approx(float(load_lpips().distance(img, target).mean()), rel=1e-4)
    assert measure_lpips(img[:2], img[:2]) == 0
    assert math.isnan(measure_lpips(img[:, :1], target[:, :1]))
