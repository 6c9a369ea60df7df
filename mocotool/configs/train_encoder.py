"""Settings of `moco train-encoder`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainEncoderConfig:
    """How `train_encoder` learns to guess latents from pictures."""

    num_steps: Annotated[int, Option("Steps of training; more guess better.", min=1)] = 1500
    batch_size: Annotated[int, Option("Pictures drawn and rendered per step.", min=1)] = 32
    width: Annotated[
        int,
        Option("Channels of the encoder's first layer; later ones have up to eight times.", min=1),
    ] = 16
    learning_rate: Annotated[
        float, Option("Adam's learning rate at the start; it falls to 0.", above=0, below=1)
    ] = 1e-3
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
