import dataclasses
import io

import pytest
import torch
from torch.testing import assert_close

from mocotool.configs.invert import InvertConfig
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.generators.loading import load_generator, save_generator
from mocotool.generators.tuned import read_tuning, write_tuning
from mocotool.inversion.search import invert
from mocotool.inversion.tuning import tune_generator

QUICK = InvertConfig(num_steps=20, num_starts=20, num_polish_steps=0, num_tune_steps=60)


@pytest.fixture(scope="module")
def foreign_pictures():
    """Bright discs, which the toy generator was never shown."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    disc = ((y - 8).square() + (x - 8).square() < 25).float() * 1.5 - 0.75
    return torch.stack([disc.expand(3, 16, 16), -disc.expand(3, 16, 16)])


@pytest.fixture(scope="module")
def tuned(toy_generator, foreign_pictures):
    found = invert(toy_generator, foreign_pictures, config=QUICK)
    return found, *tune_generator(toy_generator, foreign_pictures, found, config=QUICK)


@pytest.fixture
def tuned_path(tuned, tmp_path):
    write_tuning(tuned[1], tmp_path / "tuned.safetensors")
    return tmp_path / "tuned.safetensors"


def test_tuning_comes_nearer_where_latents_cannot(tuned):
    before, _, after = tuned

    assert (after.psnr > before.psnr + 3).all()
    assert torch.equal(after.latents, before.latents)


def test_the_generator_itself_stays(toy_generator, toy_generator_path, tuned):
    fresh = load_generator(toy_generator_path)
    for name, weight in fresh.state_dict().items():
        assert torch.equal(weight, toy_generator.state_dict()[name]), name


def test_a_file_of_changes_renders_what_was_found(tuned, tuned_path, toy_generator):
    found = tuned[2]

    generator = load_generator(tuned_path)

    with torch.no_grad():
        img = generator.synthesis(found.latents, noise_mode="const")
    assert_close(img, found.img, atol=0.02, rtol=0)  # it is stored in half precision
    assert generator.origin.tuned_from == toy_generator.origin.file
    assert generator.origin.is_of(toy_generator.origin.file)


def test_the_same_seed_gives_the_same_bytes(toy_generator, foreign_pictures, tuned):
    config = dataclasses.replace(QUICK, num_tune_steps=3)
    files = []
    for _ in range(2):
        files.append(io.BytesIO())
        write_tuning(
            tune_generator(toy_generator, foreign_pictures, tuned[0], config=config)[0], files[-1]
        )
    assert files[0].getvalue() == files[1].getvalue()


def test_changes_of_another_generator_are_refused(tuned_path, toy_generator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuning = read_tuning(tuned_path)
    save_generator(toy_generator, tmp_path / "other.safetensors", dtype=torch.float16)
    other = dataclasses.replace(tuning.base, path=str(tmp_path / "other.safetensors"))
    write_tuning(dataclasses.replace(tuning, base=other), tuned_path)
    with pytest.raises(MismatchError, match=r"tuned\.safetensors: was made with .*other"):
        load_generator(tuned_path)


def test_a_bundled_generator_of_another_version_is_refused(tuned_path, tmp_path):
    tuning = read_tuning(tuned_path)
    base = dataclasses.replace(tuning.base, path="bundled:people.safetensors")
    write_tuning(dataclasses.replace(tuning, base=base), tuned_path)
    with pytest.raises(MismatchError, match=r"tuned\.safetensors: it was tuned from bundled:"):
        load_generator(tuned_path)


def test_changes_that_do_not_fit_are_refused(tuned_path):
    tuning = read_tuning(tuned_path)
    name, (up, down) = next(iter(tuning.factors.items()))
    write_tuning(dataclasses.replace(tuning, factors={name: (up[1:], down)}), tuned_path)
    with pytest.raises(FileFormatError, match=r"tuned\.safetensors: the change of .* does not fit"):
        load_generator(tuned_path)


def test_a_tuned_generator_is_not_tuned_again(tuned, tuned_path, foreign_pictures):
    with pytest.raises(ConfigError, match="is already tuned"):
        tune_generator(load_generator(tuned_path), foreign_pictures, tuned[2], config=QUICK)
