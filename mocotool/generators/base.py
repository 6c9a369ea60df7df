"""The interface that image generators of every family share."""

import dataclasses
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from mocotool.devices import to_device
from mocotool.errors import ConfigError, MismatchError
from mocotool.provenance import FileRecord

NoiseMode = Literal["const", "random", "none"]
Space = Literal["w", "z"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorOrigin:
    """Where a generator came from."""

    file: FileRecord
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the file says of its own making: source file and hash, training set, images seen."""
    tuned_from: FileRecord | None = None
    """The generator that this one was tuned from, if it was: it takes the same latents."""

    def is_of(self, record: FileRecord) -> bool:
        """Return whether this is the generator that `record` names, as it was or tuned."""
        of = [self.file] if self.tuned_from is None else [self.file, self.tuned_from]
        return any(file.sha256 == record.sha256 for file in of)


class Mapping(Protocol):
    """The part of a generator that turns z into the latent that motion is learnt in."""

    def __call__(
        self, z: Tensor, c: Tensor | None = None, *, truncation_psi: float = 1.0
    ) -> Tensor:
        """Map z to latents.

        Args:
            z: [n, z_dim], drawn from N(0, I).
            c: One-hot classes [n, c_dim]; `None` for an unconditional generator.
            truncation_psi: 1 leaves the latents as they are, 0 gives the centre.

        Returns:
            Latents [n, latent_dim]. For BigGAN and DCGAN this is z, times `truncation_psi`.
        """


class Synthesis(Protocol):
    """The part of a generator that renders latents."""

    compute_dtype: torch.dtype
    """dtype of the convolutions; float32 unless `Generator.set_precision` changed it."""

    def __call__(
        self,
        latent: Tensor,
        *,
        labels: Tensor | None = None,
        noise_mode: NoiseMode = "const",
        noise: list[Tensor] | None = None,
    ) -> Tensor:
        """Render latents as images.

        Args:
            latent: [n, latent_dim], or [n, num_ws, latent_dim] for one latent per layer.
            labels: Class indices int64 [n], only where classes enter here (BigGAN); best on the
                CPU, where they can be checked without waiting for the device.
            noise_mode: "const" is the file's own per-pixel noise, "random" is fresh, "none" none.
            noise: Per-layer maps from `Generator.draw_noise`, in place of what `noise_mode` says.

        Returns:
            float32 [n, img_channels, resolution, resolution]; nominally in [-1, 1], not clamped.

        Raises:
            MismatchError: The latents do not fit this generator.
        """


class Generator(nn.Module):
    """A frozen image generator G_I: a `mapping` and a `synthesis`, both networks of their own."""

    kind: ClassVar[str]
    """The family: "stylegan2", "stylegan3", "biggan", "dcgan"."""
    space: ClassVar[Space]
    """Which space the latents live in."""

    mapping: Mapping
    synthesis: Synthesis

    resolution: int
    """Height and width of the images, in pixels; of those that are not square see `img_size`."""
    img_channels: int
    z_dim: int
    latent_dim: int
    num_ws: int
    """How many latents one image takes, one per layer; 1 where there is no per-layer input."""
    c_dim: int
    """Number of classes; 0 for an unconditional generator."""
    origin: GeneratorOrigin | None = None

    _arch: dict[str, Any]

    @property
    def arch(self) -> dict[str, Any]:
        """The keyword arguments that build this network again, as JSON values."""
        return dict(self._arch)

    @property
    def latent_mean(self) -> Tensor | None:
        """The truncation centre [latent_dim], or `None` if the generator has none."""
        return None

    @property
    def img_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.resolution, self.resolution

    def check_square(self, what: str) -> None:
        """Check that the images are square, for code that takes no others.

        Raises:
            MismatchError: They are not.
        """
        height, width = self.img_size
        if height != width:
            raise MismatchError(
                f"the generator's pictures are {width}x{height}, and {what} takes square ones",
                hint="it can be sampled, edited, rendered, trained and inverted",
            )

    def draw_noise(self, n: int, *, rng: torch.Generator | None = None) -> list[Tensor]:
        """Draw one set of per-pixel noise maps for each of `n` images.

        A video keeps its set for all its frames, so that texture does not flicker.

        Returns:
            One [n, 1, h, w] tensor per noisy layer, in layer order; empty where there is no noise.
        """
        del n, rng
        return []

    def one_hot(self, labels: Tensor | None, n: int) -> Tensor | None:
        """Return one-hot classes [n, c_dim] for `mapping`, or `None` if there are no classes.

        Labels best come from the CPU, where they can be checked without waiting for the device.

        Raises:
            ConfigError: The generator has classes and none was named, or a class is out of range.
            MismatchError: Classes were named for a generator without any.
        """
        if self.c_dim == 0:
            if labels is not None:
                raise MismatchError("class labels were given, but the generator has no classes")
            return None
        if labels is None and self.c_dim == 1:
            labels = torch.zeros(n, dtype=torch.int64)
        if labels is None:
            last = self.c_dim - 1
            raise ConfigError(
                f"the generator has {self.c_dim} classes and none was chosen",
                hint=f"choose from 0 to {last}: --labels for `moco sample`, --label elsewhere",
            )
        if len(labels) != n:
            raise MismatchError(f"{len(labels)} class labels for {n} latents")
        if labels.min() < 0 or labels.max() >= self.c_dim:
            raise ConfigError(
                f"class labels must be from 0 to {self.c_dim - 1}, got {labels.tolist()}"
            )
        return to_device(nn.functional.one_hot(labels, self.c_dim).to(torch.float32), self.device)

    def freeze(self) -> Self:
        """Switch to eval mode for good: no parameter requires a gradient."""
        self.requires_grad_(False)
        return self.eval()

    @property
    def device(self) -> torch.device:
        """The device the weights are on."""
        return next(self.parameters()).device

    def set_precision(self, dtype: torch.dtype) -> Self:
        """Choose what convolutions compute in; weights stay float32."""
        self.synthesis.compute_dtype = dtype
        return self


def expand_ws(latent: Tensor, *, num_ws: int, latent_dim: int) -> Tensor:
    """Return [n, num_ws, latent_dim], repeating one latent for every layer where needed.

    Raises:
        MismatchError: The latents do not fit the generator.
    """
    if latent.shape[-1] != latent_dim or latent.ndim not in (2, 3):
        raise MismatchError(
            f"latents have shape {list(latent.shape)}, the generator needs "
            f"[n, {latent_dim}] or [n, {num_ws}, {latent_dim}]"
        )
    if latent.ndim == 2:
        return latent.unsqueeze(1).expand(-1, num_ws, -1)
    if latent.shape[1] != num_ws:
        raise MismatchError(
            f"latents hold {latent.shape[1]} layers per image, the generator has {num_ws}"
        )
    return latent


def drop_layer_axis(latent: Tensor, *, latent_dim: int) -> Tensor:
    """Return [n, latent_dim], for generators that take one latent an image; [n, 1, ...] is one too.

    Raises:
        MismatchError: The latents do not fit the generator.
    """
    if latent.ndim == 3 and latent.shape[1] == 1:
        latent = latent[:, 0]
    if latent.ndim != 2 or latent.shape[1] != latent_dim:
        raise MismatchError(
            f"latents have shape {list(latent.shape)}, the generator needs [n, {latent_dim}]"
        )
    return latent
