"""Motion training in float16, on the CPU, which is slow at it and exact enough to tell."""

import copy
import math

import pytest
import torch
from reference.toy_clips import ToyClips
from same_runs import assert_same_state

from mocotool.basis import read_basis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.motion.trainer import MotionTrainer

DOMAINS = pytest.mark.parametrize("cross_domain", [False, True], ids=["in-domain", "cross-domain"])


@pytest.fixture
def make_trainer(toy_generator, toy_pca_path):
    def make(precision, *, cross_domain=False, **settings):
        config = TrainMotionConfig.from_recipe(
            cross_domain=cross_domain,
            batch_size=2,
            num_frames=4,
            frame_size=16,
            hidden_dim=12,
            noise_dim=6,
            num_components=12,
            video_width=2,
            image_width=2,
            pair_width=2,
            embed_dim=4,
            bank_size=8,
            num_g_steps=2,
            **settings,
        )
        generator = copy.deepcopy(toy_generator).set_precision(precision)
        trainer = MotionTrainer(generator, read_basis(toy_pca_path), config)
        set_scale(trainer, 2.0**8)  # small enough for the first step to count
        return trainer

    return make


def set_scale(trainer, scale):
    for player in (trainer, *trainer.games.values()):
        if player.scaler.is_enabled():
            player.scaler.load_state_dict(player.scaler.state_dict() | {"scale": scale})


def train(trainer, num_steps):
    clips = ToyClips(batch_size=2)
    clips.position = trainer.step_idx
    return [trainer.step(next(clips)) for _ in range(num_steps)]


@DOMAINS
def test_two_steps_are_nearly_those_in_float32(make_trainer, cross_domain):
    half = make_trainer(torch.float16, cross_domain=cross_domain)
    full = make_trainer(torch.float32, cross_domain=cross_domain)

    values, expected = train(half, 2), train(full, 2)

    for ours, theirs in zip(values, expected, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(map(math.isfinite, ours.values()))
        for name in ("g_loss", "d_video", "d_image", "penalty", "g_grad", "d_video_grad"):
            assert ours[name] == pytest.approx(theirs[name], rel=0.05, abs=0.02), name
    half.check_weights()


@DOMAINS
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(make_trainer, cross_domain):
    whole, second = (make_trainer(torch.float16, cross_domain=cross_domain) for _ in range(2))
    whole.scaler.set_growth_interval(3)  # so that the steps after a resume change the scale
    train(whole, 1)
    assert whole.scaler.get_scale() == 2**8

    second.load_state_dict(copy.deepcopy(whole.state_dict()))
    train(whole, 1)
    train(second, 1)

    assert whole.scaler.get_scale() == 2**9
    assert_same_state(second.state_dict(), whole.state_dict())


def test_a_step_whose_gradients_overflow_is_left_out(make_trainer):
    trainer = make_trainer(torch.float16, graph_mb=0)
    set_scale(trainer, 2.0**40)
    weights = copy.deepcopy(trainer.motion.state_dict())

    (values,) = train(trainer, 1)
    trainer.check_weights()

    assert values["g_grad"] == 0.0
    assert all(map(math.isfinite, values.values()))
    assert trainer.scaler.get_scale() < 2.0**40
    assert all(torch.equal(x, weights[name]) for name, x in trainer.motion.state_dict().items())
