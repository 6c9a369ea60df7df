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

DEFAULTS = TrainEncoderConfig()


def train_encoder_command(
    generator: opt.GeneratorArgument = None,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write the encoder.")
    ],
    num_steps: Annotated[
        int, typer.Option(help="Steps of training; more guess better.")
    ] = DEFAULTS.num_steps,
    batch_size: Annotated[
        int, typer.Option(help="Pictures drawn and rendered a step.")
    ] = DEFAULTS.batch_size,
    width: Annotated[
        int, typer.Option(help="Channels of the encoder's first layer.")
    ] = DEFAULTS.width,
    learning_rate: Annotated[
        float, typer.Option(help="Adam's learning rate at the start.")
    ] = DEFAULTS.learning_rate,
    seed: opt.Seed = DEFAULTS.seed,
    force: opt.Force = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    device: opt.Device = "auto",
    precision: opt.TrainingPrecision = "auto",
) -> None:
    """Train an encoder, which guesses the latent of a picture.

    It learns from the generator's own pictures, so nothing else is needed, and
    gives moco invert a place to begin.

    Example: moco train-encoder generator.safetensors -o encoder.safetensors
    """
    report = Report(json=json, quiet=quiet)
    config = TrainEncoderConfig(
        num_steps=num_steps,
        batch_size=batch_size,
        width=width,
        learning_rate=learning_rate,
        seed=seed,
    )
    check_optional_file(generator)
    check_output_path(out, force=force)

    from mocotool.devices import resolve_device, resolve_training_precision
    from mocotool.generators.loading import load_generator
    from mocotool.inversion.encoder import save_encoder, train_encoder

    where = resolve_device(device)
    source = load_generator(
        generator, device=where, precision=resolve_training_precision(precision, where)
    )
    began = time.perf_counter()
    with report.progress("steps", num_steps) as advance:
        fit = train_encoder(source, config=config, progress=advance)
    save_encoder(fit.encoder, out, config=config)
    values = {
        "wrote": str(out),
        "latent_error": round(fit.error, 4),
        "psnr_db": round(fit.psnr, 2),
        "seconds": round(time.perf_counter() - began, 1),
    }
    report.result(values, quiet_hides=True)
