"""Training with classes: what the networks are told, what they learn, and exact resuming."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from same_runs import assert_same_run
from torch.testing import assert_close

import mocotool as moco
from mocotool.configs.train_image import TrainImageConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.generators.loading import save_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.image_training.projected_discriminator import ProjectedDiscriminator
from mocotool.image_training.start import grow_generator, load_start
from mocotool.image_training.stylegan2_discriminator import StyleGAN2Discriminator
from mocotool.image_training.trainer import ImageTrainer
from mocotool.metrics.held_out import HeldOutDistance
from mocotool.video.listing import list_videos
from mocotool.video.pictures import read_image, write_png

SIZES = {
    "resolution": 8,
    "batch_size": 8,
    "channel_base": 64,
    "channel_max": 8,
    "z_dim": 6,
    "w_dim": 6,
    "num_mapping_layers": 2,
    "cond": True,
}
CONFIG = TrainImageConfig(**SIZES, learning_rate=0.03, r1_interval=8, style_mixing=0.0)
BLUE, RED = (30, 40, 210), (220, 40, 30)


def draw_pictures(labels, seed):
    """Pictures of one colour a class, a little noisy, uint8 [n, 3, 8, 8]."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randint(-15, 16, (len(labels), 3, 8, 8), generator=rng)
    return (torch.tensor([BLUE, RED])[labels][:, :, None, None] + noise).to(torch.uint8)


@torch.no_grad()
def mean_colour(generator, label):
    """The mean colour of 32 pictures of a class, [3], in -1 to 1."""
    z = torch.randn(32, generator.z_dim, generator=torch.Generator().manual_seed(0))
    c = generator.one_hot(torch.full((32,), label), 32)
    return generator.synthesis(generator.mapping(z, c)).mean(dim=(0, 2, 3))


# What is learnt


def test_each_class_takes_the_colour_of_its_pictures():
    trainer = ImageTrainer(CONFIG, class_counts=(10, 10))

    for step in range(40):
        rng = torch.Generator().manual_seed(step)
        labels = torch.randint(2, (8,), generator=rng)
        trainer.step(draw_pictures(labels, step), labels)

    (blue, _, blue_b), (red, _, red_b) = (mean_colour(trainer.generator, i) for i in (0, 1))
    assert blue_b - blue > 0.3
    assert red - red_b > 0.3


def test_generated_classes_have_the_shares_of_the_real_ones():
    config = dataclasses.replace(CONFIG, batch_size=400)
    trainer = ImageTrainer(config, class_counts=(30, 0, 10))

    counts = trainer._draw_classes("g").sum(dim=0)

    assert counts.sum() == 400
    assert counts[1] == 0
    assert counts[2] == pytest.approx(100, abs=40)


# What discriminators are told


def map_plainly(classes, label):
    """What a class maps to, by a loop over plain layers, [cmap_dim]."""
    embedded = classes.embed.weight[:, label] / math.sqrt(classes.embed.weight.shape[1])
    x = embedded + classes.embed.bias
    x = x / x.square().mean().sqrt()
    assert len(classes.layers) == 8
    for layer in classes.layers:
        x = layer.weight * 0.01 / math.sqrt(len(x)) @ x + layer.bias * 0.01
        x = F.leaky_relu(x, 0.2) * math.sqrt(2)
    return x


def test_a_score_is_the_projection_on_the_class():
    discriminator = StyleGAN2Discriminator(img_resolution=8, channels=[6, 4], c_dim=3)
    features = torch.randn(2, 6)
    discriminator.out.register_forward_hook(lambda *_: features)

    score = discriminator(torch.randn(2, 3, 8, 8), F.one_hot(torch.tensor([2, 0]), 3).float())

    expected = [
        features[i] @ map_plainly(discriminator.classes, label) / math.sqrt(6)
        for i, label in enumerate((2, 0))
    ]
    assert_close(score, torch.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [StyleGAN2Discriminator, ProjectedDiscriminator])
def test_another_class_has_another_score(make):
    sizes = {"channels": [4] * 4} if make is StyleGAN2Discriminator else {}
    torch.manual_seed(0)
    discriminator = make(img_resolution=32, c_dim=2, **sizes)
    img = torch.randn(2, 3, 32, 32)

    first, second = (
        discriminator(img, F.one_hot(torch.full((2,), label), 2).float()) for label in (0, 1)
    )

    assert first.shape == second.shape == discriminator(img, torch.eye(2)).shape
    assert (first - second).abs().mean() > 1e-3 * first.abs().mean()
    assert_close(discriminator(img, torch.eye(2)), torch.stack([first[0], second[1]]))
    second.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in discriminator.classes.parameters())


def test_the_projected_discriminator_trains_with_classes():
    config = dataclasses.replace(CONFIG, resolution=32, discriminator="projected", batch_size=4)
    trainer = ImageTrainer(config, class_counts=(1, 1))
    before = trainer.generator.mapping.embed.weight.clone()

    trainer.step(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1, 1, 0]))

    assert not torch.equal(trainer.generator.mapping.embed.weight, before)


# Runs


@pytest.fixture(scope="module")
def blue_and_red(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    for label, name in enumerate(("blue", "red")):
        (folder / name).mkdir()
        images_u8 = draw_pictures(torch.full((6,), label), label)
        for letter, image_u8 in zip("abcdef", images_u8, strict=True):
            write_png(folder / name / f"{letter}.png", image_u8.movedim(0, -1).numpy())
    return folder


RHYTHM = {"num_images": 32, "save_every": 2, "preview_every": 4, "log_every": 1}


@pytest.fixture
def train(blue_and_red, tmp_path):
    def call(out="run", **options):
        config = TrainImageConfig(**SIZES | RHYTHM)
        options = {"config": config, "device": "cpu", "precision": "fp32"} | options
        return moco.train_image_run(blue_and_red, tmp_path / out, **options)

    return call


@pytest.mark.parametrize("stop_at", [8, 16])
def test_a_run_with_classes_that_was_stopped_and_resumed_is_the_uninterrupted_one(
    train, tmp_path, stop_at
):
    train("whole")
    shown = []

    with pytest.raises(moco.StoppedError):
        train(
            "parts",
            progress=lambda told: shown.append(told.done) if told.stage == "images" else None,
            stop=lambda: shown[-1] == stop_at,
        )
    train("parts", resume=True)

    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_run_says_its_classes_and_shows_them(train, tmp_path):
    notes = []

    trained = train(note=notes.append)

    assert "2 classes of images: blue (6), red (6)" in notes
    assert moco.describe_file(trained.generator)["origin"]["classes"] == "blue, red"
    # a row of eight a class, each under a line of 20 pixels with its name
    sheet = read_image(tmp_path / "run" / "samples" / "00000004.png")
    assert sheet.shape == (2 * (20 + 8), 8 * 8, 3)
    assert sheet[:20].min() < 128 < 255 == sheet[:20].max()


def test_other_commands_render_its_classes(train, run_moco, tmp_path):
    generator = train().generator
    for label in (0, 1):
        result = run_moco(
            *("path", "seed:0", "seed:1", "--num-frames", "3", "--generator", generator),
            *("--label", label, "-o", tmp_path / f"{label}.npz"),
        )
        assert result.exit_code == 0, result.stderr
        result = run_moco(
            *("render", tmp_path / f"{label}.npz", "--generator", generator),
            *("-o", tmp_path / f"{label}.png"),
        )
        assert result.exit_code == 0, result.stderr

    sheets = [read_image(tmp_path / f"{label}.png") for label in (0, 1)]
    assert sheets[0].shape == (8, 24, 3)
    assert (sheets[0] != sheets[1]).any()


def test_a_start_has_as_many_classes_as_the_pictures(tmp_path):
    path = tmp_path / "start.safetensors"
    start = StyleGAN2(z_dim=6, w_dim=6, c_dim=2, img_resolution=8, channels=[8, 8])
    save_generator(start.freeze(), path)

    assert load_start(path, c_dim=2).c_dim == grow_generator(start).c_dim == 2
    with pytest.raises(MismatchError, match="has 2 classes, the images have 3"):
        load_start(path, c_dim=3)
    with pytest.raises(MismatchError, match="has 2 classes, but the images have none"):
        load_start(path)
    plain = StyleGAN2(z_dim=6, w_dim=6, img_resolution=8, channels=[8, 8])
    config = dataclasses.replace(CONFIG, num_mapping_layers=8)
    with pytest.raises(MismatchError, match="has no classes, expected 2"):
        ImageTrainer(config, initial=plain, class_counts=(1, 1))


@pytest.mark.parametrize(("cond", "counts"), [(True, ()), (True, (3,)), (False, (3, 4))])
def test_classes_are_asked_for_and_there(cond, counts):
    with pytest.raises(ConfigError, match=f"cond is {cond}, but there are {len(counts)} classes"):
        ImageTrainer(dataclasses.replace(CONFIG, cond=cond), class_counts=counts)


def test_held_out_pictures_are_compared_with_pictures_of_their_classes(blue_and_red):
    listing = list_videos(blue_and_red)
    generator = StyleGAN2(z_dim=6, w_dim=6, c_dim=2, img_resolution=8, channels=[8, 8])
    asked = []
    generator.mapping.register_forward_pre_hook(lambda _, args: asked.append(args[1]))

    distance = HeldOutDistance(
        listing, resolution=8, seed=0, num_images=6, labels=torch.tensor([1] * 12).numpy()
    )

    assert math.isfinite(distance(generator.freeze()))
    assert asked[0].tolist() == [[0.0, 1.0]] * 6
