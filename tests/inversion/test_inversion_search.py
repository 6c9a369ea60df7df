import dataclasses
import math
from pathlib import Path

import pytest
import torch
from reference.inversion import invert_plainly
from torch.testing import assert_close

import mocotool
from mocotool.configs.invert import InvertConfig
from mocotool.errors import ConfigError, DivergedError, MismatchError
from mocotool.generators.dcgan import DCGAN
from mocotool.generators.loading import load_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.inversion import starts
from mocotool.inversion.descent import (
    BETA_1,
    BETA_2,
    PATIENCE,
    SearchRows,
    latent_noise_levels,
    learning_rates,
)
from mocotool.inversion.encoder import LatentEncoder
from mocotool.inversion.kernel_encoder import solve_ridge
from mocotool.inversion.search import invert
from mocotool.inversion.starts import survey_latents
from mocotool.training.distributed import Processes

QUICK = InvertConfig(num_steps=40, num_starts=50)


def draw_pictures(generator, n=2, seed=7):
    z = torch.randn(n, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return generator.synthesis(generator.mapping(z))


@pytest.fixture(scope="module")
def toy_dcgan():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DCGAN(z_dim=6, channels=[8, 4]).freeze()


@pytest.fixture(scope="module")
def found(toy_generator):
    """Two pictures of the generator's own, found with `QUICK`."""
    return invert(toy_generator, draw_pictures(toy_generator), config=QUICK)


# The search


def test_processes_share_the_batches(toy_generator):
    images = draw_pictures(toy_generator, n=3)
    config = InvertConfig(num_steps=10, num_starts=8, num_polish_steps=0, batch_size=1)
    alone = invert(toy_generator, images, config=config)
    shares = []

    class Noted(Processes):
        def gather_objects(self, value):
            shares.append(value)
            if self.rank == 0:
                raise InterruptedError("what the other one finds is not known yet")
            return shares

    with pytest.raises(InterruptedError):
        invert(toy_generator, images, config=config, processes=Noted(0, 2))
    shared = invert(toy_generator, images, config=config, processes=Noted(1, 2))

    assert [len(share) for share in shares] == [1, 2]
    for field in ("latents", "img", "psnr", "num_steps"):
        assert torch.equal(getattr(shared, field), getattr(alone, field))


def test_own_pictures_come_back(toy_generator):
    images = draw_pictures(toy_generator, 3)

    found = invert(toy_generator, images, config=InvertConfig(num_steps=150, num_starts=100))

    assert found.psnr.min() > 35
    assert found.pixel_mse.max() < 1e-3
    assert found.latents.shape == (3, 12)


def test_polishing_goes_on_where_adam_ends(toy_generator):
    images = draw_pictures(toy_generator, 3)
    short = InvertConfig(num_steps=10, num_starts=50)

    rough = invert(toy_generator, images, config=dataclasses.replace(short, num_polish_steps=0))
    polished = invert(toy_generator, images, config=short)

    assert rough.psnr.max() < 50
    assert polished.psnr.min() > 50


@pytest.mark.parametrize("space", ["w+", "z"])
def test_polishing_lowers_the_loss_in_every_space(toy_generator, space):
    images = draw_pictures(toy_generator, 3) + 0.1
    short = InvertConfig(num_steps=20, num_starts=50, space=space)

    rough = invert(toy_generator, images, config=dataclasses.replace(short, num_polish_steps=0))
    polished = invert(toy_generator, images, config=short)

    assert (polished.pixel_mse + polished.perceptual < rough.pixel_mse + rough.perceptual).all()


def test_polishing_serves_the_precision_and_leaves_it_as_it_was(toy_generator):
    toy_generator.set_precision(torch.bfloat16)
    try:
        images = draw_pictures(toy_generator)
        rough = invert(toy_generator, images, config=dataclasses.replace(QUICK, num_polish_steps=0))
        found = invert(toy_generator, images, config=QUICK)
        assert (found.pixel_mse + found.perceptual <= rough.pixel_mse + rough.perceptual).all()
        assert toy_generator.synthesis.compute_dtype == torch.bfloat16
        assert_close(found.img, toy_generator.synthesis(found.latents))
    finally:
        toy_generator.set_precision(torch.float32)


def test_the_rendering_and_distances_belong_to_the_latents(found, toy_generator):
    images = draw_pictures(toy_generator)

    img = toy_generator.synthesis(found.latents)
    assert_close(found.img, img)
    assert_close(found.pixel_mse, (img - images).square().mean(dim=(1, 2, 3)))


def test_an_image_comes_to_the_same_among_any_others(toy_generator):
    images, steps = draw_pictures(toy_generator, 3), []

    together = invert(toy_generator, images, config=QUICK)
    in_batches = invert(
        toy_generator,
        images,
        config=dataclasses.replace(QUICK, batch_size=2),
        progress=steps.append,
    )

    # the last one was alone in its batch
    assert_close(in_batches.latents, together.latents, rtol=1e-2, atol=1e-2)
    assert sum(steps) == 3 * (QUICK.num_steps + QUICK.num_polish_steps)


def test_the_same_seed_gives_the_same_latents_and_leaves_the_generator_alone(found, toy_generator):
    before = {name: value.clone() for name, value in toy_generator.state_dict().items()}

    again = invert(toy_generator, draw_pictures(toy_generator), config=QUICK)

    assert torch.equal(found.latents, again.latents)
    assert all(torch.equal(before[name], v) for name, v in toy_generator.state_dict().items())
    assert all(p.grad is None for p in toy_generator.parameters())


def test_w_plus_has_a_latent_for_each_layer_and_comes_nearer(toy_generator):
    images = draw_pictures(toy_generator) + 0.3 * torch.randn(
        2, 3, 16, 16, generator=torch.Generator().manual_seed(1)
    )

    in_w = invert(toy_generator, images, config=QUICK)
    in_w_plus = invert(toy_generator, images, config=dataclasses.replace(QUICK, space="w+"))

    assert in_w_plus.latents.shape == (2, 6, 12)
    assert in_w_plus.space == "w+"
    assert in_w_plus.pixel_mse.sum() < in_w.pixel_mse.sum()


def test_a_search_in_z_stays_among_what_the_mapping_reaches(toy_generator):
    images = draw_pictures(toy_generator)

    found = invert(toy_generator, images, config=dataclasses.replace(QUICK, space="z"))

    assert found.space == "w"
    assert found.latents.shape == (2, 12)
    assert found.psnr.min() > 20


def test_a_generator_of_z_is_searched_in_z(toy_dcgan):
    images = draw_pictures(toy_dcgan)

    found = invert(toy_dcgan, images, config=QUICK)

    assert found.space == "z"
    assert found.latents.shape == (2, 6)
    assert found.psnr.min() > 30


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_generator_without_a_mapping_has_no_w(toy_dcgan, space):
    with pytest.raises(MismatchError, match="no mapping network") as caught:
        invert(toy_dcgan, draw_pictures(toy_dcgan), config=InvertConfig(space=space))

    assert caught.value.hint == "--space z"


def test_a_class_is_needed_where_there_are_classes():
    generator = StyleGAN2(
        z_dim=4, w_dim=4, c_dim=3, img_resolution=8, channels=[4, 4], num_mapping_layers=1
    ).freeze()
    images = torch.zeros(1, 3, 8, 8)

    found = invert(generator, images, config=dataclasses.replace(QUICK, label=1))

    assert found.to_trajectory(generator).labels.tolist() == [1]
    for encoder in (None, Knowing(latent_dim=4, img_channels=3, resolution=8)):
        with pytest.raises(ConfigError, match="has 3 classes and none was chosen"):
            invert(generator, images, config=QUICK, encoder=encoder)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 16, 16), "the images have 1 channels, the generator renders 3"),
        ((1, 3, 8, 16), r"images has shape \[1, 3, 8, 16\]"),
        ((3, 16, 16), "images has shape"),
        ((0, 3, 16, 16), "no images"),
    ],
)
def test_images_of_another_shape_are_refused(toy_generator, shape, message):
    with pytest.raises(MismatchError, match=message):
        invert(toy_generator, torch.zeros(shape), config=QUICK)


@pytest.mark.parametrize("value", [math.nan, 255.0])
def test_images_of_another_range_are_refused(toy_generator, value):
    with pytest.raises(MismatchError, match="expected about -1 to 1"):
        invert(toy_generator, torch.full((1, 3, 16, 16), value), config=QUICK)


def test_a_generator_that_renders_nan_is_named(toy_generator_path):
    generator = load_generator(toy_generator_path)
    generator.synthesis.b16.torgb.bias.data.fill_(math.nan)

    with pytest.raises(DivergedError, match="renders NaN"):
        invert(generator, torch.zeros(1, 3, 16, 16), config=QUICK)


def test_images_become_starts_and_frames_become_one_video(found, toy_generator):
    starts = found.to_trajectory(toy_generator)
    video = found.to_trajectory(toy_generator, as_video=True, fps=24.0)

    assert starts.latents.shape == (2, 1, 12)
    assert video.latents.shape == (1, 2, 12)
    assert (starts.meta.space, video.meta.fps) == ("w", 24.0)
    assert starts.meta.generator == toy_generator.origin.file


def test_the_plain_loop_goes_down_on_the_same_objective(toy_generator):
    images = draw_pictures(toy_generator, 1)

    _, distances = invert_plainly(toy_generator, images[0], num_steps=30)

    assert distances[-1] < 0.5 * distances[0]


# Starts


def test_a_picture_among_the_drawn_ones_starts_at_its_own_latent(toy_generator):
    survey = survey_latents(toy_generator, space="w", config=QUICK)

    nearest = survey.nearest(toy_generator.synthesis(survey.points[10:13]), count=2)

    assert nearest.shape == (3, 2, 12)
    assert_close(nearest[:, 0], survey.points[10:13])


def test_a_regression_points_nearer_than_the_mean(toy_generator):
    survey = survey_latents(
        toy_generator, space="w", config=dataclasses.replace(QUICK, num_starts=200)
    )
    z = torch.randn(20, 8, generator=torch.Generator().manual_seed(9))
    w = toy_generator.mapping(z)

    guess = survey.regress(toy_generator.synthesis(w), ridge=0.01)

    assert (guess - w).square().mean() < 0.5 * (survey.units.mean - w).square().mean()


def test_the_regression_is_solved_once_for_all_batches(toy_generator, monkeypatch):
    survey, solved = survey_latents(toy_generator, space="w", config=QUICK), []
    monkeypatch.setattr(
        starts,
        "solve_ridge",
        lambda *args, **kwargs: solved.append(solve_ridge(*args, **kwargs)) or solved[-1],
    )
    images = draw_pictures(toy_generator, 4)

    whole = survey.propose(images)
    parts = torch.cat([survey.propose(batch) for batch in images.split(2)])

    assert len(solved) == 2  # one a ridge
    assert_close(parts, whole)


def test_an_image_comes_nearer_than_any_of_its_starts(found, toy_generator):
    survey = survey_latents(toy_generator, space="w", config=QUICK)
    images = draw_pictures(toy_generator)

    starts = survey.propose(images)
    assert starts.shape == (2, 4, 12)
    for points in starts.unbind(dim=1):
        started = (toy_generator.synthesis(points) - images).square().mean(dim=(1, 2, 3))
        assert (found.pixel_mse < started).all()


class Knowing(LatentEncoder):
    """Knows the latent of every picture."""

    units = torch.zeros(0)

    def guess_units(self, img):
        return self.units


def test_a_search_begins_where_an_encoder_says(toy_generator):
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(7))
    latents = toy_generator.mapping(z)
    knowing = Knowing(latent_dim=12, img_channels=3, resolution=16)
    knowing.units = latents
    images = toy_generator.synthesis(latents)

    found = invert(
        toy_generator,
        images,
        config=dataclasses.replace(QUICK, num_steps=10, num_polish_steps=0),
        encoder=knowing,
    )

    assert_close(found.latents, latents)
    assert found.num_steps.tolist() == [1, 1]
    with pytest.raises(ConfigError, match="predicts latents in w"):
        invert(toy_generator, images, config=InvertConfig(space="z"), encoder=knowing)


def test_the_start_with_the_lowest_loss_leads_its_image():
    rows = SearchRows.begin(
        torch.zeros(5, 2), num_steps=10, image_idx=torch.tensor([0, 0, 1, 1, 1])
    )

    rows.remember(torch.tensor([3.0, 2.0, 1.0, 5.0, 1.0]), torch.zeros(5))

    assert rows.leads().tolist() == [False, True, True, False, False]


def test_units_are_standard_deviations_from_the_mean(toy_generator):
    survey = survey_latents(toy_generator, space="w", config=QUICK)

    coords = survey.units.to_units(survey.points)

    assert_close(coords.mean(dim=0), torch.zeros(12), atol=1e-5, rtol=0)
    assert_close(coords.std(dim=0, correction=0), torch.ones(12))
    assert_close(survey.units.from_units(coords), survey.points)


def test_one_start_is_enough(toy_generator):
    config = dataclasses.replace(QUICK, num_starts=1)

    assert invert(toy_generator, draw_pictures(toy_generator), config=config).psnr.min() > 20


# The schedule


def test_the_rate_rises_stays_and_falls_to_nothing():
    lengths = torch.tensor([100.0])

    rates = [learning_rates(step, lengths, peak=0.1).item() for step in range(100)]

    assert rates[0] == pytest.approx(0.02)
    assert rates[10:50] == pytest.approx([0.1] * 40)
    assert rates[75] == pytest.approx(0.05)
    assert rates[99] < 1e-4


def test_the_latent_noise_ends_at_three_quarters():
    lengths = torch.tensor([100.0, 200.0])

    levels = [latent_noise_levels(step, lengths, peak=1.0).tolist() for step in range(200)]

    assert levels[0] == [1.0, 1.0]
    assert levels[74][0] > 0
    assert levels[75][0] == 0
    assert levels[149][1] > 0
    assert levels[150][1] == 0


def test_an_image_that_stands_still_begins_its_end_and_others_go_on():
    rows = SearchRows.begin(torch.zeros(2, 3), num_steps=1000)

    for step in range(3 * PATIENCE):
        rows.shorten_stalled(step, torch.tensor([1.0, 0.9**step]))

    assert rows.lengths.tolist() == [4 * PATIENCE, 1000]


def test_rows_keep_their_place_when_others_end():
    rows = SearchRows.begin(torch.arange(3.0)[:, None], num_steps=10)

    rest = rows.select(torch.tensor([True, False, True]))

    assert rest.image_idx.tolist() == [0, 2]
    assert rest.coords[:, 0].tolist() == [0.0, 2.0]


def test_what_noise_blurred_is_not_remembered():
    rows = SearchRows.begin(torch.zeros(1, 2), num_steps=10)
    rows.coords = torch.ones(1, 2)

    rows.remember(torch.tensor([0.5]), torch.tensor([0.1]))
    blurred = rows.best_coords.clone()
    rows.remember(torch.tensor([0.7]), torch.tensor([0.0]))

    assert blurred.tolist() == [[0.0, 0.0]]
    assert rows.best_coords.tolist() == [[1.0, 1.0]]


def test_adam_is_torchs(toy_generator):
    grads = torch.randn(20, 4, 5, generator=torch.Generator().manual_seed(0))
    theirs = torch.zeros(4, 5, requires_grad=True)
    adam = torch.optim.Adam([theirs], lr=0.1, betas=(BETA_1, BETA_2))
    rows = SearchRows.begin(torch.zeros(4, 5), num_steps=20)

    for step, grad in enumerate(grads):
        theirs.grad = grad
        adam.step()
        rows.descend(step, grad, torch.full((4,), 0.1))

    assert_close(rows.coords, theirs.detach())


@pytest.mark.parametrize(
    "values",
    [
        {"num_steps": 1},
        {"num_polish_steps": -1},
        {"learning_rate": 0.0},
        {"num_starts": 0},
        {"latent_noise": -1.0},
        {"perceptual_weight": float("nan")},
        {"noise": "random"},
        {"batch_size": 0},
    ],
    ids=lambda values: next(iter(values)),
)
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(ConfigError):
        InvertConfig(**values)


def test_larger_pictures_come_in_smaller_batches():
    config = InvertConfig()

    assert [config.choose_batch_size(size) for size in (32, 128, 256, 1024)] == [16, 16, 4, 1]


# Own samples of a real file

ADA = Path(__file__).parents[3] / "shared" / "golden" / "ada-skip-64.pkl"
BUNDLED = Path(mocotool.__file__).parent / "bundled" / "people.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("path", [ADA, BUNDLED], ids=["ada-skip-64", "bundled"])
def test_all_samples_of_a_64_pixel_generator_come_back(path):
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    generator = load_generator(path)

    found = invert(generator, draw_pictures(generator, 64))

    assert (found.psnr >= 35).sum() == 64
