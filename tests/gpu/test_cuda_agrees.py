"""A GPU computes what the CPU computes, in every family of generators and in every recipe."""

import dataclasses
import importlib.util
from pathlib import Path

import pytest
import torch
from reference.toy_clips import ToyClips
from torch.testing import assert_close

from mocotool.basis import read_basis
from mocotool.configs.invert import InvertConfig
from mocotool.configs.train_image import TrainImageConfig
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.generators.biggan import BigGAN
from mocotool.generators.dcgan import DCGAN
from mocotool.generators.loading import load_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.generators.stylegan3 import StyleGAN3
from mocotool.image_training.trainer import ImageTrainer
from mocotool.inversion.search import invert
from mocotool.motion.compilation import Compilation
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.distributed import Processes

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda", 0)
GOLDEN = Path(__file__).parents[1] / "golden"
FILES = ["ada-skip-64.pkl", "ada-cond-32.pkl", "tf-config-f-64.pkl", "biggan-64.pth"]
BUILT = {
    "stylegan2": lambda: StyleGAN2(
        z_dim=64, w_dim=64, img_resolution=64, channels=[64, 64, 32, 16, 16]
    ),
    "stylegan3": lambda: StyleGAN3(
        z_dim=16,
        w_dim=16,
        img_resolution=32,
        channel_base=128,
        channel_max=16,
        num_layers=6,
        num_critical=2,
        conv_kernel=3,
        use_radial_filters=False,
    ),
    "biggan": lambda: BigGAN(
        z_dim=40,
        num_classes=3,
        shared_dim=16,
        is_hierarchical=True,
        channels=[32, 32, 16, 16],
        attention_blocks=[1],
    ),
    "dcgan": lambda: DCGAN(z_dim=32, channels=[32, 16, 16, 8], img_channels=3),
}
SIZES = {
    "batch_size": 2,
    "num_frames": 4,
    "frame_size": 16,
    "hidden_dim": 12,
    "noise_dim": 6,
    "num_components": 12,
    "video_width": 4,
    "image_width": 4,
    "pair_width": 4,
    "embed_dim": 4,
    "bank_size": 8,
    "num_g_steps": 2,
}
RECIPES = [("reference", False), ("reference", True), ("paper", False), ("paper", True)]


def render(generator, device):
    generator = generator.to(device)
    z = torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1]) if generator.c_dim else None
    with torch.no_grad():
        w = generator.mapping(z.to(device), generator.one_hot(labels, 3))
        takes_labels = generator.kind == "biggan"
        return generator.synthesis(w, labels=labels if takes_labels else None).cpu()


@pytest.mark.parametrize("family", BUILT)
def test_a_network_renders_the_same(family, full_products):
    torch.manual_seed(0)
    generator = BUILT[family]().freeze()
    for name, value in generator.named_buffers():
        if name.endswith(("up_filter", "down_filter")):  # StyleGAN3's come from files
            value.fill_(1 / value.numel())

    assert_close(render(generator, CUDA), render(generator, "cpu"), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", FILES)
def test_a_file_renders_the_same(name, full_products):
    here, there = (load_generator(GOLDEN / name, device=d) for d in ("cpu", CUDA))

    assert_close(render(there, CUDA), render(here, "cpu"), rtol=1e-3, atol=1e-3)


def train_motion(path, pca, device, recipe, cross_domain, *, num_steps=1, **parts):
    config = TrainMotionConfig.from_recipe(recipe, cross_domain=cross_domain, **SIZES)
    generator = load_generator(path, device=device)
    processes = Processes(device=generator.device)
    trainer = MotionTrainer(generator, read_basis(pca), config, processes=processes, **parts)
    # Maps of noise are drawn where they are used, and differ from device to device.
    trainer.renderer = dataclasses.replace(trainer.renderer, noise_mode="const")
    clips = ToyClips(batch_size=2)
    for _ in range(num_steps):
        values = trainer.step(next(clips))
    return values, {name: x.cpu() for name, x in trainer.motion.state_dict().items()}


@pytest.mark.parametrize(("recipe", "cross_domain"), RECIPES)
def test_a_step_of_motion_is_the_same(
    recipe, cross_domain, toy_generator_path, toy_pca_path, full_products
):
    given = (toy_generator_path, toy_pca_path)

    here, our_weights = train_motion(*given, "cpu", recipe, cross_domain)
    there, their_weights = train_motion(*given, CUDA, recipe, cross_domain)

    for name, value in here.items():
        assert there[name] == pytest.approx(value, rel=2e-2, abs=1e-3), name
    # Adam's first step is as long for a slope of rounding as for any other.
    assert_close(their_weights, our_weights, rtol=1e-2, atol=1e-3)


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="torch compiles for a GPU with triton only"
)
@pytest.mark.parametrize("cross_domain", [False, True])
def test_replayed_graphs_take_the_steps_of_plain_kernels(
    cross_domain, toy_generator_path, toy_pca_path, full_products
):
    given = (toy_generator_path, toy_pca_path, CUDA, "reference", cross_domain)

    # The first step compiles, the second records, and the third replays.
    plain, _ = train_motion(*given, num_steps=3)
    graphs, _ = train_motion(*given, num_steps=3, compilation=Compilation(graphs=True))

    for name, value in plain.items():
        assert graphs[name] == pytest.approx(value, rel=5e-2, abs=1e-3), name


def test_a_step_of_images_is_finite_there():
    config = TrainImageConfig(
        resolution=32, batch_size=4, channel_base=256, channel_max=16, z_dim=8, w_dim=8
    )
    trainer = ImageTrainer(config, processes=Processes(device=CUDA))

    values = trainer.step(torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8))

    assert values["d_loss"] > 0
    trainer.check_weights()


def test_an_inversion_comes_as_near(toy_generator, toy_generator_path, full_products):
    with torch.no_grad():
        images = toy_generator.synthesis(
            toy_generator.mapping(torch.randn(2, 8, generator=torch.Generator().manual_seed(1)))
        )
    config = InvertConfig(num_steps=60, num_starts=50)

    here = invert(toy_generator, images, config=config)
    there = invert(load_generator(toy_generator_path, device=CUDA), images, config=config)

    # Beyond 50 dB hardly a grey level is off, and each of them is several dB.
    near, expected = there.psnr.clamp(max=50), here.psnr.clamp(max=50)
    assert_close(near, expected, rtol=0.1, atol=1.0)
