"""Settings that some formats of generator weights do not store."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorOptions:
    """Settings of BigGAN-PyTorch's training that its weight files lack."""

    bn_eps: Annotated[
        float,
        Option(
            "BigGAN only: its --BN_eps, added to variances, which its files do not store.",
            above=0,
            below=1,
        ),
    ] = 1e-5
    sn_eps: Annotated[
        float,
        Option(
            "BigGAN only: its --SN_eps, the smallest spectral norm, which its files do not store.",
            above=0,
            below=1,
        ),
    ] = 1e-6

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_options(self)
