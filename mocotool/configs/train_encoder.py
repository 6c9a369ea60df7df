"""Settings of `moco train-encoder`."""

import dataclasses

from mocotool.configs.evaluate import check_positive
from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainEncoderConfig:
    """How `train_encoder` learns to guess latents from pictures."""

    num_steps: int = 1500
    """Steps of training; the learning rate falls to zero over them."""
    batch_size: int = 32
    """Pictures a step, each drawn and rendered anew."""
    width: int = 16
    """Channels of the first layer; later ones have up to eight times as many."""
    learning_rate: float = 1e-3
    """Adam's at the start."""
    seed: int = 0
    """Seed of everything random."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "width"):
            check_positive(name, getattr(self, name))
        if not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"learning rate {self.learning_rate}, expected more than 0 and less than 1",
                hint="--learning-rate 1e-3",
            )
