"""What the host may do for each step: kernels it launches, waits for the device, copies to and fro.

A host that waits for its GPU is what makes a step slow there. A number of the table that goes up
is a regression; one that goes down is to be lowered in the table.
"""

import dataclasses

import pytest
import torch
from pretend import DEVICE, pretend_device
from reference.toy_clips import ToyClips

from mocotool.basis import read_basis
from mocotool.configs.render import RenderConfig
from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.configs.train_image import TrainImageConfig
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.frames import render_video
from mocotool.generators.loading import load_generator
from mocotool.image_training.trainer import ImageTrainer
from mocotool.inversion.encoder_files import train_encoder
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.distributed import Processes

# For a warm step of two moves of the generator, or a warm batch of pictures: kernels launched
# (with a little room for versions of torch), waits, copies
BUDGETS = {
    "train-motion reference": (3_080, 1, 9),
    "train-motion paper": (3_750, 1, 10),
    "train-motion cross-domain": (5_110, 1, 17),
    "train-image": (1_120, 1, 10),
    "train-image with penalty": (1_430, 1, 11),
    "train-encoder": (150, 0, 4),
    "render": (100, 2, 2),
    "render in bf16": (120, 2, 2),
}
SIZES = {
    "batch_size": 2,
    "num_frames": 4,
    "frame_size": 16,
    "hidden_dim": 8,
    "noise_dim": 6,
    "num_components": 8,
    "video_width": 2,
    "image_width": 2,
    "pair_width": 2,
    "embed_dim": 4,
    "bank_size": 8,
    "num_g_steps": 2,
}


def assert_within(counts, name):
    over = [
        f"{name}: {found} {what}, at most {allowed}"
        for (what, found), allowed in zip(counts.totals().items(), BUDGETS[name], strict=True)
        if found > allowed
    ]

    assert over == [], counts


@pytest.fixture
def counts():
    with pretend_device() as counts:
        yield counts


@pytest.fixture
def generator(counts, toy_generator_path):
    """The toy generator on the pretend device."""
    return load_generator(toy_generator_path, device="pretend")


@pytest.mark.parametrize(
    "recipe",
    [
        "reference",
        pytest.param("paper", marks=pytest.mark.slow),
        pytest.param("cross-domain", marks=pytest.mark.slow),
    ],
)
def test_a_step_of_motion(recipe, counts, generator, toy_pca_path):
    is_crossing = recipe == "cross-domain"
    config = TrainMotionConfig.from_recipe(
        "reference" if is_crossing else recipe, cross_domain=is_crossing, **SIZES
    )
    processes = Processes(device=DEVICE)
    trainer = MotionTrainer(generator, read_basis(toy_pca_path), config, processes=processes)
    clips = ToyClips(batch_size=2)
    trainer.step(next(clips))
    counts.reset()

    trainer.step(next(clips))

    assert_within(counts, f"train-motion {recipe}")


@pytest.mark.parametrize("name", ["train-image", "train-image with penalty"])
def test_a_step_of_images(name, counts):
    interval = 1 if name.endswith("penalty") else 16
    config = TrainImageConfig(
        resolution=16,
        batch_size=4,
        channel_base=64,
        channel_max=8,
        z_dim=6,
        w_dim=6,
        num_mapping_layers=2,
        r1_interval=interval,
    )
    trainer = ImageTrainer(config, processes=Processes(device=DEVICE))
    trainer.augment.p = 0.3
    real = torch.randint(256, (4, 3, 16, 16), dtype=torch.uint8)
    trainer.step(real)
    counts.reset()

    trainer.step(real)

    assert_within(counts, name)


@pytest.mark.slow
def test_a_step_of_the_encoder(counts, generator):
    config = TrainEncoderConfig(kind="network", num_steps=3, batch_size=4, width=4)
    found = []

    def note(_):
        found.append(dataclasses.replace(counts, waits=+counts.waits, copies=+counts.copies))
        counts.reset()

    train_encoder(generator, config=config, progress=note)

    assert_within(found[1], "train-encoder")


@pytest.mark.parametrize("noise", ["const", "random"])
@pytest.mark.parametrize("name", ["render", "render in bf16"])
def test_a_batch_of_pictures(name, noise, counts, generator, toy_trajectory):
    generator.set_precision(torch.bfloat16 if name.endswith("bf16") else torch.float32)
    config = RenderConfig(noise=noise, chunk_size=2)
    chunks = render_video(generator, toy_trajectory, 0, config=config)
    next(chunks)
    counts.reset()

    next(chunks)

    assert_within(counts, name)
