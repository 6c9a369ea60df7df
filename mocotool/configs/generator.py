"""What a file of generator weights does not say of itself, where its format leaves it out."""

import dataclasses
import math

from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorOptions:
    """Settings of BigGAN-PyTorch's training that its weight files lack."""

    bn_eps: float = 1e-5
    """Added to the variance in batch normalisation (its flag --BN_eps)."""
    sn_eps: float = 1e-6
    """Smallest norm in spectral normalisation (its flag --SN_eps)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("bn_eps", "sn_eps"):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0 < value < 1:
                raise ConfigError(
                    f"{name} is {value}, expected a number between 0 and 1",
                    hint=f"--{name.replace('_', '-')} 1e-5",
                )
