import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mocotool.configs.pca import PCAConfig
from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.errors import ConfigError, MismatchError, StoppedError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.motion.checkpoint import load_motion, save_motion
from mocotool.motion.displacement import split_displacement
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.latent_clips import (
    LatentClips,
    LatentWindows,
    check_learnable,
    cut_basis,
    measure_metric,
)
from mocotool.motion.latent_game import LatentMotionTrainer
from mocotool.motion.latent_training import (
    find_alarms,
    match_liveliness,
    remove_common_drift,
    train_latent_motion,
)
from mocotool.pca import fit_pca_basis
from mocotool.training.best_step import BestStep
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

CONFIG = TrainLatentMotionConfig(
    num_steps=4,
    batch_size=16,
    num_frames=8,
    long_frames=12,
    hidden_dim=24,
    noise_dim=4,
    num_components=6,
    save_every=2,
    log_every=2,
)
GOOD = {
    "walk_energy": 1.0,
    "content": 0.3,
    "motion_seed": 0.5,
    "common": 0.2,
    "walk_spread": 1.0,
    "held_out": 0.5,
}


@pytest.fixture(scope="module")
def basis(toy_generator):
    return cut_basis(fit_pca_basis(toy_generator, config=PCAConfig(num_samples=2000)), 6)


def _clips(basis, n=60, t=10, seed=0):
    """Return clips whose direction of motion their first latent decides, by a sign of its own."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((n, 1, 6))
    way = np.zeros((n, t, 6))
    way[:, :, 1] = 0.1 * np.sign(first[:, :, 0]) * np.arange(t)
    way[:, :, 2] = 0.1 * rng.choice([-1, 1], (n, 1)) * np.arange(t)
    coords = first + way
    latents = basis.mean + (coords * basis.stdev) @ basis.components
    return Trajectory(latents=latents.astype(np.float32), meta=LatentsMeta(space="w"))


def _make(toy_generator, basis, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    clips = LatentClips.split(_clips(basis), basis, share=config.held_out)
    metric = measure_metric(toy_generator, basis)
    return LatentMotionTrainer(toy_generator, basis, clips, metric, config)


def _guided(basis, **changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        motion = GuidedMotion(
            latent_dim=12,
            noise_dim=4,
            hidden_dim=10,
            components=torch.from_numpy(basis.components),
            stdev=torch.from_numpy(basis.stdev),
            mean=torch.from_numpy(basis.mean),
            **{"step_size": 0.5, **changes},
        )
        torch.nn.init.normal_(motion.coefficient_weight)
    return motion.eval()


def test_coordinates_lead_back_to_latents(basis):
    motion = _guided(basis)
    coords = torch.randn(5, 6)

    assert_close(motion.to_coords(motion.from_coords(coords)), coords, rtol=1e-3, atol=1e-3)


def test_a_walk_begins_with_its_start_and_is_the_same_unrolled(basis):
    motion = _guided(basis)
    latent, noise = motion.from_coords(torch.randn(3, 6)), torch.randn(3, 7, 4)

    with torch.no_grad():
        walk = motion(latent, noise)

    assert walk.shape == (3, 8, 12)
    assert torch.equal(walk[:, 0], latent)
    assert_close(motion.rollout(latent, noise).trajectory, walk)


def test_the_start_is_seen_at_every_step(basis):
    motion = _guided(basis)
    noise = torch.randn(1, 30, 4, generator=torch.Generator().manual_seed(0)).expand(40, -1, -1)
    first = motion.from_coords(torch.randn(40, 6, generator=torch.Generator().manual_seed(1)))

    with torch.no_grad():
        steps = motion.to_coords(motion(first, noise)).diff(dim=1)

    spread = steps.std(dim=0).mean(dim=1)
    assert spread[-5:].mean() > 0.5 * spread[:5].mean()  # an LSTM that forgets has none left


def test_a_pull_keeps_long_walks_near_their_start(basis):
    distances = []
    for pull in (0.0, 0.1):
        motion = _guided(basis, pull=pull)
        first = motion.from_coords(torch.zeros(8, 6))
        noise = torch.randn(8, 400, 4, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            distances.append(
                float(motion.to_coords(motion(first, noise))[:, -1].norm(dim=1).mean())
            )

    assert distances[1] < 0.5 * distances[0]


def test_no_step_size_stands_still(basis):
    motion = _guided(basis, step_size=0.0)
    latent = motion.from_coords(torch.randn(3, 6))

    with torch.no_grad():
        walk = motion(latent, torch.randn(3, 7, 4))

    assert torch.equal(walk, latent[:, None].expand_as(walk))


def test_every_layer_of_w_plus_takes_the_same_steps(basis):
    motion = _guided(basis)
    ws = torch.randn(2, 4, 12)

    with torch.no_grad():
        steps = motion(ws, torch.randn(2, 5, 4)).diff(dim=1)

    assert_close(steps, steps[:, :, :1].expand_as(steps), rtol=1e-4, atol=1e-5)


def test_a_guided_model_survives_a_file(basis, tmp_path):
    motion = _guided(basis, pull=0.07, gain=0.8)
    save_motion(motion, tmp_path / "m.safetensors")
    latent, noise = torch.randn(2, 12), torch.randn(2, 3, 4)

    loaded = load_motion(tmp_path / "m.safetensors")

    assert isinstance(loaded, GuidedMotion)
    assert loaded.arch == motion.arch
    with torch.no_grad():
        assert_close(loaded(latent, noise), motion(latent, noise))


def test_the_metric_says_how_much_a_step_shows(toy_generator, basis):
    metric = measure_metric(toy_generator, basis)
    latent = toy_generator.mapping(torch.zeros(1, 8))
    steps = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    moved = latent + 0.1 * (steps * torch.from_numpy(basis.stdev)) @ torch.from_numpy(
        basis.components
    )

    with torch.no_grad():
        change = (toy_generator.synthesis(moved) - toy_generator.synthesis(latent)).flatten(1)

    seen, told = change.norm(dim=1), (steps @ metric).norm(dim=1)
    assert torch.corrcoef(torch.stack([seen, told]))[0, 1] > 0.5


def test_some_clips_are_held_out_and_none_is_lost(basis):
    clips = LatentClips.split(_clips(basis), basis, share=0.1)

    assert (len(clips.seen), len(clips.held_out)) == (54, 6)
    windows = clips.seen.draw(500, 8, rng=torch.Generator().manual_seed(0)).coords
    assert windows.shape == (500, 8, 6)
    held = clips.held_out.coords[:, :8].flatten(1)
    assert torch.cdist(windows.flatten(1), held).min() > 1e-3


@pytest.mark.parametrize(("n", "share", "held"), [(12, 0.1, 2), (12, 0.0, 0), (6, 0.2, 1)])
def test_of_ten_clips_two_are_spared_since_one_has_nobody_to_be_told_from(basis, n, share, held):
    assert len(LatentClips.split(_clips(basis, n=n), basis, share=share).held_out) == held


def test_windows_longer_than_clips_are_refused(basis):
    clips = LatentClips.split(_clips(basis), basis, share=0.1)

    with pytest.raises(MismatchError, match="no windows of 20"):
        clips.seen.draw(2, 20, rng=torch.Generator())


def test_one_clip_is_refused_by_the_name_of_its_file(basis):
    with pytest.raises(MismatchError, match="one.npz: one clip, expected at least 2"):
        check_learnable(_clips(basis, n=1), name="one.npz")


def test_windows_of_loops_go_over_the_seam_and_those_of_others_do_not(basis):
    turn = torch.arange(10) / 10 * 2 * math.pi
    circle = torch.stack([turn.sin(), turn.cos()], dim=1)  # [10, 2]
    line = torch.arange(10.0)[:, None].expand(-1, 2)

    clips = LatentWindows.of(torch.stack([circle, line]))

    rng = torch.Generator().manual_seed(0)
    assert clips.is_loop.tolist() == [True, False]
    long = clips.draw(50, 35, rng=rng).coords
    assert_close(long[:, :25], long[:, 10:])  # round and round
    short = clips.draw(400, 9, rng=rng).coords
    lines = short[short[:, 0, 0] == short[:, 0, 1]]
    steps = short.diff(dim=1)
    assert (steps[(steps > 0.99).all(dim=2)] == 1).all()
    assert len(lines) > 0
    assert steps.abs().max() == 1  # no line jumps back to its start


@pytest.mark.slow
def test_where_it_goes_is_learnt_from_contents(toy_generator, basis):
    # First latents are left as they are: learning is asked for here, not what guards it.
    trainer = _make(
        toy_generator,
        basis,
        num_steps=250,
        batch_size=32,
        learning_rate=3e-3,
        start_noise=0.1,
        start_dropout=0.0,
    )
    for _ in range(250):
        trainer.step()
    motion, first = trainer.averaged, trainer.pool[:200]
    noise = motion.draw_noise(200, 8, rng=torch.Generator().manual_seed(0))

    walks = motion.to_coords(motion(motion.from_coords(first), noise))

    way = walks[:, -1, 1] - walks[:, 0, 1]
    agreement = (way.sign() == first[:, 0].sign()).float().mean()
    # One half is chance: the first coordinate decides the way of the second.
    assert agreement > 0.75
    assert trainer.measure_held_out()["content_gain"] > 0.05


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(toy_generator, basis, tmp_path):
    def run(trainer, folder, *, resume=False, stop_at=None):
        stop = StopRequest()

        def on_step(step, values):
            if step == stop_at:
                stop.signal = 2

        place = RunFolder(tmp_path / folder)
        place.open(trainer.config, resume=resume)
        if resume:
            trainer.load_state_dict(place.load_state(warn=print)["trainer"])
        train_latent_motion(
            trainer,
            place,
            save_motion=lambda *_, is_best: None,
            on_step=on_step,
            warn=lambda _: None,
            stop=stop,
        )

    whole = _make(toy_generator, basis)
    run(whole, "whole")
    with pytest.raises(StoppedError):
        run(_make(toy_generator, basis), "parts", stop_at=3)
    resumed = _make(toy_generator, basis)
    run(resumed, "parts", resume=True)

    for a, b in zip(whole.averaged.parameters(), resumed.averaged.parameters(), strict=True):
        assert torch.equal(a, b)


def test_where_everybody_goes_is_removed_and_everybody_still_moves(toy_generator, basis):
    motion = _guided(basis, step_size=0.2)
    motion.num_frames = 8
    motion.coefficient_bias.data[2] = 0.7  # all walks go this way
    rng = torch.Generator().manual_seed(1)
    drawn, others = (
        toy_generator.mapping(torch.randn(500, 8, generator=rng)).detach() for _ in range(2)
    )

    def walk(first):
        with torch.no_grad():
            coords = motion.to_coords(motion(first, motion.draw_noise(500, 8, rng=rng)))
        return coords[:, -1] - coords[:, 0]

    before = walk(others)
    left = remove_common_drift(motion, drawn)
    after = walk(others)

    assert left < 0.05
    assert after.mean(dim=0).norm() < 0.35 * before.mean(dim=0).norm()
    assert after.std(dim=0).norm() > 0.5 * before.std(dim=0).norm()


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_liveliness_is_matched_to_that_of_real_clips(toy_generator, basis, share):
    motion = _guided(basis, step_size=0.05)
    motion.num_frames = 8
    clips = LatentClips.split(_clips(basis), basis, share=0.1).seen

    gain = match_liveliness(motion, toy_generator, clips, share=share)

    def measure(walks):
        with torch.no_grad():
            frames = [toy_generator.synthesis(walk).clamp(-1, 1) for walk in walks]
        return torch.stack([x.diff(dim=0).abs().mean() for x in frames]).mean()

    real = measure(motion.from_coords(clips.coords[:, :8]))
    first = toy_generator.mapping(torch.randn(100, 8, generator=torch.Generator().manual_seed(3)))
    made = measure(motion(first, motion.draw_noise(100, 8)).detach())
    assert gain != 1.0
    assert float(made / real) == pytest.approx(share, rel=0.25)


def test_liveliness_that_latents_have_lost_is_given_back(toy_generator, basis):
    trajectory = _clips(basis)
    kept = [0.5] * trajectory.num_videos
    lossy = dataclasses.replace(
        trajectory, meta=dataclasses.replace(trajectory.meta, liveliness=kept)
    )
    gains = []
    for clips in (trajectory, lossy):
        motion = _guided(basis, step_size=0.05)
        motion.num_frames = 8
        seen = LatentClips.split(clips, basis, share=0.1).seen
        gains.append(match_liveliness(motion, toy_generator, seen, share=0.5))

    assert gains[1] == pytest.approx(2 * gains[0], rel=0.1)


@pytest.mark.parametrize(
    ("changes", "alarm"),
    [
        ({"walk_energy": 0.1}, "frozen"),
        ({"walk_energy": 9.0}, "wild"),
        ({"content": 0.01}, "content-blind"),
        ({"motion_seed": 0.01}, "motion seeds alike"),
        ({"walk_spread": 3.0}, "drift"),
        ({"own": 0.2}, "identity lost"),
    ],
)
def test_each_alarm_says_what_to_change(changes, alarm):
    alarms = find_alarms(GOOD | changes)

    assert list(alarms) == [alarm]
    assert ";" in alarms[alarm]
    assert "--step-size" not in alarms[alarm]  # an option of the games
    assert "--latents" not in alarms[alarm]  # what is done already


def test_good_motion_raises_no_alarm():
    assert find_alarms(GOOD) == {}


def test_the_best_step_is_the_one_with_the_lowest_error_and_survives_a_resume(tmp_path):
    run = RunFolder(tmp_path)
    best = BestStep(run)
    taken = []
    for step, error in enumerate((0.5, 0.3, 0.4, 0.35), start=1):
        run.log(step, {"held_out": error})
        taken.append(best.take(step, error))

    assert taken == [True, True, False, False]
    assert BestStep(run).num_worse == best.num_worse == 2
    assert not BestStep(run).take(5, 0.31)


def test_training_ends_where_held_out_clips_get_no_better(toy_generator, basis, tmp_path):
    trainer = _make(toy_generator, basis, num_steps=40, save_every=1, log_every=1, patience=2)
    trainer.measure_held_out = lambda: {"held_out": 0.5, "content_gain": 0.0}  # never better
    place = RunFolder(tmp_path)
    place.open(trainer.config, resume=False)

    train_latent_motion(
        trainer,
        place,
        save_motion=lambda *_, is_best: None,
        on_step=lambda *_: None,
        warn=lambda _: None,
        stop=StopRequest(),
    )

    assert trainer.step_idx == 3


def test_without_held_out_clips_there_is_no_figure_of_them(toy_generator, basis):
    trainer = _make(toy_generator, basis, held_out=0.0)

    assert all(math.isnan(value) for value in trainer.measure_held_out().values())


def test_settings_out_of_range_are_refused():
    for settings in ({"num_frames": 2}, {"long_frames": 4}, {"pull": 1.0}, {"crowd_weight": -1.0}):
        with pytest.raises(ConfigError):
            TrainLatentMotionConfig(**settings)


def test_shares_need_no_rendering():
    moves = np.ones((3, 4, 5))

    assert split_displacement(moves)["common"] == pytest.approx(1.0)
