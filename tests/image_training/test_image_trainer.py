"""Training a StyleGAN2 on images: the steps against plain ones, resuming, and what stops it."""

import copy
import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F
from reference.stylegan2_plain import map_latents, synthesize
from same_runs import assert_same_state
from torch.testing import assert_close

from mocotool.configs.train_image import TrainImageConfig
from mocotool.errors import (
    ConfigError,
    DivergedError,
    FileFormatError,
    MismatchError,
    StoppedError,
)
from mocotool.generators.loading import load_generator
from mocotool.generators.resampling import fir_kernel, upsample_2d
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.image_training.plan import plan_training
from mocotool.image_training.start import (
    adopt_network,
    freeze_below,
    grow_generator,
    load_start,
)
from mocotool.image_training.trainer import ImageTrainer, structure_loss
from mocotool.image_training.training import train_image
from mocotool.training.distributed import Processes
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

CONFIG = TrainImageConfig(
    resolution=8,
    num_images=24,
    batch_size=4,
    channel_base=64,
    channel_max=8,
    z_dim=6,
    w_dim=6,
    num_mapping_layers=2,
    r1_interval=2,
    save_every=2,
    preview_every=3,
    log_every=1,
)


class ToyImages:
    """Noise that follows from the place alone."""

    def __init__(self, size=8):
        self.position = 0
        self.size = size

    def __next__(self):
        rng = torch.Generator().manual_seed(self.position)
        self.position += 1
        return torch.randint(0, 256, (4, 3, self.size, self.size), dtype=torch.uint8, generator=rng)

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


def open_run(path, config=CONFIG, *, resume=False):
    run = RunFolder(path)
    run.open(config, resume=resume)
    return run


# One step


def test_a_step_says_its_losses_and_moves_both_networks():
    trainer = ImageTrainer(CONFIG)
    before = copy.deepcopy(trainer.state_dict())

    values = trainer.step(next(ToyImages()))

    assert values.keys() == {
        "d_loss",
        "real_score",
        "fake_score",
        "real_sign",
        "r1",
        "g_loss",
        "augment_p",
    }
    assert trainer.images_seen == 4
    for network in ("generator", "discriminator", "averaged"):
        after = getattr(trainer, network).state_dict()
        assert any(not torch.equal(before[network][name], after[name]) for name in after)


def test_the_generator_learns_what_the_plain_networks_would_teach_it():
    config = dataclasses.replace(CONFIG, style_mixing=0.0, flip=False)
    trainer = ImageTrainer(config)
    z = torch.randn(4, 6)
    noise = trainer.generator.draw_noise(4)
    img = trainer.generator.synthesis(trainer.generator.mapping(z), noise=noise)
    plain = copy.deepcopy(trainer.generator)
    w = map_latents(plain.mapping, z)
    plain_img = synthesize(plain.synthesis, w[:, None].expand(-1, plain.num_ws, -1), noise)

    img.square().mean().backward()
    plain_img.square().mean().backward()

    assert_close(img, plain_img, rtol=1e-4, atol=1e-4)
    expected = dict(plain.named_parameters())
    for name, parameter in trainer.generator.named_parameters():
        scale = float(expected[name].grad.abs().max())
        assert_close(parameter.grad, expected[name].grad, rtol=1e-3, atol=1e-4 * scale + 1e-9)


def test_the_penalty_comes_every_interval_and_never_when_its_weight_is_zero():
    trainer = ImageTrainer(CONFIG)
    images = ToyImages()
    assert ["r1" in trainer.step(next(images)) for _ in range(4)] == [True, False, True, False]

    without = ImageTrainer(dataclasses.replace(CONFIG, r1_gamma=0.0))
    assert "r1" not in without.step(next(images))


def as_gradient(weight):
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def test_the_penaltys_gradient_stands_for_all_the_steps_of_its_interval():
    config = dataclasses.replace(CONFIG, r1_interval=3, r1_gamma=0.8, flip=False, augment="none")
    trainer = ImageTrainer(config)
    before, steps = [], []

    def note(*_):
        before.append(copy.deepcopy(trainer.discriminator))
        steps.append([as_gradient(p).clone() for p in trainer.discriminator.parameters()])

    trainer.d_optimizer.register_step_pre_hook(note)
    real_u8 = next(ToyImages())
    trainer.step(real_u8)

    real = (real_u8 / 127.5 - 1).requires_grad_()
    discriminator = before[1]
    discriminator.zero_grad()
    (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    (3 * 0.8 / 2 * slope.square().sum(dim=(1, 2, 3)).mean()).backward()
    assert len(steps) == 2
    for grad, weight in zip(steps[1], discriminator.parameters(), strict=True):
        assert_close(grad, as_gradient(weight), rtol=1e-3, atol=1e-6)


def test_a_lazy_penalty_slows_the_discriminators_adam_down():
    trainer = ImageTrainer(dataclasses.replace(CONFIG, r1_interval=16, learning_rate=0.01))

    (d_group,) = trainer.d_optimizer.param_groups
    (g_group,) = trainer.g_optimizer.param_groups

    # 17 steps take the place of 16: Karras et al. 2020, Appendix B
    assert d_group["lr"] == pytest.approx(0.01 * 16 / 17)
    assert d_group["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))
    assert g_group["lr"] == 0.01
    assert g_group["betas"] == (0.0, 0.99)


def test_the_average_warms_up_with_the_images_seen():
    config = dataclasses.replace(CONFIG, ema_images=10, ema_rampup=0.5)
    trainer, images = ImageTrainer(config), ToyImages()

    # half lives of half the images seen (2, 4, ...), until those of the settings
    for half_life in (2, 4, 6, 8, 10, 10):
        old = [p.clone() for p in trainer.averaged.parameters()]
        trainer.step(next(images))

        kept = 0.5 ** (4 / half_life)
        for before, new, averaged in zip(
            old, trainer.generator.parameters(), trainer.averaged.parameters(), strict=True
        ):
            assert_close(averaged, kept * before + (1 - kept) * new.detach())


def test_the_averaged_generator_lags_and_has_the_newest_latent_mean():
    config = dataclasses.replace(CONFIG, ema_images=4, ema_rampup=1e9)
    trainer = ImageTrainer(config)
    first = [p.clone() for p in trainer.averaged.parameters()]

    trainer.step(next(ToyImages()))

    # One batch is one half life.
    for old, new, averaged in zip(
        first, trainer.generator.parameters(), trainer.averaged.parameters(), strict=True
    ):
        assert_close(averaged, (old + new.detach()) / 2)
    assert torch.equal(trainer.averaged.mapping.w_avg, trainer.generator.mapping.w_avg)
    assert float(trainer.generator.mapping.w_avg.abs().sum()) > 0


def test_the_usual_heuristics():
    config = TrainImageConfig(resolution=256, batch_size=64, num_images=100)

    assert config.effective_r1_gamma == pytest.approx(0.0002 * 256**2 / 64)
    assert config.effective_ema_images == 20_000
    assert config.num_steps == 2


def test_geometric_augmentation_does_not_follow_the_discriminator():
    trainer = ImageTrainer(dataclasses.replace(CONFIG, augment="geometric"))

    assert [trainer.step(next(ToyImages()))["augment_p"] for _ in range(2)] == [0.8, 0.8]


def test_augmentation_follows_the_discriminator_only_when_asked_to():
    trainer = ImageTrainer(dataclasses.replace(CONFIG, augment="none"))

    assert trainer.step(next(ToyImages()))["augment_p"] == 0.0


def test_the_seed_decides_everything():
    states = []
    for seed in (0, 0, 1):
        trainer = ImageTrainer(dataclasses.replace(CONFIG, seed=seed))
        trainer.step(next(ToyImages()))
        states.append(trainer.state_dict())

    assert_same_state(states[0], states[1])
    with pytest.raises(AssertionError):
        assert_same_state(states[0], states[2])


def test_training_leaves_the_global_random_numbers_alone():
    before = torch.get_rng_state()

    ImageTrainer(CONFIG).step(next(ToyImages()))

    assert torch.equal(torch.get_rng_state(), before)


def test_previews_are_the_same_latents_each_time():
    trainer = ImageTrainer(CONFIG)

    first = trainer.preview()

    assert first.shape == (64, 8, 8, 3)
    assert first.dtype == torch.uint8
    assert torch.equal(first, trainer.preview())


@pytest.mark.parametrize(
    "settings",
    [
        {"resolution": 48},
        {"resolution": 4},
        {"batch_size": 0},
        {"channel_base": 7},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.0},
        {"style_mixing": 1.5},
        {"r1_gamma": -1.0},
        {"r1_gamma": float("nan")},
        {"ema_images": 0},
        {"ema_rampup": -0.1},
        {"augment": "always"},
        {"augment_target": 1.0},
        {"preview_every": -1},
        {"seed": -1},
    ],
    ids=lambda settings: "-".join(f"{name}-{value}" for name, value in settings.items()),
)
def test_settings_out_of_range_are_refused_by_name(settings):
    with pytest.raises(ConfigError, match=f"^{next(iter(settings))} "):
        dataclasses.replace(CONFIG, **settings)


# Whole runs


def test_a_run_leaves_generator_state_log_and_previews(tmp_path):
    run = open_run(tmp_path / "run")
    previews = []

    train_image(
        ImageTrainer(CONFIG), ToyImages(), run, save_preview=lambda img, step: previews.append(step)
    )

    generator = load_generator(run.path / "generator.safetensors")
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert generator.resolution == 8
    assert generator.origin.notes["images_seen"] == "24"
    assert generator.origin.notes["trained_by"] == run.command
    assert [row["images"] for row in rows] == [4, 8, 12, 16, 20, 24]
    assert previews == [3, 6]


class Killed(Exception):
    """Stands in for SIGKILL: nothing after it runs."""


@pytest.mark.parametrize("last_step", range(6))
def test_a_run_killed_at_any_step_goes_on_bit_for_bit(tmp_path, last_step):
    whole = open_run(tmp_path / "whole")
    train_image(ImageTrainer(CONFIG), ToyImages(), whole)
    run = open_run(tmp_path / "run")
    trainer = ImageTrainer(CONFIG)

    def kill(_values):
        if trainer.step_idx > last_step:
            raise Killed

    with pytest.raises(Killed):
        train_image(trainer, ToyImages(), run, on_step=kill)
    run = open_run(tmp_path / "run", resume=True)
    resumed, images = ImageTrainer(CONFIG), ToyImages()
    warnings = []
    resumed.resume(run, images, warn=warnings.append)
    train_image(resumed, images, run)

    assert len(warnings) == (last_step < 2)  # before the first state it begins anew
    assert_same_state(
        *(torch.load(folder.path / "state.pt", weights_only=True) for folder in (whole, run))
    )
    bytes_of = [(folder.path / "generator.safetensors").read_bytes() for folder in (whole, run)]
    assert bytes_of[0] == bytes_of[1]
    log = (run.path / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in log]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_kill_between_generator_and_state_is_made_good(tmp_path, monkeypatch):
    run = open_run(tmp_path / "run")
    monkeypatch.setattr(RunFolder, "save_state", lambda *_, **__: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        train_image(ImageTrainer(CONFIG), ToyImages(), run)
    monkeypatch.undo()

    assert (run.path / "generator.safetensors").exists()
    run = open_run(tmp_path / "run", resume=True)
    resumed, images = ImageTrainer(CONFIG), ToyImages()
    resumed.resume(run, images, warn=lambda _: None)
    train_image(resumed, images, run)
    assert resumed.images_seen == 24


def test_a_request_to_stop_saves_first(tmp_path):
    run = open_run(tmp_path / "run")
    trainer, stop = ImageTrainer(CONFIG), StopRequest()

    def ask(_values):
        stop.signal = 2 if trainer.step_idx == 3 else None

    with pytest.raises(StoppedError, match="stopped and saved after 12 images") as error:
        train_image(trainer, ToyImages(), run, on_step=ask, stop=stop)

    assert error.value.exit_code == 130
    assert run.load_state(warn=pytest.fail)["step_idx"] == 3


def test_a_longer_run_goes_on_from_a_finished_one(tmp_path):
    run = open_run(tmp_path / "run")
    train_image(ImageTrainer(CONFIG), ToyImages(), run)
    longer = dataclasses.replace(CONFIG, num_images=32)

    run = open_run(tmp_path / "run", longer, resume=True)
    trainer, images = ImageTrainer(longer), ToyImages()
    trainer.resume(run, images, warn=pytest.fail)
    train_image(trainer, images, run)

    assert trainer.images_seen == 32


def test_a_resumed_run_learns_at_the_rate_that_it_is_given_now(tmp_path):
    run = open_run(tmp_path / "run")
    before = ImageTrainer(CONFIG)
    train_image(before, ToyImages(), run)
    still = dataclasses.replace(CONFIG, num_images=32, learning_rate=1e-12)

    run = RunFolder(tmp_path / "run")
    warnings = []
    run.open(still, resume=True, warn=warnings.append)
    trainer, images = ImageTrainer(still), ToyImages()
    trainer.resume(run, images, warn=pytest.fail)
    train_image(trainer, images, run)

    assert len(warnings) == 1
    assert "learning_rate was 0.002, now 1e-12" in warnings[0]
    for network in ("generator", "discriminator"):
        old, new = getattr(before, network), getattr(trainer, network)
        for was, now in zip(old.parameters(), new.parameters(), strict=True):
            torch.testing.assert_close(now, was, rtol=0, atol=1e-8)


def test_a_state_of_something_else_is_refused(tmp_path):
    run = open_run(tmp_path / "run")
    run.save_state({"trainer": {}, "clips": {}})

    with pytest.raises(FileFormatError, match="not a state of this run"):
        ImageTrainer(CONFIG).resume(run, ToyImages(), warn=pytest.fail)


def test_a_run_against_the_projected_discriminator_resumes_bit_for_bit(tmp_path):
    config = dataclasses.replace(
        CONFIG, resolution=32, channel_base=256, num_images=16, discriminator="projected"
    )
    whole = open_run(tmp_path / "whole", config)
    train_image(ImageTrainer(config), ToyImages(32), whole)

    short = dataclasses.replace(config, num_images=8)
    run = open_run(tmp_path / "run", short)
    train_image(ImageTrainer(short), ToyImages(32), run)
    run = open_run(tmp_path / "run", config, resume=True)
    resumed, images = ImageTrainer(config), ToyImages(32)
    resumed.resume(run, images, warn=pytest.fail)
    train_image(resumed, images, run)

    assert_same_state(
        *(torch.load(folder.path / "state.pt", weights_only=True) for folder in (whole, run))
    )


# The best generator


def measure_by(kids):
    """Say these distances, one a save."""
    kids = iter(kids)
    return lambda _generator: next(kids)


def test_a_generator_says_on_which_gpu_it_was_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mocotool.image_training.training.describe_gpu", lambda _: {"gpu": "Tesla T4"}
    )
    run = open_run(tmp_path / "run")

    train_image(ImageTrainer(CONFIG), ToyImages(), run)

    assert load_generator(run.path / "generator.safetensors").origin.notes["gpu"] == "Tesla T4"


def test_the_nearest_generator_is_kept_beside_the_newest(tmp_path):
    run = open_run(tmp_path / "run")
    trainer = ImageTrainer(CONFIG)

    train_image(trainer, ToyImages(), run, measure=measure_by([0.5, 0.2, 0.3]))

    notes = load_generator(run.path / "best.safetensors").origin.notes
    assert notes["images_seen"] == "16"  # of the second save
    assert notes["kid"] == "0.2"
    newest = load_generator(run.path / "generator.safetensors").origin.notes
    assert newest["images_seen"] == "24"
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["kid"] for row in rows if "kid" in row] == [0.5, 0.2, 0.3]


def test_a_resumed_run_remembers_the_best(tmp_path):
    run = open_run(tmp_path / "run")
    train_image(ImageTrainer(CONFIG), ToyImages(), run, measure=measure_by([0.5, 0.2, 0.3]))
    before = (run.path / "best.safetensors").read_bytes()
    longer = dataclasses.replace(CONFIG, num_images=32)

    run = open_run(tmp_path / "run", longer, resume=True)
    trainer, images = ImageTrainer(longer), ToyImages()
    trainer.resume(run, images, warn=pytest.fail)
    train_image(trainer, images, run, measure=measure_by([0.25]))

    assert (run.path / "best.safetensors").read_bytes() == before


# Divergence


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_state(tmp_path):
    run = open_run(tmp_path / "run")
    trainer = ImageTrainer(CONFIG)

    trainer.config = dataclasses.replace(CONFIG, save_every=1)

    def poison(_values):
        if trainer.step_idx == 3:
            with torch.no_grad():
                trainer.discriminator.fromrgb.weight.fill_(float("nan"))

    with pytest.raises(DivergedError) as error:
        train_image(trainer, ToyImages(), run, on_step=poison)

    assert error.value.exit_code == 6
    assert "--learning-rate" in error.value.hint
    assert run.load_state(warn=pytest.fail)["step_idx"] == 2  # the one of step 3 was not saved


def test_a_loss_of_nan_is_told_with_its_step():
    trainer = ImageTrainer(CONFIG)
    with torch.no_grad():
        trainer.generator.synthesis.b4.const.fill_(float("nan"))

    with pytest.raises(DivergedError, match="training diverged at step 1: d_loss nan"):
        trainer.step(next(ToyImages()))


# Starting from a generator


def test_fine_tuning_begins_with_the_weights_of_the_file(toy_generator):
    config = adopt_network(CONFIG, toy_generator)

    trainer = ImageTrainer(config, initial=toy_generator)

    assert config.resolution == 16
    assert (config.z_dim, config.w_dim, config.num_mapping_layers) == (8, 12, 2)
    assert_same_state(trainer.generator.state_dict(), toy_generator.state_dict())
    trainer.step(next(ToyImages(size=16)))
    assert trainer.generator.arch == toy_generator.arch
    assert not any(parameter.requires_grad for parameter in toy_generator.parameters())


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_every_architecture_can_be_fine_tuned(architecture):
    start = StyleGAN2(
        z_dim=4,
        w_dim=5,
        img_resolution=8,
        channels=[6, 9],
        num_mapping_layers=1,
        architecture=architecture,
        conv_clamp=256.0,
    ).freeze()

    trainer = ImageTrainer(adopt_network(CONFIG, start), initial=start)

    assert trainer.step(next(ToyImages()))["d_loss"] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 8}, "resolution 8 was asked for, it has 16"),
        ({"z_dim": 512}, "z_dim 512 was asked for, it has 8"),
        ({"w_dim": 512}, "w_dim 512 was asked for, it has 12"),
        ({"num_mapping_layers": 8}, "num_mapping_layers 8 was asked for, it has 2"),
        ({"channel_max": 4}, r"channel_max 4 .* \[4, 4, 4\], it has \[8, 8, 8\]"),
        ({"channel_base": 64}, r"channel_base 64 .* \[8, 8, 4\], it has \[8, 8, 8\]"),
    ],
)
def test_a_size_that_the_file_contradicts_is_refused(toy_generator, settings, message):
    config = dataclasses.replace(CONFIG, **settings)

    with pytest.raises(MismatchError, match=message) as error:
        adopt_network(config, toy_generator, asked=settings)

    assert error.value.exit_code == 4


def test_a_size_that_the_file_confirms_is_fine(toy_generator):
    asked = {"resolution": 16, "channel_base": 1024, "channel_max": 8}
    config = dataclasses.replace(CONFIG, **asked)

    assert adopt_network(config, toy_generator, asked=asked).channel_max == 8


def test_a_grown_generator_makes_the_enlarged_pictures(toy_generator):
    grown = grow_generator(toy_generator)

    w = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    small = toy_generator.synthesis(w, noise_mode="none")
    large = grown.synthesis(w, noise_mode="none")

    # The mean of each square of four is the small picture, but for the filter's softness.
    assert large.shape == (2, 3, 32, 32)
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    assert (F.avg_pool2d(large, 2) - small)[inner].abs().mean() < 0.2 * small[inner].std()
    assert_close(large, upsample_2d(small, fir_kernel()))
    assert grown.arch["channels"] == [8, 8, 8, 4]
    assert torch.equal(grown.mapping.w_avg, toy_generator.mapping.w_avg)


def test_what_a_grown_generator_adds_can_be_learnt(toy_generator):
    grown = grow_generator(toy_generator).requires_grad_(True)

    grown.synthesis(torch.randn(2, 12)).square().mean().backward()

    assert grown.synthesis.b32.torgb.weight.grad.abs().max() > 0


def test_what_growing_adds_follows_from_the_seed_alone(toy_generator):
    first, again, other = (grow_generator(toy_generator, seed=seed) for seed in (1, 1, 2))

    weights = [network.synthesis.b32.conv0.weight for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_picture_that_is_no_sum_over_sizes_does_not_grow():
    network = StyleGAN2(z_dim=4, w_dim=4, img_resolution=8, channels=[4, 4], architecture="resnet")

    with pytest.raises(MismatchError, match="architecture 'resnet', expected 'skip'"):
        grow_generator(network)


def test_the_discriminator_of_a_trained_generator_has_a_head_start(toy_generator):
    config = adopt_network(dataclasses.replace(CONFIG, head_start=8), toy_generator)
    trainer, images = ImageTrainer(config, initial=toy_generator), ToyImages(16)
    losses = []

    for _ in range(3):
        before = trainer.generator.synthesis.b4.const.clone()
        losses.append("g_loss" in trainer.step(next(images)))
        assert torch.equal(trainer.generator.synthesis.b4.const, before) != losses[-1]

    assert losses == [False, False, True]  # four images a step


# What stays as it is


def frozen_config(generator, **settings):
    settings = {"head_start": 0, "freeze_below": 16} | settings
    return adopt_network(dataclasses.replace(CONFIG, **settings), generator)


def test_frozen_blocks_and_the_mapping_stay_bit_for_bit(toy_generator):
    trainer, images = (
        ImageTrainer(frozen_config(toy_generator), initial=toy_generator),
        ToyImages(16),
    )

    for _ in range(2):
        trainer.step(next(images))

    before = dict(toy_generator.named_parameters())
    for network in (trainer.generator, trainer.averaged):
        moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
        assert moved
        assert all(name.startswith("synthesis.b16.") for name in moved)


def test_what_may_move_learns_the_same_whether_the_rest_is_frozen_or_not(toy_generator):
    steps = []
    for pixels in (None, 16):
        config = frozen_config(toy_generator, freeze_below=pixels, structure_weight=0.0)
        trainer = ImageTrainer(config, initial=toy_generator)
        trainer.step(next(ToyImages(16)))
        steps.append(trainer.generator.synthesis.b16.conv1.weight.detach())

    assert_close(steps[1], steps[0])


def test_structure_is_the_mean_square_of_what_the_small_picture_shows():
    before = torch.zeros(2, 3, 8, 8)
    tint = torch.full_like(before, 0.5)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4).expand_as(before)

    assert float(structure_loss(before + tint, before, size=4)) == 0.25
    assert float(structure_loss(before + checks, before, size=4)) == 0.0
    assert float(structure_loss(before + tint + checks, before, size=4)) == 0.25


def test_the_weight_of_structure_holds_the_picture(toy_generator):
    found = []
    for weight in (1e-6, 1e4):
        config = frozen_config(toy_generator, structure_weight=weight, learning_rate=0.02)
        trainer, images = ImageTrainer(config, initial=toy_generator), ToyImages(16)
        values = [trainer.step(next(images))["structure"] for _ in range(6)]
        assert values[0] == 0.0  # nothing has moved yet
        found.append(values[-1])

    assert found[1] < 0.5 * found[0]


def test_a_frozen_run_resumes_bit_for_bit(tmp_path, toy_generator):
    config = frozen_config(toy_generator)
    whole = open_run(tmp_path / "whole", config)
    train_image(ImageTrainer(config, initial=toy_generator), ToyImages(16), whole)

    short = dataclasses.replace(config, num_images=12)
    run = open_run(tmp_path / "run", short)
    train_image(ImageTrainer(short, initial=toy_generator), ToyImages(16), run)
    run = open_run(tmp_path / "run", config, resume=True)
    resumed, images = ImageTrainer(config, initial=toy_generator), ToyImages(16)
    resumed.resume(run, images, warn=pytest.fail)
    train_image(resumed, images, run)

    assert_same_state(
        *(torch.load(folder.path / "state.pt", weights_only=True) for folder in (whole, run))
    )


@pytest.mark.parametrize(("pixels", "highest"), [(8, 4), (12, 8), (16, 8)])
def test_what_is_held_is_the_picture_of_the_highest_frozen_block(toy_generator, pixels, highest):
    generator = copy.deepcopy(toy_generator).requires_grad_(True)

    assert freeze_below(generator, pixels) == highest

    frozen = {n for n, p in generator.named_parameters() if not p.requires_grad}
    assert f"synthesis.b{highest}.conv1.weight" in frozen
    assert f"synthesis.b{2 * highest}.conv1.weight" not in frozen


def test_random_weights_are_not_kept():
    with pytest.raises(ConfigError, match="freeze_below 8: random weights would stay random"):
        ImageTrainer(dataclasses.replace(CONFIG, freeze_below=8))


def test_something_is_left_to_train(toy_generator):
    config = frozen_config(toy_generator, freeze_below=32)

    with pytest.raises(MismatchError, match="freeze_below 32: leaves nothing to train, .* 16 px"):
        ImageTrainer(config, initial=toy_generator)


def test_a_trainer_checks_what_it_starts_from(toy_generator):
    with pytest.raises(MismatchError, match="resolution 8 was asked for, it has 16"):
        ImageTrainer(CONFIG, initial=toy_generator)


def test_a_generator_with_classes_is_refused(golden_conditional):
    with pytest.raises(MismatchError, match="classes"):
        load_start(golden_conditional)


@pytest.fixture
def golden_conditional():
    from pathlib import Path

    return Path(__file__).parent.parent / "golden" / "ada-cond-32.pkl"


# Planning


def test_the_plan_has_sizes_steps_time_and_memory():
    plan = plan_training(ImageTrainer(CONFIG))

    assert plan["steps"] == 6
    assert plan["channels"] == [8, 8]
    assert plan["generator_parameters"] > 1000
    assert plan["images_per_s"] > 0
    assert plan["hours"] == pytest.approx(24 / plan["images_per_s"] / 3600)
    assert plan["memory_mb"] > 10


def test_a_plan_on_a_processor_steps_with_few_images(monkeypatch):
    steps = []
    step = ImageTrainer.step

    def spy(self, real_u8, labels=None):
        values = step(self, real_u8)
        steps.append((len(real_u8), "g_loss" in values))
        return values

    monkeypatch.setattr(ImageTrainer, "step", spy)
    config = dataclasses.replace(CONFIG, batch_size=64, num_images=6400, head_start=640)

    plan = plan_training(ImageTrainer(config))

    assert sum(n for n, _ in steps) <= 24  # of the 64 of a step
    assert all(is_of_both for _, is_of_both in steps)  # not the head start of one network
    assert plan["steps"] == 100
    assert plan["hours"] == pytest.approx(6400 / plan["images_per_s"] / 3600)


def test_a_batch_that_the_processes_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="--batch-size 4 cannot be split over 3"):
        ImageTrainer(CONFIG, processes=Processes(0, 3))
