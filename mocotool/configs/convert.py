"""Settings of `moco convert`."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.generator import GeneratorOptions
from mocotool.configs.option import Option, check_options
from mocotool.errors import ConfigError

Target = Literal["native", "ada", "rosinality", "official", "onnx"]
StoredType = Literal["float32", "float16", "bfloat16"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ConvertConfig:
    """Config of a conversion."""

    to: Annotated[
        Target,
        Option(
            "native: safetensors; ada, rosinality: .pt with the names of stylegan2-ada-pytorch or "
            "stylegan2-pytorch; official: a folder of the authors' motion model and PCA "
            "statistics; onnx: a folder of a generator's or a motion model's graphs."
        ),
    ] = "native"
    dtype: Annotated[
        StoredType,
        Option(
            "Storage type of the weights; only float32 is exact, the others halve the file size."
        ),
    ] = "float32"
    options: GeneratorOptions = dataclasses.field(default_factory=GeneratorOptions)
    """Settings that a BigGAN file does not store."""

    def __post_init__(self) -> None:
        """Check that the settings are compatible."""
        check_options(self)
        if self.to != "native" and self.dtype != "float32":
            raise ConfigError(
                f"the {self.to} form is always float32, got {self.dtype}", hint="leave out --dtype"
            )
