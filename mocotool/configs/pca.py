"""Settings of `moco pca`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options
from mocotool.errors import ConfigError

DEFAULT_NUM_COMPONENTS = 384  # Paper: Appendix A.1, V is [384, 512]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PCAConfig:
    """Config of `fit_pca_basis`."""

    num_samples: Annotated[int, Option("Number of latents to sample.", min=2)] = 1_000_000
    num_components: Annotated[
        int | None,
        Option(
            "Number of directions to keep.",
            min=1,
            shown=f"{DEFAULT_NUM_COMPONENTS}, or all where there are fewer",
        ),
    ] = None
    batch_size: Annotated[
        int,
        Option("Latents per batch; affects the result only by rounding.", min=1, typed=False),
    ] = 4096
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.num_components is not None and self.num_components >= self.num_samples:
            raise ConfigError(
                f"{self.num_components} components of {self.num_samples} latents: "
                f"that many span at most {self.num_samples - 1} directions",
                hint="raise --num-samples or lower --num-components",
            )

    def choose_num_components(self, latent_dim: int) -> int:
        """Return how many directions to keep of latents with `latent_dim` dimensions.

        Raises:
            ConfigError: More were asked for than there are.
        """
        available = min(latent_dim, self.num_samples - 1)
        if self.num_components is None:
            return min(DEFAULT_NUM_COMPONENTS, available)
        if self.num_components > latent_dim:
            raise ConfigError(
                f"{self.num_components} components, but the latents have {latent_dim} dimensions",
                hint=f"--num-components {latent_dim}, or leave it out",
            )
        return self.num_components
