"""The generator that a `train-image` run starts from: a new StyleGAN2, or one from a file."""

import dataclasses
from collections.abc import Collection
from pathlib import Path

import torch

from mocotool.configs.train_image import NETWORK_FIELDS, TrainImageConfig
from mocotool.errors import MismatchError
from mocotool.generators.loading import load_generator
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.training.randomness import derive_seed

IMG_CHANNELS = 3
CHANNEL_FIELDS = ("channel_base", "channel_max")
"""Settings that many generators cannot be put into: widths of another form have no such pair."""


def build_generator(config: TrainImageConfig, *, c_dim: int = 0) -> StyleGAN2:
    """Return an untrained StyleGAN2 of the configured size, drawn from torch's global seed."""
    return StyleGAN2(
        z_dim=config.z_dim,
        w_dim=config.w_dim,
        c_dim=c_dim,
        img_resolution=config.resolution,
        channels=default_channels(
            config.resolution, channel_base=config.channel_base, channel_max=config.channel_max
        ),
        num_mapping_layers=config.num_mapping_layers,
    )


def load_start(
    path: Path, *, resolution: int | None = None, c_dim: int = 0, seed: int = 0
) -> StyleGAN2:
    """Load a StyleGAN2 to start training from.

    Args:
        path: The file.
        resolution: What was asked for; twice the generator's own grows it, see `grow_generator`.
        c_dim: Number of the pictures' classes, 0 for none.
        seed: Of the weights that growing adds.

    Raises:
        FileFormatError: The file is not a generator.
        MismatchError: It cannot be trained on such pictures.
    """
    generator = load_generator(path)
    if not isinstance(generator, StyleGAN2):
        raise MismatchError(f"{path}: is a {generator.kind}, expected a StyleGAN2")
    if generator.c_dim and not c_dim:
        raise MismatchError(
            f"{path}: has {generator.c_dim} classes, but the images have none",
            hint="--cond trains with classes; else start from a generator without any",
        )
    if generator.c_dim != c_dim:
        raise MismatchError(
            f"{path}: has {generator.c_dim or 'no'} classes, the images have {c_dim}",
            hint="start from a generator with as many classes, or without --generator",
        )
    if generator.img_channels != IMG_CHANNELS:
        raise MismatchError(
            f"{path}: makes images of {generator.img_channels} channels, expected {IMG_CHANNELS}"
        )
    if resolution != 2 * generator.resolution:
        return generator
    return grow_generator(generator, seed=seed)


def grow_generator(generator: StyleGAN2, *, seed: int = 0) -> StyleGAN2:
    """Return a generator of twice the resolution that at first renders the same pictures.

    The new block has half the channels of the last one, and an image layer of zeros, so that at
    first it adds nothing to the enlarged picture.

    Args:
        generator: What to grow; unchanged.
        seed: Of the new block's weights.

    Raises:
        MismatchError: Its picture is not a sum over resolutions, so nothing can be added to it.

    Source:
        Follows: Karras et al., "Progressive Growing of GANs", 2018, with zeros for the fade.
    """
    arch = generator.arch
    if arch["architecture"] != "skip":
        raise MismatchError(
            f"the generator to start from is of the architecture {arch['architecture']!r}, "
            "expected 'skip' to double its resolution",
            hint="leave --resolution out to train it at its own",
        )
    arch["img_resolution"] *= 2
    arch["channels"] = [*arch["channels"], max(1, arch["channels"][-1] // 2)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "grown block"))
        grown = StyleGAN2(**arch)
    grown.load_state_dict(grown.state_dict() | generator.state_dict())
    block = getattr(grown.synthesis, f"b{grown.resolution}")
    torch.nn.init.zeros_(block.torgb.weight)
    grown.origin = generator.origin
    return grown


def freeze_below(generator: StyleGAN2, resolution: int) -> int:
    """Freeze the mapping and every block below a resolution.

    What a trained generator knows of shapes and poses is in them; the blocks above learn details.

    Returns: Resolution of the highest frozen block, in pixels.

    Raises:
        MismatchError: No block is left.

    Source:
        Follows: FreezeG (github.com/bryandlee/FreezeG, 2020): the low resolutions stay.
    """
    if resolution > generator.resolution:
        raise MismatchError(
            f"freeze_below {resolution}: leaves nothing to train, the generator has "
            f"{generator.resolution} px"
        )
    generator.mapping.requires_grad_(False)
    frozen = [size for size in generator.synthesis.block_resolutions if size < resolution]
    for size in frozen:
        getattr(generator.synthesis, f"b{size}").requires_grad_(False)
    return int(max(frozen))


def adopt_network(
    config: TrainImageConfig, generator: StyleGAN2, *, asked: Collection[str] = ()
) -> TrainImageConfig:
    """Return the settings with the size of a generator to start from.

    Args:
        config: The settings.
        generator: What training starts from.
        asked: Names of settings that were asked for and so must be the generator's own; the other
            ones of its size are taken from it.

    Raises:
        MismatchError: One of them is not; all are listed.
    """
    arch, widths = generator.arch, list(generator.arch["channels"])
    found = {
        "resolution": generator.resolution,
        "z_dim": generator.z_dim,
        "w_dim": generator.latent_dim,
        "num_mapping_layers": arch["num_mapping_layers"],
        # the nearest pair, if the widths are of another form
        "channel_base": widths[-1] * generator.resolution,
        "channel_max": max(widths),
    }
    differing = [
        f"{name} {getattr(config, name)} was asked for, it has {found[name]}"
        for name in NETWORK_FIELDS
        if name in asked and name not in CHANNEL_FIELDS and getattr(config, name) != found[name]
    ]
    for name in CHANNEL_FIELDS:
        wanted = {field: found[field] for field in CHANNEL_FIELDS}
        wanted[name] = getattr(config, name)
        asked_widths = default_channels(generator.resolution, **wanted)
        if name in asked and asked_widths != widths:
            differing.append(
                f"{name} {getattr(config, name)} was asked for, which makes the channels "
                f"{asked_widths}, it has {widths}"
            )
    if differing:
        raise MismatchError(
            f"the generator to start from differs from this run: {'; '.join(differing)}",
            hint="leave these options out, or start without --generator",
        )
    return dataclasses.replace(config, **found)


def check_start(config: TrainImageConfig, generator: StyleGAN2, *, c_dim: int = 0) -> None:
    """Check that a generator to start from is what the settings describe.

    Raises:
        MismatchError: It is not.
    """
    fixed = [name for name in NETWORK_FIELDS if name not in CHANNEL_FIELDS]
    adopt_network(config, generator, asked=fixed)
    if generator.img_channels != IMG_CHANNELS:
        raise MismatchError("the generator to start from must render RGB images")
    if generator.c_dim != c_dim:
        raise MismatchError(
            f"the generator to start from has {generator.c_dim or 'no'} classes, expected "
            f"{c_dim or 'none'}"
        )
