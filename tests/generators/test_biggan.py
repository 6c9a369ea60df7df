"""BigGAN: what names and shapes say, and the folded spectral norms."""

import pytest
import torch

from mocotool.errors import FileFormatError
from mocotool.generators.biggan import BigGAN
from mocotool.generators.loading import load_generator, save_generator
from mocotool.motion.checkpoint import save_motion
from mocotool.motion.generator import MotionGenerator
from mocotool.weights.biggan import fold_spectral_norms

ARCHS = {
    "hierarchical": {"z_dim": 12, "shared_dim": 5, "is_hierarchical": True},
    "shared": {"z_dim": 6, "shared_dim": 5, "is_hierarchical": False},
    "own embeddings": {"z_dim": 6, "shared_dim": 0, "is_hierarchical": False},
}


def make(name, **changes):
    torch.manual_seed(1)
    sizes = {"num_classes": 3, "channels": [16, 8, 8, 8], "attention_blocks": [1]}
    return BigGAN(**(sizes | ARCHS[name] | changes)).freeze()


def state_of(generator):
    return {k.removeprefix("synthesis."): v for k, v in generator.state_dict().items()}


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("attention_blocks", [[], [0, 2]], ids=["none", "two"])
def test_sizes_come_from_names_and_shapes(tmp_path, name, attention_blocks):
    generator = make(name, attention_blocks=attention_blocks)
    torch.save(state_of(generator), tmp_path / "G_ema.pth")

    again = load_generator(tmp_path / "G_ema.pth")

    assert again.arch == generator.arch
    z, labels = torch.randn(2, generator.z_dim), torch.tensor([2, 0])
    img = again.synthesis(z, labels=labels)
    assert img.shape == (2, 3, 32, 32)
    assert torch.equal(img, generator.synthesis(z, labels=labels))


def test_the_class_changes_the_picture():
    generator = make("shared")
    z = torch.randn(1, 6).expand(2, -1)

    img = generator.synthesis(z, labels=torch.tensor([0, 1]))

    assert not torch.allclose(img[0], img[1])


def test_one_class_needs_no_label():
    generator = make("shared", num_classes=1)

    assert generator.synthesis(torch.randn(2, 6)).shape == (2, 3, 32, 32)


def test_one_class_is_sampled_without_a_label(tmp_path, run_moco):
    """The paper's BigGAN of FFHQ has one class."""
    generator = make("shared", num_classes=1)
    save_generator(generator, tmp_path / "g.safetensors")
    motion = MotionGenerator(
        latent_dim=6, noise_dim=4, hidden_dim=5, components=torch.eye(6), stdev=torch.ones(6)
    )
    save_motion(motion, tmp_path / "m.safetensors")
    walk, img = tmp_path / "walk.npz", tmp_path / "walk.png"

    named = ("--generator", tmp_path / "g.safetensors")
    sampled = run_moco("sample", tmp_path / "m.safetensors", *named, "--num-frames", 3, "-o", walk)
    rendered = run_moco("render", walk, *named, "-o", img)

    assert sampled.exit_code == 0, sampled.stderr
    assert rendered.exit_code == 0, rendered.stderr
    assert img.exists()


def test_folding_divides_by_the_largest_singular_value():
    weight = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    left = torch.linalg.svd(weight.flatten(1)).U[:, 0]

    folded = fold_spectral_norms({"a.weight": weight, "a.u0": left[None]}, eps=1e-6)

    assert list(folded) == ["a.weight"]
    assert torch.linalg.matrix_norm(folded["a.weight"].flatten(1), 2) == pytest.approx(1, rel=1e-5)


def test_a_discriminator_is_refused(tmp_path):
    state = {"linear.weight": torch.zeros(1, 4), "blocks.0.0.conv1.weight": torch.zeros(4, 3, 3, 3)}
    torch.save(state, tmp_path / "D.pth")

    with pytest.raises(FileFormatError, match="discriminator"):
        load_generator(tmp_path / "D.pth")
