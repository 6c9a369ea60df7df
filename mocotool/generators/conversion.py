"""Conversion of any supported weights to our native file, or to other programs' formats."""

import io
from pathlib import Path
from typing import BinaryIO

import torch

from mocotool.configs.convert import ConvertConfig
from mocotool.generators.ada_names import write_ada
from mocotool.generators.base import Generator
from mocotool.generators.loading import load_generator, write_generator
from mocotool.generators.rosinality_names import write_rosinality

TORCH_FORMS = {"ada": write_ada, "rosinality": write_rosinality}


def convert_generator(
    source: str | Path, file: BinaryIO, *, config: ConvertConfig | None = None
) -> Generator:
    """Read a generator and write it in another form.

    Args:
        source: The file of weights, or the folder of a BigGAN-PyTorch run.
        file: Where to; it need not seek.
        config: The form; `None` is the native one, exact.

    Returns:
        The generator that was read.

    Raises:
        FileFormatError: The file is damaged, unsafe, or not a supported generator.
        MismatchError: The generator cannot be expressed in the form that was asked for.
    """
    config = config or ConvertConfig()
    generator = load_generator(source, options=config.options)
    if config.to in TORCH_FORMS:
        buffer = io.BytesIO()
        TORCH_FORMS[config.to](generator, buffer)
        file.write(buffer.getbuffer())
    else:
        write_generator(generator, file, dtype=getattr(torch, config.dtype))
    return generator
