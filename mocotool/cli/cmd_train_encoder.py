"""`moco train-encoder`: learn to guess a generator's latents from pictures."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.files import check_output_path


def train_encoder_command(
    generator: opt.GeneratorArgument = None,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write the encoder.")
    ],
    config: TrainEncoderConfig,
    force: opt.Force = False,
    report: Report,
    computing: opt.Computing,
) -> None:
    """Train an encoder, which guesses the latent of a picture.

    It learns from the generator's own pictures, so nothing else is needed, and
    gives moco invert a place to begin.

    Example: moco train-encoder generator.safetensors -o encoder.safetensors
    """
    check_optional_file(generator)
    check_output_path(out, force=force)

    from mocotool.generators.loading import load_generator
    from mocotool.inversion.encoder import save_encoder, train_encoder

    device, precision = computing.resolve(report)
    source = load_generator(generator, device=device, precision=precision)
    began = time.perf_counter()
    with report.progress("steps", config.num_steps) as advance:
        fit = train_encoder(source, config=config, progress=advance)
    save_encoder(fit.encoder, out, config=config)
    values = {
        "wrote": str(out),
        "latent_error": round(fit.error, 4),
        "psnr_db": round(fit.psnr, 2),
        "seconds": round(time.perf_counter() - began, 1),
    }
    report.result(values, quiet_hides=True)
