import copy
import dataclasses

import pytest
import torch
from torch.testing import assert_close

from mocotool.errors import DivergedError, FileFormatError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.motion.surrogate import (
    PicturedClips,
    fit_surrogate,
    load_pictured,
    picture_clips,
    save_pictured,
)


@pytest.fixture(scope="module")
def fit(toy_generator):
    return fit_surrogate(toy_generator, num_pictures=160)


def _trajectory(toy_generator, n=3, t=6):
    rng = torch.Generator().manual_seed(0)
    first = toy_generator.mapping(torch.randn(n, toy_generator.z_dim, generator=rng))
    steps = 0.2 * torch.randn(n, t, first.shape[1], generator=rng).cumsum(dim=1)
    return Trajectory(latents=(first[:, None] + steps).numpy(), meta=LatentsMeta(space="w"))


@pytest.mark.slow
def test_it_guesses_how_pictures_of_unseen_latents_differ(toy_generator):
    fit = fit_surrogate(toy_generator, num_pictures=3000)
    rng = torch.Generator().manual_seed(99)
    w = toy_generator.mapping(torch.randn(200, toy_generator.z_dim, generator=rng))
    near = w + 0.3 * w.std(dim=0) * torch.randn(w.shape, generator=rng)
    with torch.no_grad():
        true = [fit.surrogate.reduce(toy_generator.synthesis(x)) for x in (w, near)]
        guessed = [fit.surrogate(x) for x in (w, near)]

    difference, guess = true[1] - true[0], guessed[1] - guessed[0]

    error = (guess - difference).square().sum() / difference.square().sum()
    assert error < 0.3  # of the energy that guessing no difference would miss
    assert 0.7 < fit.agreement <= 1


def test_its_values_are_as_far_apart_as_the_pictures(toy_generator, fit):
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        img = toy_generator.synthesis(
            toy_generator.mapping(torch.randn(60, toy_generator.z_dim, generator=rng))
        )
        size = fit.surrogate.picture_shape[1]
        small = torch.nn.functional.adaptive_avg_pool2d(img.clamp(-1, 1), size).flatten(1)
        values = fit.surrogate.reduce(img)

    found = torch.pdist(values) * fit.surrogate.scale
    wanted = torch.pdist(small)
    # Principal components leave a little out, and add nothing.
    assert (found <= wanted * 1.001).all()
    assert torch.corrcoef(torch.stack([found, wanted]))[0, 1] > 0.9


def test_clips_move_as_much_as_they_say_they_did(toy_generator, fit):
    trajectory = _trajectory(toy_generator)
    meta = dataclasses.replace(trajectory.meta, liveliness=[1.0, 0.5, 0.5])
    plain = picture_clips(toy_generator, fit.surrogate, trajectory)

    lively = picture_clips(toy_generator, fit.surrogate, dataclasses.replace(trajectory, meta=meta))

    assert_close(lively[:, 0], plain[:, 0])
    factors = lively.diff(dim=1).norm(dim=(1, 2)) / plain.diff(dim=1).norm(dim=(1, 2))
    assert_close(factors, torch.tensor([1.0, 2.0, 2.0]))


@pytest.fixture
def saved(toy_generator, fit, tmp_path):
    """Return clips, what they look like, and the file that says so."""
    trajectory = _trajectory(toy_generator)
    pictures = picture_clips(toy_generator, fit.surrogate, trajectory)
    pictured, path = PicturedClips(fit.surrogate, pictures), tmp_path / "s.safetensors"
    save_pictured(pictured, path)
    return trajectory, pictured, path


def test_it_survives_a_file_with_what_the_clips_look_like(toy_generator, saved):
    trajectory, pictured, path = saved
    latent = torch.randn(4, toy_generator.latent_dim)

    loaded = load_pictured(path, trajectory=trajectory)

    assert torch.equal(loaded.surrogate(latent), pictured.surrogate(latent))
    assert torch.equal(loaded.pictures, pictured.pictures)


def test_a_damaged_file_is_named_with_what_to_do(saved):
    trajectory, _, path = saved
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(FileFormatError, match=r"s\.safetensors") as error:
        load_pictured(path, trajectory=trajectory)

    assert error.value.hint is not None
    assert "rm" in error.value.hint


def test_pictures_of_other_clips_are_refused(toy_generator, saved):
    _, _, path = saved

    with pytest.raises(FileFormatError, match="other clips"):
        load_pictured(path, trajectory=_trajectory(toy_generator, n=4))


def test_a_generator_of_nan_is_refused(toy_generator):
    broken = copy.deepcopy(toy_generator)
    for parameter in broken.parameters():
        parameter.data.fill_(torch.nan)

    with pytest.raises(DivergedError, match="not finite"):
        fit_surrogate(broken, num_pictures=64)
