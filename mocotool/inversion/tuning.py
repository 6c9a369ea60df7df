"""Pivotal tuning: small changes of the generator, so that the found latents render the pictures.

No latent renders what a generator has not learnt. So the nearest latents are fixed, as pivots, and
small changes of the weights make up for the rest; motion from a pivot keeps the identity of the
person in the picture. The changes have low rank: they fit as well as changing all weights, and
their file is small.
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mocotool.configs.invert import InvertConfig
from mocotool.devices import full_precision
from mocotool.errors import ConfigError, DivergedError
from mocotool.generators.base import Generator
from mocotool.generators.tuned import GeneratorTuning, flat_shape, list_tunable
from mocotool.inversion.objective import (
    ImageFeatures,
    PyramidFeatures,
    feature_distance,
    inversion_loss,
    pixel_distance,
)
from mocotool.inversion.quality import measure_quality
from mocotool.inversion.search import Inversion, in_float32
from mocotool.training.randomness import derive_rng

RANK = 8
LEARNING_RATE = 5e-3
PERCEPTUAL_WEIGHT = 1.0
WARMUP_STEPS = 10
BATCH_SIZE = 8  # pictures per step


def tune_generator(
    generator: Generator,
    images: Tensor,
    found: Inversion,
    *,
    config: InvertConfig | None = None,
    features: ImageFeatures | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[GeneratorTuning, Inversion]:
    """Fit a generator's convolutions to pictures whose latents were found.

    Args:
        generator: The generator; it is not modified.
        images: The pictures, [n, img_channels, h, w] of the size that it renders, in [-1, 1].
        found: Result of `invert` for them.
        config: Config of the search; `num_tune_steps` is the number of steps.
        features: Perceptual features, as for `invert`.
        progress: Called with the number of steps done since the last call.

    Returns:
        The changes, and `found` with the renderings and distances of the tuned generator.

    Raises:
        ConfigError: The generator is already tuned, or was not loaded from a file.
        DivergedError: The loss is NaN or infinite.

    Source:
        Roich et al. 2021, "Pivotal Tuning for Latent-based editing of Real Images"
            (arXiv:2106.05744), Sec. 3.2: LPIPS and pixels at a fixed pivot.
        Deviation: changes of low rank (Hu et al. 2021, arXiv:2106.09685), without the term that
            holds other latents' pictures.
    """
    config = InvertConfig() if config is None else config
    features = features or PyramidFeatures()
    if generator.origin is None:
        raise ConfigError(
            "the generator was not read from a file, so a tuned one cannot refer to it"
        )
    if generator.origin.tuned_from is not None:
        raise ConfigError(
            f"{generator.origin.file.path}: is already tuned",
            hint=f"begin from {generator.origin.tuned_from.path}",
        )

    # a pair of factors per weight, which Adam moves; the latents stay
    weights = dict(list_tunable(generator))
    factors = _draw_factors(weights, config.seed)
    leaves = [half for pair in factors.values() for half in pair]
    optimizer = torch.optim.Adam(leaves, lr=LEARNING_RATE)
    latents = found.latents.to(generator.device)
    rng = derive_rng(config.seed, "tuning")

    def render(rows: Tensor) -> Tensor:
        changed = {
            name: weights[name] + (up @ down).view_as(weights[name])
            for name, (up, down) in factors.items()
        }
        labels = None if config.label is None else torch.full((len(rows),), config.label)
        assert isinstance(generator.synthesis, nn.Module)
        img: Tensor = functional_call(
            generator.synthesis,
            changed,
            (latents[rows],),
            {"labels": labels, "noise_mode": config.noise},
        )
        return img

    with full_precision(), in_float32(generator):
        for step in range(config.num_tune_steps):
            rows = torch.randperm(len(images), generator=rng)[:BATCH_SIZE]

            # [b, c, h, w] of the pictures and of their renderings
            target = images[rows].to(generator.device)
            with torch.no_grad():
                target_maps = features(target)
            img = render(rows)
            loss = inversion_loss(
                img=img,
                target=target,
                maps=features(img),
                target_maps=target_maps,
                perceptual_weight=PERCEPTUAL_WEIGHT,
            ).mean()
            if not torch.isfinite(loss):
                raise DivergedError(f"tuning diverged at step {step}: the loss is not finite")
            _set_rate(optimizer, step, config.num_tune_steps)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if progress is not None:
                progress(1)
        found = _measure(found, images, features, render)

    assert generator.origin is not None
    tuning = GeneratorTuning(
        base=generator.origin.file,
        factors={name: (up.detach(), down.detach()) for name, (up, down) in factors.items()},
    )
    return tuning, found


def _draw_factors(weights: dict[str, nn.Parameter], seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return a pair of factors for each weight; their product is 0 at the start."""
    rng = derive_rng(seed, "tuning factors")
    factors = {}
    for name, weight in weights.items():
        rows, columns = flat_shape(weight)
        rank = min(RANK, rows, columns)
        up = torch.randn(rows, rank, generator=rng).to(weight.device) * weight.detach().std()
        down = torch.zeros(rank, columns, device=weight.device)
        factors[name] = (up.requires_grad_(), down.requires_grad_())
    return factors


def _set_rate(optimizer: torch.optim.Optimizer, step: int, num_steps: int) -> None:
    """Set the learning rate: warm-up, constant, then decay to 0 over the second half."""
    share = min(1.0, (step + 1) / WARMUP_STEPS, 2 * (1 - step / num_steps))
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE * share


@torch.no_grad()
def _measure(
    found: Inversion, images: Tensor, features: ImageFeatures, render: Callable[[Tensor], Tensor]
) -> Inversion:
    """Return `found` with renderings of the tuned generator, a few pictures at a time."""
    imgs, errors, distances = [], [], []
    for rows in torch.arange(len(images)).split(BATCH_SIZE):
        img = render(rows)
        target = images[rows].to(img.device)
        imgs.append(img.cpu())
        errors.append(pixel_distance(img, target).cpu())
        distances.append(feature_distance(features(img), features(target)).cpu())
    img = torch.cat(imgs)
    psnr, ssim = measure_quality(img, images.cpu())
    return dataclasses.replace(
        found,
        img=img,
        pixel_mse=torch.cat(errors),
        perceptual=torch.cat(distances),
        psnr=psnr,
        ssim=ssim,
    )
