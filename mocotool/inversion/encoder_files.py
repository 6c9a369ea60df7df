"""Encoders of both kinds: training, writing, reading, and finding the one of a generator."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from mocotool.boundary import foreign_data
from mocotool.bundled import FOLDER
from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.errors import ConfigError, FileFormatError
from mocotool.fetched import locate
from mocotool.files import check_input_file, open_target, sha256_file
from mocotool.generators.base import Generator
from mocotool.generators.loading import check_tensors
from mocotool.inversion.encoder import EncoderFit, LatentEncoder
from mocotool.inversion.kernel_encoder import FoundPictures, KernelEncoder, fit_kernel
from mocotool.inversion.network_encoder import NetworkEncoder, train_network
from mocotool.networks.shapes_only import shapes_only
from mocotool.provenance import FileRecord, current_command, tool_version
from mocotool.weights.finite import check_finite
from mocotool.weights.safetensors_file import read_record, read_safetensors, write_safetensors

SCHEMA = "moco.encoder/1"
BUNDLED_ENCODER = FOLDER / "encoder.safetensors"
KINDS: dict[str, Callable[..., LatentEncoder]] = {
    "network": NetworkEncoder,
    "kernel": KernelEncoder,
}


def train_encoder(
    generator: Generator,
    *,
    config: TrainEncoderConfig | None = None,
    found: FoundPictures | None = None,
    progress: Callable[[int], None] | None = None,
) -> EncoderFit:
    """Train an encoder on pictures that the generator renders.

    Args:
        generator: The frozen generator.
        config: Its kind, sizes and seed; `None` for the defaults.
        found: Real pictures whose latents were found by inversion, for the kind "kernel".
        progress: Called with the number of steps done since the last call, by the kind "network".

    Returns:
        The encoder in eval mode on the generator's device, and its error.

    Raises:
        ConfigError: The generator has classes, whose latents overlap; or `found` was given for the
            kind "network".
        MismatchError: The found latents have another size.
        DivergedError: The loss is NaN or infinite.
    """
    config = TrainEncoderConfig() if config is None else config
    if generator.c_dim:
        raise ConfigError("an encoder needs a generator without classes")
    if config.choose_kind(has_found=found is not None) == "kernel":
        return fit_kernel(generator, config=config, found=found)
    return train_network(generator, config=config, progress=progress)


def save_encoder(
    encoder: LatentEncoder, path: Path | str, *, config: TrainEncoderConfig | None = None
) -> None:
    """Write an encoder to a file; the same encoder gives the same bytes."""
    record = {
        "schema": SCHEMA,
        "arch": encoder.arch,
        "generator": encoder.generator_record.as_json() if encoder.generator_record else None,
        "config": None if config is None else dataclasses.asdict(config),
        "command": current_command(),
        "version": tool_version(),
    }
    tensors = encoder.state_dict()
    if isinstance(encoder, KernelEncoder):
        tensors["weights"] = tensors["weights"].half()
    with open_target(path) as file:
        write_safetensors(tensors, file, record=record)


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
        arch = dict(record["arch"])
        kind = KINDS[arch.pop("kind", "network")]
        with shapes_only():  # before anything of the size it claims is built
            encoder = kind(**arch)
        check_tensors(expected=encoder.state_dict(), found=tensors)
        check_finite(tensors)
        floats = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
        encoder.load_state_dict(floats, assign=True)
        encoder.sha256 = sha256_file(path)
        if record.get("generator"):
            encoder.generator_record = FileRecord(**record["generator"])
    return encoder.to(device).eval().requires_grad_(False)


def find_encoder(generator: Generator) -> LatentEncoder | None:
    """Return the encoder that comes with the package, if it was trained for this generator.

    Returns:
        The encoder on the generator's device; `None` for any generator but the bundled one, as it
        was or tuned.
    """
    if generator.origin is None or not BUNDLED_ENCODER.exists():
        return None
    encoder = load_encoder(BUNDLED_ENCODER, device=generator.device)
    trained = encoder.generator_record
    return encoder if trained is not None and generator.origin.is_of(trained) else None
