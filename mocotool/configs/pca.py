"""Settings of `moco pca`."""

import dataclasses

from mocotool.errors import ConfigError

DEFAULT_NUM_COMPONENTS = 384  # Paper: Appendix A.1, V is [384, 512]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PCAConfig:
    """What `fit_pca_basis` computes."""

    num_samples: int = 1_000_000
    """Latents to draw."""
    num_components: int | None = None
    """Directions to keep; `None` is 384, or all there are where the latents have fewer."""
    batch_size: int = 4096
    """Latents mapped at once; the result depends on it only by rounding."""
    seed: int = 0
    """Seed of the latents."""

    def __post_init__(self) -> None:
        if self.num_samples < 2:
            raise ConfigError(
                f"a PCA of {self.num_samples} latents has no variance",
                hint="--num-samples 1000000 is what the paper takes",
            )
        if self.num_components is not None and self.num_components < 1:
            raise ConfigError(f"{self.num_components} components, expected 1 at least")
        if self.num_components is not None and self.num_components >= self.num_samples:
            raise ConfigError(
                f"{self.num_components} components of {self.num_samples} latents: "
                f"that many span {self.num_samples - 1} directions at most",
                hint="raise --num-samples or lower --num-components",
            )
        if self.batch_size < 1:
            raise ConfigError(f"a batch of {self.batch_size} latents, expected 1 at least")

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
