"""Options of the perceptual network, and how it is loaded."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.configs.invert import DEFAULT_PERCEPTUAL, PerceptualChoice
from mocotool.downloads import find_weights
from mocotool.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from mocotool.inversion.objective import ImageFeatures

NOTES: dict[PerceptualChoice, str] = {
    "squeezenet": "perceptual squeezenet: LPIPS (SqueezeNet, Caffe weights)",
    "vgg16": "perceptual vgg16: {}",
    "none": "perceptual none: pixels and gradients at several sizes",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerceptualOptions:
    """The perceptual network of the objective."""

    perceptual: Annotated[
        PerceptualChoice | None,
        typer.Option(
            help="squeezenet, vgg16, or none: pixels and gradients at several sizes.",
            show_default=f"{DEFAULT_PERCEPTUAL}, or vgg16 with --perceptual-weights",
        ),
    ] = None
    perceptual_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="torchvision's VGG16; `moco fetch vgg16` if left out."),
    ] = None

    def choose(self) -> tuple[PerceptualChoice, Path | None]:
        """Return the perceptual network, and its weights file if it has one.

        Raises:
            ConfigError: Weights were named for something other than VGG16.
            FileFormatError: The named file is missing.
            UnavailableError: VGG16 was asked for, and its weights are not here.
        """
        perceptual, file = self.perceptual, self.perceptual_weights
        if perceptual is None:
            perceptual = DEFAULT_PERCEPTUAL if file is None else "vgg16"
        if perceptual == "vgg16":
            return perceptual, find_weights("vgg16", file=file)
        if file is not None:
            raise ConfigError(
                f"--perceptual {perceptual} takes no weights, got --perceptual-weights",
                hint="--perceptual vgg16",
            )
        return perceptual, None


def load_features(
    perceptual: PerceptualChoice, weights: Path | None, device: "torch.device"
) -> "ImageFeatures":
    """Load the perceptual network."""
    from mocotool.inversion.objective import PyramidFeatures, SqueezeNetFeatures
    from mocotool.networks.lpips import load_lpips
    from mocotool.networks.vgg16 import load_vgg16

    if perceptual == "vgg16":
        assert weights is not None
        return load_vgg16(weights, device=device)
    if perceptual == "squeezenet":
        return SqueezeNetFeatures(load_lpips(device=device))
    return PyramidFeatures()


def describe_features(perceptual: PerceptualChoice, weights: Path | None) -> str:
    """Return the note about the perceptual network."""
    return NOTES[perceptual].format(weights)
