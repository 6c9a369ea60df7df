import numpy as np
import pytest
import torch
from clip_array import ClipArray
from toy_videos import draw_videos

from mocotool.configs.eval_motion import MotionProtocol
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.metrics.motion import (
    OTHERS_ROW,
    REAL_ROW,
    compute_motion,
    describe_latents,
    describe_model,
    describe_videos,
)
from mocotool.metrics.motion_baselines import (
    borrow_steps,
    walk_autoregressively,
    walk_randomly,
    walk_with_return,
)
from mocotool.metrics.motion_figures import compare_places
from mocotool.metrics.motion_sample import sample_motion
from mocotool.metrics.sources import RenderedLatents
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import draw_latents

PROTOCOL = MotionProtocol(num_frames=8, real_stride=1, num_seeds=2, max_frames=16)


def _measure(fake):
    """Return the rows of some videos beside real ones, with all baselines."""
    real = ClipArray(draw_videos(16, seed=0))
    subjects = describe_videos(fake, protocol=PROTOCOL, baselines=True)
    return compute_motion(real, subjects, protocol=PROTOCOL).details["rows"]


@pytest.fixture(scope="module")
def alike():
    """Rows of videos that move as the real ones do."""
    return _measure(ClipArray(draw_videos(16, seed=1), name="alike"))


def test_videos_of_the_same_kind_are_nearer_than_faster_ones_and_those_nearer_than_still_ones(
    alike,
):
    fast = _measure(ClipArray(draw_videos(16, seed=1, speed=6.0), name="fast"))

    distance = alike["alike"]["distance"]["mean"]  # large, of few clips
    assert distance < 0.8 * fast["fast"]["distance"]["mean"]
    assert fast["fast"]["distance"]["mean"] < alike["static"]["distance"]["mean"]


def test_still_videos_keep_everybody_and_move_nowhere(alike):
    still = alike["static"]

    assert still["identity"]["mean"] == 0
    assert still["own"]["mean"] == 1
    assert still["step"]["mean"] == 0
    assert still["movement"]["mean"] == 0
    assert still["accuracy"]["mean"] > 0.9


def test_real_clips_stand_beside_with_an_interval(alike):
    distance = alike[REAL_ROW]["distance"]

    assert distance["mean"] < alike["alike"]["distance"]["mean"]
    assert len(distance["values"]) == 2
    assert distance["half_width"] > 0


def test_own_is_told_for_each_length_that_all_clips_have():
    long = sample_motion(
        ClipArray(draw_videos(3, seed=0, num_frames=40)), num_frames=8, lengths=(8, 16, 32, 64)
    )

    assert sorted(long.later) == [8, 16, 32]
    assert long.later[32].shape == long.first.shape


def test_what_is_kept_of_a_clip_does_not_grow_with_its_frames():
    small, large = (
        sample_motion(ClipArray(draw_videos(2, seed=0, size=size)), num_frames=8)
        for size in (16, 64)
    )

    assert small.features.shape == large.features.shape == (2, 43)
    assert small.looks.shape == large.looks.shape


def test_a_single_clip_is_refused():
    with pytest.raises(MismatchError, match="1 clip, expected at least 2"):
        sample_motion(ClipArray(draw_videos(1, seed=0)), num_frames=8)


def test_videos_that_are_too_short_are_refused():
    with pytest.raises(FileFormatError, match="no clip of 32 frames"):
        sample_motion(ClipArray(draw_videos(3, seed=0)), num_frames=32)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="expected at least 5"):
        MotionProtocol(num_frames=4)
    with pytest.raises(ConfigError, match="expected at least 2"):
        MotionProtocol(num_clips=1)


def test_lengths_double():
    assert MotionProtocol(num_frames=16, max_frames=128).lengths == (16, 32, 64, 128)
    assert MotionProtocol(num_frames=16, max_frames=50).lengths == (16, 32)


def test_a_motion_model_has_shares_and_all_baselines(toy_motion, toy_generator):
    protocol = MotionProtocol(
        num_frames=5, real_stride=1, num_seeds=1, max_frames=10, num_contents=4, num_motions=3
    )
    real = Trajectory(
        latents=draw_latents(toy_generator, list(range(24))).reshape(4, 6, -1).numpy(),
        meta=LatentsMeta(space="w"),
    )
    subjects = describe_model(
        toy_motion,
        toy_generator,
        name="toy",
        num_videos=3,
        protocol=protocol,
        baselines=True,
        real=real,
    )

    rows = compute_motion(ClipArray(draw_videos(6, seed=0)), subjects, protocol=protocol).details[
        "rows"
    ]

    assert list(rows) == [
        "toy",
        OTHERS_ROW,
        "static",
        "random walk",
        "AR(1) with offset",
        "AR(1) with return",
        "look-alike's real steps",
        "real, inverted",
        "untrained",
        REAL_ROW,
    ]
    shares = [rows["toy"][name]["mean"] for name in ("content", "common", "motion_seed")]
    assert sum(shares) == pytest.approx(1.0)
    assert "own_10" in rows["toy"]
    assert "own_10" in rows[OTHERS_ROW]


class KnownMotion(MotionGenerator):
    """Goes on along one line, which the first latent alone decides, or the noise alone."""

    def __init__(self, generator, *, sees_content):
        d = generator.latent_dim
        super().__init__(
            latent_dim=d, noise_dim=d, hidden_dim=4, components=torch.eye(d), stdev=torch.ones(d)
        )
        self.sees_content = sees_content
        drawn = draw_latents(generator, list(range(256)))
        self.mean, self.spread = drawn.mean(dim=0), drawn.std(dim=0)

    def _walk(self, latent, noise):
        mixed = torch.randn(
            latent.shape[1], latent.shape[1], generator=torch.Generator().manual_seed(0)
        )
        along = ((latent - self.mean) / self.spread) @ mixed
        for i, step in enumerate(noise):
            if i == 0 and not self.sees_content:
                along = step @ mixed
            latent = latent + 0.2 * self.spread * along / along.norm(dim=1, keepdim=True)
            yield latent, latent, latent


def _draw_beside_others(generator, *, sees_content, num_videos=16):
    """Return the walks of a model, and the same on other contents."""
    protocol = MotionProtocol(num_frames=6, max_frames=12)
    model = KnownMotion(generator, sees_content=sees_content)
    subjects = describe_model(
        model, generator, name="known", num_videos=num_videos, protocol=protocol, baselines=True
    )
    named = {subject.name: subject for subject in subjects}
    return named["known"].draw(0), named[OTHERS_ROW].draw(0)


def test_a_model_that_does_not_see_the_content_equals_its_row_of_other_contents(toy_generator):
    own, others = _draw_beside_others(toy_generator, sees_content=False)

    assert own.trajectory.num_frames == 12  # so that `own` is known after long walks too
    np.testing.assert_allclose(others.trajectory.latents, own.trajectory.latents, atol=1e-5)


def test_what_the_content_decides_is_lost_on_other_contents(toy_generator):
    own, others = _draw_beside_others(toy_generator, sees_content=True)

    ours, theirs = own.trajectory.latents, others.trajectory.latents
    np.testing.assert_array_equal(theirs[:, 0], ours[:, 0])
    # the same steps, each once, and none where it was
    gaps = np.abs(np.diff(theirs, axis=1)[:, None, 0] - np.diff(ours, axis=1)[None, :, 0])
    found = gaps.max(axis=2).argmin(axis=1)
    assert sorted(found) == list(range(len(found)))
    assert (found != np.arange(len(found))).all()

    # If real clips were the model's own, it would move where they do, and the others would not.
    real, moved = (sample_motion(videos, num_frames=6, movement=False) for videos in (own, others))
    assert compare_places(real, real) == pytest.approx(1.0, abs=1e-6)
    assert compare_places(real, moved) < 0.5


def test_latents_of_a_file_have_the_row_too(toy_generator):
    rng = np.random.default_rng(0)
    first = draw_latents(toy_generator, list(range(5))).numpy()[:, None]
    steps = rng.standard_normal((5, 6, first.shape[2])) * np.arange(1, 6)[:, None, None]
    latents = (first + 0.01 * np.cumsum(steps, axis=1)).astype(np.float32)
    videos = RenderedLatents(
        Trajectory(latents=latents, meta=LatentsMeta(space="w")), toy_generator
    )
    protocol = MotionProtocol(num_frames=6)

    subjects = describe_latents(videos, protocol=protocol, baselines=True)
    (shuffled,) = [subject for subject in subjects if subject.name == OTHERS_ROW]
    walks = [shuffled.draw(seed).trajectory.latents for seed in range(8)]

    for walk in walks:
        np.testing.assert_array_equal(walk[:, 0], latents[:, 0])
        energy = np.square(np.diff(walk, axis=1)).sum(axis=(1, 2))
        order = np.argsort(np.argsort(energy))  # whose steps each has: they grow with the number
        assert sorted(order) == list(range(5))
        assert (order != np.arange(5)).all()
    assert len({walk.tobytes() for walk in walks}) > 1


def _walks(n=400, t=17, d=12, memory=0.8):
    """Return a trajectory of AR(1) steps with an offset, in the toy generator's latents."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((n, t, d))
    for i in range(1, t):
        noise[:, i] = memory * noise[:, i - 1] + np.sqrt(1 - memory**2) * noise[:, i]
    steps = 0.1 * (noise + np.arange(d) / d)
    return Trajectory(latents=steps.cumsum(1).astype(np.float32), meta=LatentsMeta(space="w"))


def test_an_autoregressive_walk_has_the_moments_of_what_it_copies():
    walks = _walks()

    copied = walk_autoregressively(walks, seed=0)

    a, b = np.diff(walks.latents, axis=1), np.diff(copied.latents, axis=1)
    np.testing.assert_array_equal(copied.latents[:, 0], walks.latents[:, 0])
    np.testing.assert_allclose(b.mean((0, 1)), a.mean((0, 1)), atol=0.02)
    np.testing.assert_allclose(b.std((0, 1)), a.std((0, 1)), rtol=0.1)
    for steps in (a, b):
        centred = steps - steps.mean((0, 1))
        correlation = (centred[:, 1:] * centred[:, :-1]).mean() / (centred**2).mean()
        assert correlation == pytest.approx(0.8, abs=0.05)


def test_an_autoregressive_walk_that_returns_is_the_process_it_was_fitted_to():
    """Its moments in the long run, which no clip that it is fitted to has alone, are the same."""
    rng = np.random.default_rng(0)
    n, t, d = 400, 60, 6
    spread = 0.1 + 0.01 * np.arange(d)
    latents = np.zeros((n, t, d))
    step = spread * rng.standard_normal((n, d))
    for i in range(1, t):
        latents[:, i] = latents[:, i - 1] + step
        step = 0.5 * step - 0.2 * latents[:, i] + spread * rng.standard_normal((n, d)) + 0.02
    walks = Trajectory(latents=latents.astype(np.float32), meta=LatentsMeta(space="w"))

    copied = walk_with_return(walks, seed=0, num_frames=200)

    np.testing.assert_array_equal(copied.latents[:, 0], walks.latents[:, 0])
    far, copied_far = latents[:, 30:], copied.latents[:, 100:]
    np.testing.assert_allclose(copied_far.mean((0, 1)), far.mean((0, 1)), atol=0.02)
    np.testing.assert_allclose(copied_far.std((0, 1)), far.std((0, 1)), rtol=0.05)
    # Autoregressive steps without a return leave for good.
    left = walk_autoregressively(walks, seed=0, num_frames=200).latents
    assert (left[:, -1].std(axis=0) > 3 * far.std((0, 1))).all()


def test_a_random_walk_has_the_energy_and_no_memory(toy_generator):
    walks = _walks()

    steps = np.diff(walk_randomly(walks, toy_generator, seed=0).latents, axis=1)

    assert (steps**2).mean() == pytest.approx(
        (np.diff(walks.latents, axis=1) ** 2).mean(), rel=0.02
    )
    assert (steps[:, 1:] * steps[:, :-1]).mean() == pytest.approx(0, abs=1e-3)


def test_walks_may_be_longer_than_what_they_copy(toy_generator):
    walks = _walks()

    copied = walk_autoregressively(walks, seed=0, num_frames=40)
    random = walk_randomly(walks, toy_generator, seed=0, num_frames=40)

    for longer in (copied, random):
        steps = np.diff(longer.latents, axis=1)
        assert longer.latents.shape == (400, 40, 12)
        assert (steps**2).mean() == pytest.approx(
            (np.diff(walks.latents, axis=1) ** 2).mean(), rel=0.1
        )


def test_steps_are_borrowed_from_the_clip_that_begins_most_alike(toy_generator):
    drawn = draw_latents(toy_generator, [0, 1, 2]).numpy()
    walks = np.arange(8)[None, :, None] * np.array([1, 2, 3])[:, None, None]
    real = Trajectory(
        latents=(drawn[:, None] + walks).astype(np.float32), meta=LatentsMeta(space="w")
    )
    start = Trajectory(latents=drawn[[2, 0], None] + np.float32(1e-3), meta=real.meta)

    borrowed = borrow_steps(start, real, toy_generator, stride=2, num_frames=4)

    steps = np.diff(borrowed.latents, axis=1)
    np.testing.assert_allclose(steps[0], 6.0, rtol=1e-4)
    np.testing.assert_allclose(steps[1], 2.0, rtol=1e-4)


def test_clips_too_short_to_borrow_from_are_refused(toy_generator):
    short = _walks(n=3, t=4)

    with pytest.raises(MismatchError, match="give 2 at stride 2, expected at least 4"):
        borrow_steps(short, short, toy_generator, stride=2, num_frames=4)
