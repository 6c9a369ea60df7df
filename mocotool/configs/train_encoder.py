"""Settings of `moco train-encoder`."""

import dataclasses
import functools
from typing import Annotated, Literal

from mocotool.configs.option import Option, Seed, check_options
from mocotool.errors import ConfigError

EncoderKind = Literal["kernel", "network"]

KERNEL_PANEL, NETWORK_PANEL = "Kernel", "Network"
_Kernel = functools.partial(Option, panel=KERNEL_PANEL)
_Network = functools.partial(Option, panel=NETWORK_PANEL)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainEncoderConfig:
    """Config of `train_encoder`."""

    kind: Annotated[
        EncoderKind | None,
        Option(
            "kernel: regression on pictures with known latents; network: convolutions.",
            shown="kernel with --latents, else network",
        ),
    ] = None
    num_pictures: Annotated[
        int, _Kernel("Pictures that the regression draws and renders.", min=1)
    ] = 1200
    num_steps: Annotated[int, _Network("Steps of training; more guess better.", min=1)] = 1500
    batch_size: Annotated[int, _Network("Pictures drawn and rendered per step.", min=1)] = 32
    width: Annotated[
        int,
        _Network("Channels of the first layer; later ones have up to eight times as many.", min=1),
    ] = 16
    learning_rate: Annotated[
        float, _Network("Adam's learning rate at the start; it falls to 0.", above=0, below=1)
    ] = 1e-3
    seed: Seed = 0

    def choose_kind(self, *, has_found: bool) -> EncoderKind:
        """Return the kind of encoder, depending on whether inverted clips are given.

        Raises:
            ConfigError: A network was to learn from those.
        """
        if has_found and self.kind == "network":
            raise ConfigError(
                "a network learns from the generator's own pictures alone, not from --latents",
                hint="--kind kernel, or leave --kind out",
            )
        return self.kind or ("kernel" if has_found else "network")

    def __post_init__(self) -> None:
        check_options(self)
