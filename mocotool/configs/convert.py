"""Settings of `moco convert`."""

import dataclasses
from typing import Literal

from mocotool.configs.generator import GeneratorOptions
from mocotool.errors import ConfigError

Target = Literal["native", "ada", "rosinality", "official"]
StoredType = Literal["float32", "float16", "bfloat16"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ConvertConfig:
    """How a generator is written."""

    to: Target = "native"
    """native is our safetensors; ada and rosinality are torch files in the names of
    stylegan2-ada-pytorch and stylegan2-pytorch; official, for a motion model, is the authors'."""
    dtype: StoredType = "float32"
    """What weights are stored in; float32 is exact, the others halve the file."""
    options: GeneratorOptions = dataclasses.field(default_factory=GeneratorOptions)
    """What a BigGAN file does not say of itself."""

    def __post_init__(self) -> None:
        """Check that the settings go together."""
        if self.to != "native" and self.dtype != "float32":
            raise ConfigError(
                f"the {self.to} form is always float32, got {self.dtype}", hint="leave out --dtype"
            )
