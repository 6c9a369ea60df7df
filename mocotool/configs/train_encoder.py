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
    """How `train_encoder` learns to guess latents from pictures."""

    kind: Annotated[
        EncoderKind | None,
        Option(
            "kernel: a regression on pictures whose latents are known; network: convolutions.",
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
        _Network(
            "Channels of the encoder's first layer; later ones have up to eight times.", min=1
        ),
    ] = 16
    learning_rate: Annotated[
        float, _Network("Adam's learning rate at the start; it falls to 0.", above=0, below=1)
    ] = 1e-3
    seed: Seed = 0

    def choose_kind(self, *, has_found: bool) -> EncoderKind:
        """Return which kind is trained, where there are pictures whose latents were found or not.

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
