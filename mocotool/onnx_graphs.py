"""Generators and motion models as ONNX graphs, for programs without torch.

A generator becomes two graphs, `mapping.onnx` and `synthesis.onnx`; a BigGAN, whose classes enter
where pictures are made, the second alone. A motion model becomes
`start.onnx`, which reads the first latent, and `step.onnx`, which a program calls once a frame with
noise of its own. All take any number of videos.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mocotool.configs.generator import GeneratorOptions
from mocotool.errors import MismatchError, UnavailableError
from mocotool.files import atomic_path, make_folder
from mocotool.generators.base import Generator
from mocotool.generators.loading import load_generator
from mocotool.motion.checkpoint import load_motion, read_motion_record
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.guided import GuidedMotion

INSTALL_HINT = "pip install 'mocotool[onnx]'"
NUM_EXAMPLES = 2  # torch takes a single one for a constant


class Mapping(nn.Module):
    """z, and classes where there are any, to latents."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Map z [n, z_dim] and one-hot c [n, c_dim] to [n, latent_dim], without truncation."""
        return self.generator.mapping(z, c)


class Synthesis(nn.Module):
    """Latents to pictures, with the generator's own noise."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents [n, latent_dim] to img [n, img_channels, h, w], nominally in [-1, 1].

        A BigGAN of several classes takes their numbers, int64 [n].
        """
        return self.generator.synthesis(latent, labels=labels, noise_mode="const")


class MotionStart(nn.Module):
    """Maps the first latent to the recurrent state before the first step."""

    def __init__(self, motion: MotionGenerator) -> None:
        super().__init__()
        self.motion = motion

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Map latents [n, latent_dim] to hidden and cell, [n, hidden_dim] each."""
        hidden, cell = self.motion.encoder(latent)
        return hidden, cell


class MotionStep(nn.Module):
    """Maps the latent and state of one frame to those of the next."""

    def __init__(self, motion: MotionGenerator) -> None:
        super().__init__()
        self.motion = motion

    def forward(
        self, latent: Tensor, hidden: Tensor, cell: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take latents, the state and noise [n, noise_dim] one frame on."""
        hidden, cell = self.motion.decoder(noise, (hidden, cell))
        latent = self.motion.next_latent(latent, hidden, basis=self.motion.basis)
        return latent, hidden, cell


def export_onnx(
    source: Path | str, folder: Path | str, *, options: GeneratorOptions | None = None
) -> list[Path]:
    """Write a generator or a motion model of ours as ONNX graphs.

    Args:
        source: Weights of a generator in any supported format, or `motion.safetensors`.
        folder: Where to; made if need be.
        options: What a BigGAN-PyTorch file does not say of itself.

    Returns:
        The files: mapping.onnx (but for BigGAN) and synthesis.onnx, or start.onnx and step.onnx.

    Raises:
        UnavailableError: The packages that write ONNX are not installed.
        MismatchError: The model has no such graphs.
        FileFormatError: The file is damaged, unsafe, or neither of the two.
    """
    require_onnx()
    folder = Path(folder)
    if Path(source).is_file() and read_motion_record(Path(source)) is not None:
        return export_motion(load_motion(source), folder)
    return export_generator(load_generator(source, options=options), folder)


def export_generator(generator: Generator, folder: Path) -> list[Path]:
    """Write mapping.onnx and synthesis.onnx; see `export_onnx`."""
    latent = {"latent": torch.zeros(NUM_EXAMPLES, generator.latent_dim)}
    target, outputs = folder / "synthesis.onnx", ["img"]
    if generator.kind == "biggan":  # whose latents are z itself
        labels = {"labels": torch.zeros(NUM_EXAMPLES, dtype=torch.int64)}
        inputs = latent | (labels if generator.c_dim > 1 else {})
        return [_write(Synthesis(generator), target, inputs=inputs, outputs=outputs)]

    mapping_inputs = {"z": torch.zeros(NUM_EXAMPLES, generator.z_dim)}
    if generator.c_dim:
        mapping_inputs["c"] = torch.zeros(NUM_EXAMPLES, generator.c_dim)
    return [
        _write(
            Mapping(generator), folder / "mapping.onnx", inputs=mapping_inputs, outputs=["latent"]
        ),
        _write(Synthesis(generator), target, inputs=latent, outputs=outputs),
    ]


def export_motion(motion: MotionGenerator, folder: Path) -> list[Path]:
    """Write start.onnx and step.onnx; see `export_onnx`.

    Raises:
        MismatchError: The model was learnt from latents, and steps otherwise.
    """
    if isinstance(motion, GuidedMotion):
        raise MismatchError(
            "a motion model learnt from latents has no ONNX form here: its steps see the whole walk"
        )
    latent = torch.zeros(NUM_EXAMPLES, motion.latent_dim)
    state = {name: torch.zeros(NUM_EXAMPLES, motion.hidden_dim) for name in ("hidden", "cell")}
    noise = torch.zeros(NUM_EXAMPLES, motion.noise_dim)
    return [
        _write(
            MotionStart(motion),
            folder / "start.onnx",
            inputs={"latent": latent},
            outputs=["hidden", "cell"],
        ),
        _write(
            MotionStep(motion),
            folder / "step.onnx",
            inputs={"latent": latent} | state | {"noise": noise},
            outputs=["next_latent", "next_hidden", "next_cell"],
        ),
    ]


def require_onnx() -> None:
    """Check that the packages that torch writes ONNX with are there.

    Raises:
        UnavailableError: They are not.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise UnavailableError("onnx: is not installed", hint=INSTALL_HINT) from None


def _write(module: nn.Module, path: Path, *, inputs: dict[str, Tensor], outputs: list[str]) -> Path:
    """Trace a network on example inputs, the first axis of each left open, and write its graph."""
    batch = torch.export.Dim("n")
    with torch.no_grad(), _quiet():
        program: Any = torch.onnx.export(
            module.eval(),
            kwargs=inputs,
            dynamo=True,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes={name: {0: batch} for name in inputs},
            verbose=False,
        )
    make_folder(path.parent)
    with atomic_path(path) as part:
        part.write_bytes(program.model_proto.SerializeToString())
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own remarks, which say nothing of the model, to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
