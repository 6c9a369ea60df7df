"""Image training in float16, on the CPU: finite where large numbers meet, and exact to resume."""

import copy
import math

import pytest
import torch
from same_runs import assert_same_state

from mocotool.configs.train_image import TrainImageConfig
from mocotool.generators.stylegan2_layers import SynthesisLayer
from mocotool.image_training.stylegan2_discriminator import StyleGAN2Discriminator
from mocotool.image_training.trainer import ImageTrainer


def make_trainer(precision=torch.float16, **settings):
    small = {
        "resolution": 8,
        "batch_size": 4,
        "channel_base": 64,
        "channel_max": 8,
        "z_dim": 6,
        "w_dim": 6,
        "num_mapping_layers": 2,
        "r1_interval": 2,
        "augment": "none",
    }
    return ImageTrainer(TrainImageConfig(**(small | settings)), precision=precision)


def draw_images(step, size=8):
    rng = torch.Generator().manual_seed(step)
    return torch.randint(0, 256, (4, 3, size, size), dtype=torch.uint8, generator=rng)


def train(trainer, num_steps):
    size = trainer.config.resolution
    return [trainer.step(draw_images(trainer.step_idx, size)) for _ in range(num_steps)]


def test_steps_are_nearly_those_in_float32():
    values, expected = train(make_trainer(), 2), train(make_trainer(torch.float32), 2)

    for ours, theirs in zip(values, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=0.05, abs=0.02)


def test_the_projected_discriminator_takes_it_too():
    trainer = make_trainer(discriminator="projected", resolution=32)

    (values,) = train(trainer, 1)

    assert all(map(math.isfinite, values.values()))
    trainer.check_weights()


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit():
    whole, second = make_trainer(), make_trainer()
    whole.d_scaler.set_growth_interval(4)  # two steps and the penalty's are three
    train(whole, 2)

    second.load_state_dict(copy.deepcopy(whole.state_dict()))
    train(whole, 1)
    train(second, 1)

    assert whole.d_scaler.get_scale() == 2**17
    assert_same_state(second.state_dict(), whole.state_dict())


def test_a_learning_layer_survives_styles_and_weights_that_overflow_float16():
    torch.manual_seed(0)
    layer = SynthesisLayer(512, 16, w_dim=8, size=(4, 4))
    with torch.no_grad():
        layer.weight.mul_(8)
        layer.affine.bias.mul_(3e4)
    x, w = torch.randn(2, 512, 4, 4), torch.randn(2, 8)

    def run(dtype):
        layer.zero_grad()
        y = layer(x.to(dtype), w, None)
        y.float().mean().mul(2.0**8).backward()
        return y.float(), layer.weight.grad.clone() / 2.0**8

    (full, full_grad), (half, half_grad) = run(torch.float32), run(torch.float16)
    assert half.isfinite().all()
    assert half_grad.isfinite().all()
    assert (half - full).norm() < 0.01 * full.norm()
    assert (half_grad - full_grad).norm() < 0.1 * full_grad.norm()


def test_the_discriminator_survives_weights_that_overflow_float16():
    torch.manual_seed(0)
    discriminator = StyleGAN2Discriminator(img_resolution=8, channels=[8, 8])
    with torch.no_grad():
        for layer in (discriminator.fromrgb, discriminator.blocks[0].conv0):
            layer.weight.mul_(3e3)
    discriminator.compute_dtype = torch.float16

    score = discriminator(torch.rand(4, 3, 8, 8) * 2 - 1)

    assert score.isfinite().all()
