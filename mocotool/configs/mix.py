"""Settings of `moco mix`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, check_options
from mocotool.configs.steering import Layers, Schedule, parse_ends


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MixConfig:
    """Config of `mix_trajectories`."""

    weight: Annotated[
        tuple[float, float] | None,
        Option(
            "Weight of B: 0 is A, 1 is B; 0:1 fades from the first frame to the last. "
            "0.5 if left out, 1 with --layers.",
            metavar="P[:Q]",
            parse=parse_ends,
            shown="0.5",
        ),
    ] = None
    layers: Layers = None
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def chosen_weight(self) -> tuple[float, float]:
        """The given weight, else the default."""
        if self.weight is not None:
            return self.weight
        return (0.5, 0.5) if self.layers is None else (1.0, 1.0)
