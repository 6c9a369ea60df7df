import io
import re

import numpy as np
import pytest

from mocotool.errors import FileFormatError, MismatchError, MocoWarning
from mocotool.generators.dcgan import DCGAN
from mocotool.latents import read_latents

NUM_WS, W_DIM = 6, 12  # of the toy generator


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return io.BytesIO(file.getvalue())


@pytest.fixture
def save(tmp_path):
    def save(*shape):
        np.save(tmp_path / "bare.npy", draw(*shape))
        return tmp_path / "bare.npy"

    return save


@pytest.mark.parametrize(
    ("shape", "space", "expected"),
    [
        ((5, NUM_WS, W_DIM), "w+", (1, 5, NUM_WS, W_DIM)),
        ((1, NUM_WS, W_DIM), "w+", (1, 1, NUM_WS, W_DIM)),
        ((2, 5, NUM_WS, W_DIM), "w+", (2, 5, NUM_WS, W_DIM)),
        ((5, W_DIM), "w", (1, 5, W_DIM)),
        ((W_DIM,), "w", (1, 1, W_DIM)),
    ],
)
def test_the_generator_says_what_the_axes_are(toy_generator, shape, space, expected):
    found = read_latents(npy(draw(*shape)), "bare.npy", generator=toy_generator)

    assert found.meta.space == space
    assert found.meta.generator == toy_generator.origin.file
    np.testing.assert_array_equal(found.latents, draw(*shape).reshape(expected))


def test_as_many_rows_as_layers_are_layers_and_a_warning_says_so(toy_generator):
    with pytest.warns(MocoWarning, match="taken for one latent in w"):
        found = read_latents(npy(draw(NUM_WS, W_DIM)), "bare.npy", generator=toy_generator)

    assert found.meta.space == "w+"
    assert found.latents.shape == (1, 1, NUM_WS, W_DIM)


def test_latents_without_layers_are_frames_in_z():
    generator = DCGAN(z_dim=W_DIM, channels=[8, 4], img_channels=3, has_bias=False)
    found = read_latents(npy(draw(5, W_DIM)), "bare.npy", generator=generator)

    assert found.meta.space == "z"
    assert found.latents.shape == (1, 5, W_DIM)
    with pytest.raises(MismatchError, match=re.escape("the generator takes [n, 12]")):
        read_latents(npy(draw(5, NUM_WS, W_DIM)), "bare.npy", generator=generator)


def test_the_bundled_generator_can_say_it_by_its_name(run_moco, tmp_path):
    np.save(tmp_path / "bare.npy", draw(3, 128))
    words = ("cut", tmp_path / "bare.npy", "--reverse", "-o", tmp_path / "made.npz")

    unsaid = run_moco(*words)
    unknown = run_moco(*words, "--generator", "bundled:nobody.safetensors")
    made = run_moco(*words, "--generator", "bundled:people.safetensors")

    assert (unsaid.exit_code, unknown.exit_code, made.exit_code) == (3, 3, 0), made.stderr
    assert "--generator bundled:people.safetensors" in unsaid.stderr
    assert "nobody.safetensors: no such file" in unknown.stderr
    assert read_latents(tmp_path / "made.npz").meta.generator.path == "bundled:people.safetensors"


def test_halves_and_doubles_become_float32(toy_generator):
    array = draw(5, NUM_WS, W_DIM).astype(np.float16)

    found = read_latents(npy(array), "bare.npy")

    assert found.latents.dtype == np.float32
    np.testing.assert_array_equal(found.latents[0], array)


@pytest.mark.parametrize("shape", [(5, W_DIM + 1), (5, NUM_WS + 1, W_DIM), (5, NUM_WS, 1)])
def test_another_generators_latents_are_refused_by_their_sizes(toy_generator, shape):
    with pytest.raises(MismatchError, match=re.escape("the generator takes [n, 6, 12] or [n, 12]")):
        read_latents(npy(draw(*shape)), "bare.npy", generator=toy_generator)


@pytest.mark.parametrize("shape", [(0, NUM_WS, W_DIM), (1, 1, 1, NUM_WS, W_DIM), ()])
def test_other_axes_are_refused(shape):
    with pytest.raises(FileFormatError, match="expected latents"):
        read_latents(npy(draw(*shape)), "bare.npy")


def test_numbers_that_are_no_latents_are_refused():
    with pytest.raises(FileFormatError, match="int64 values"):
        read_latents(npy(np.ones((5, NUM_WS, W_DIM), np.int64)), "bare.npy")


@pytest.mark.parametrize(
    ("args", "frames"),
    [
        (("interpolate", "{bare}"), 10),
        (("cut", "{bare}", "--frames", "1:3"), 2),
        (("loop", "{bare}", "--mode", "back"), 8),
        (("edit", "{bare}", "--pca", "{pca}", "--direction", "1:2"), 5),
        (("mix", "{bare}", "{bare}", "--weight", "0.5"), 5),
        (("cat", "{bare}", "{bare}"), 10),
        (("path", "{bare}#0", "{bare}#4", "--num-frames", "7"), 7),
        (("sample", "{motion}", "--start", "{bare}", "--num-frames", "4"), 4),
    ],
)
def test_commands_take_bare_arrays(
    run_moco, save, toy_generator_path, toy_pca_path, toy_motion_path, args, frames
):
    names = {"bare": save(5, W_DIM), "pca": toy_pca_path, "motion": toy_motion_path}

    result = run_moco(*(arg.format(**names) for arg in args), "--generator", toy_generator_path)

    assert result.exit_code == 0, result.stderr
    made = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")
    assert made.latents.shape == (1, frames, W_DIM)
    assert made.meta.generator.path == str(toy_generator_path)


def test_a_bare_array_is_rendered_like_the_file_of_latents(
    run_moco, save, toy_generator_path, tmp_path
):
    bare = save(5, NUM_WS, W_DIM)
    np.savez(tmp_path / "projected_w.npz", w=draw(5, NUM_WS, W_DIM)[:1])
    for source, out in ((bare, "a.png"), (tmp_path / "projected_w.npz", "b.png")):
        result = run_moco(
            *("render", source, "--generator", toy_generator_path, "-o", tmp_path / out)
        )
        assert result.exit_code == 0, result.stderr

    from mocotool.video.pictures import read_image

    first, second = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png")
    assert first.shape == (16, 80, 3)
    np.testing.assert_array_equal(first[:, :16], second)


def test_a_pipe_carries_a_bare_array(run_moco, save):
    result = run_moco("cut", "-", "--frames", "1:3", input=save(5, NUM_WS, W_DIM).read_bytes())

    assert result.exit_code == 0, result.stderr
    made = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")
    np.testing.assert_array_equal(made.latents, draw(5, NUM_WS, W_DIM)[None, 1:3])


def test_frames_and_layers_are_not_guessed_without_a_generator(run_moco, save):
    result = run_moco("interpolate", save(5, W_DIM))

    assert result.exit_code == 3
    assert "only the generator can say whether that is frames or layers" in result.stderr
    assert "--generator FILE" in result.stderr


def test_info_says_that_an_array_says_nothing(run_moco, save):
    result = run_moco("info", save(5, W_DIM))

    assert result.exit_code == 0
    assert "float32 [5, 12]" in result.stdout
