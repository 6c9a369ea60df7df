"""An encoder from pictures to latents, a small network trained on the generator's own pictures.

Nothing but the generator is needed: it draws latents, renders them, and the network learns to read
them back. On other pictures its guesses are rough, and good places to begin a search.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.boundary import foreign_data
from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.devices import to_device
from mocotool.errors import ConfigError, DivergedError, FileFormatError, MismatchError
from mocotool.fetched import locate
from mocotool.files import check_input_file, open_target
from mocotool.generators.base import Generator
from mocotool.generators.loading import check_tensors
from mocotool.networks.shapes_only import shapes_only
from mocotool.provenance import FileRecord, current_command, tool_version
from mocotool.training.randomness import derive_rng, derive_seed
from mocotool.weights.finite import check_finite
from mocotool.weights.safetensors_file import read_record, read_safetensors, write_safetensors

SCHEMA = "moco.encoder/1"
INPUT_SIZE = 64  # larger pictures are reduced to this
SMALLEST = 4  # pixels of the last map
MAX_FACTOR = 8
CHECK_EVERY = 50  # steps
NUM_SURVEYED = 10_000  # latents whose mean and spread are taken
SLOPE = 0.2
PIXEL_NOISE = 0.1  # at most, in units of [-1, 1]; real pictures are not the generator's own
BRIGHTNESS = 0.1
NUM_HELD_OUT = 256
WARMUP_SHARE = 0.02


class LatentEncoder(nn.Module):
    """Guesses the latent of a picture.

    Args:
        latent_dim: Size of the latents.
        img_channels: Channels of pictures.
        resolution: Height and width of the pictures that it was trained on.
        width: Channels of its first layer.
    """

    mean: Tensor
    stdev: Tensor

    def __init__(self, *, latent_dim: int, img_channels: int, resolution: int, width: int) -> None:
        super().__init__()
        self.latent_dim, self.img_channels = latent_dim, img_channels
        self.resolution, self.width = resolution, width
        self.generator_record: FileRecord | None = None
        size = min(INPUT_SIZE, resolution)
        layers: list[nn.Module] = [nn.Conv2d(img_channels, width, 3, padding=1)]
        channels, factor = width, 1
        while size > SMALLEST:
            factor = min(2 * factor, MAX_FACTOR)
            layers += [
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(channels, width * factor, 4, stride=2, padding=1),
            ]
            channels, size = width * factor, size // 2
        layers += [nn.LeakyReLU(SLOPE), nn.Flatten(), nn.Linear(channels * size**2, latent_dim)]
        self.body = nn.Sequential(*layers)
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("stdev", torch.ones(latent_dim))

    @property
    def arch(self) -> dict[str, int]:
        """The keyword arguments that build this network again."""
        return {
            "latent_dim": self.latent_dim,
            "img_channels": self.img_channels,
            "resolution": self.resolution,
            "width": self.width,
        }

    def forward(self, img: Tensor) -> Tensor:
        """Guess the latents [n, latent_dim] of pictures [n, c, h, w] in [-1, 1]."""
        if img.ndim != 4 or img.shape[1] != self.img_channels:
            raise MismatchError(
                f"pictures have shape {list(img.shape)}, the encoder takes "
                f"[n, {self.img_channels}, h, w]"
            )
        size = min(INPUT_SIZE, self.resolution)
        if img.shape[-1] != size:
            img = F.interpolate(img, (size, size), mode="bilinear", antialias=True)
        units: Tensor = self.body(img)
        return self.mean + self.stdev * units


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EncoderFit:
    """A trained encoder, and its error."""

    encoder: LatentEncoder
    error: float
    """Mean square error of latents on unseen pictures, as a fraction of their variance."""
    psnr: float
    """Of the generator's pictures of its guesses, in dB of the range [-1, 1]."""


def train_encoder(
    generator: Generator,
    *,
    config: TrainEncoderConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> EncoderFit:
    """Train an encoder on pictures that the generator makes on the way.

    Args:
        generator: The frozen generator.
        config: Steps, sizes and seed; `None` is the defaults.
        progress: Called with the number of steps done since the last call.

    Returns:
        The encoder in eval mode on the CPU's or the generator's device, and its error.

    Raises:
        ConfigError: The generator has classes, whose latents overlap.
        DivergedError: The loss is NaN or infinite.

    Source:
        Follows: Zhu et al. 2016 (a network that inverts a generator as the start of a search).
    """
    config = TrainEncoderConfig() if config is None else config
    generator.check_square("an encoder")
    if generator.c_dim:
        raise ConfigError("an encoder needs a generator without classes")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "weights"))
        encoder = LatentEncoder(
            latent_dim=generator.latent_dim,
            img_channels=generator.img_channels,
            resolution=generator.resolution,
            width=config.width,
        ).to(generator.device)
    encoder.generator_record = generator.origin.file if generator.origin else None
    drawn = _draw(generator, NUM_SURVEYED, derive_rng(config.seed, "survey"))
    encoder.mean.copy_(drawn.mean(dim=0))
    encoder.stdev.copy_(drawn.std(dim=0).clamp(min=1e-6))

    # Every batch is new, so there is nothing to overfit.
    optimizer = torch.optim.Adam(encoder.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    for step in range(config.num_steps):
        rate = config.learning_rate * _schedule(step / config.num_steps)
        optimizer.param_groups[0]["lr"] = rate
        rng = derive_rng(config.seed, "step", step)
        latent = _draw(generator, config.batch_size, rng)
        with torch.no_grad():
            img = _disturb(generator.synthesis(latent), rng)
        error = (encoder(img) - latent) / encoder.stdev
        loss = error.square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        # Once it is not finite it stays so, and the device need not be asked at every step.
        is_asked = (step + 1) % CHECK_EVERY == 0 or step + 1 == config.num_steps
        if is_asked and not loss.isfinite():
            raise DivergedError(
                f"step {step}: the encoder's loss is not finite", hint="lower --learning-rate"
            )
        if progress is not None:
            progress(1)
    return _judge(encoder.eval().requires_grad_(False), generator, config)


def save_encoder(
    encoder: LatentEncoder, path: Path | str, *, config: TrainEncoderConfig | None = None
) -> None:
    """Write an encoder into one file; the same encoder gives the same bytes."""
    record = {
        "schema": SCHEMA,
        "arch": encoder.arch,
        "generator": encoder.generator_record.as_json() if encoder.generator_record else None,
        "config": None if config is None else dataclasses.asdict(config),
        "command": current_command(),
        "version": tool_version(),
    }
    with open_target(path) as file:
        write_safetensors(encoder.state_dict(), file, record=record)


def load_encoder(path: Path | str, *, device: torch.device | str = "cpu") -> LatentEncoder:
    """Read an encoder.

    Raises:
        FileFormatError: The file is missing, damaged, or not an encoder.
    """
    path = check_input_file(locate(path))
    hint = "make one with `moco train-encoder -o encoder.safetensors`"
    with foreign_data(path, what="an encoder", hint=hint):
        tensors, metadata = read_safetensors(path)
        record = read_record(metadata)
        if record.get("schema") != SCHEMA:
            raise FileFormatError("is not an encoder", hint=hint)
        with shapes_only():  # before anything of the size it claims is built
            encoder = LatentEncoder(**record["arch"])
        check_tensors(expected=encoder.state_dict(), found=tensors)
        check_finite(tensors)
        encoder.load_state_dict(tensors, assign=True)
        if record.get("generator"):
            encoder.generator_record = FileRecord(**record["generator"])
    return encoder.to(device).eval().requires_grad_(False)


def check_encoder_fits(encoder: LatentEncoder, generator: Generator) -> str | None:
    """Check that an encoder guesses latents of this generator.

    Returns:
        A warning, if it fits but was trained for another generator, else `None`.

    Raises:
        MismatchError: Its latents or pictures are of another size.
    """
    ours = (encoder.latent_dim, encoder.img_channels, encoder.resolution)
    theirs = (generator.latent_dim, generator.img_channels, generator.resolution)
    if ours != theirs:
        raise MismatchError(
            f"the encoder was trained for latents of {ours[0]} dimensions and pictures of "
            f"{ours[2]} px, the generator has {theirs[0]} and {theirs[2]} px",
            hint="make one for it with `moco train-encoder`",
        )
    trained, origin = encoder.generator_record, generator.origin
    if trained is None or origin is None or origin.is_of(trained):
        return None
    return (
        f"the encoder was trained for {trained.path} ({trained.sha256[:12]}), "
        f"not for {origin.file.path} ({origin.file.sha256[:12]})"
    )


def _draw(generator: Generator, n: int, rng: torch.Generator) -> Tensor:
    z = torch.randn(n, generator.z_dim, generator=rng)
    with torch.no_grad():
        return generator.mapping(to_device(z, generator.device))


def _disturb(img: Tensor, rng: torch.Generator) -> Tensor:
    """Add noise and brightness, so that pictures from elsewhere do not lead far astray."""
    n = len(img)
    level, shift = (to_device(torch.rand(n, 1, 1, 1, generator=rng), img.device) for _ in range(2))
    noise = to_device(torch.randn(img.shape, generator=rng), img.device)
    return img + PIXEL_NOISE * level * noise + BRIGHTNESS * (2 * shift - 1)


def _schedule(progress: float) -> float:
    return min(1.0, progress / WARMUP_SHARE + 1e-2) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def _judge(encoder: LatentEncoder, generator: Generator, config: TrainEncoderConfig) -> EncoderFit:
    latent = _draw(generator, NUM_HELD_OUT, derive_rng(config.seed, "held out"))
    errors, distances = [], []
    for part in latent.split(config.batch_size):
        img = generator.synthesis(part)
        guess = encoder(img)
        errors.append(((guess - part) / encoder.stdev).square().mean(dim=1))
        wanted, found = img.clamp(-1, 1), generator.synthesis(guess).clamp(-1, 1)
        distances.append((found - wanted).square().mean(dim=(1, 2, 3)))
    psnr = 10 * torch.log10(4.0 / torch.cat(distances).clamp(min=1e-10))
    return EncoderFit(
        encoder=encoder, error=float(torch.cat(errors).mean()), psnr=float(psnr.mean())
    )
