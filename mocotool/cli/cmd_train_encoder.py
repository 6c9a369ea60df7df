"""`moco train-encoder`: train an encoder from pictures to a generator's latents."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.found_pictures import read_found
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.configs.option import list_changed, list_fields
from mocotool.configs.train_encoder import (
    KERNEL_PANEL,
    NETWORK_PANEL,
    EncoderKind,
    TrainEncoderConfig,
)
from mocotool.errors import ConfigError
from mocotool.files import check_input_file, check_output_path


def train_encoder_command(
    generator: opt.GeneratorArgument = None,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Output file.")],
    latents: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Latents of clips from moco invert; their frames are read again as additional "
            "training data.",
            rich_help_panel=KERNEL_PANEL,
        ),
    ] = None,
    config: TrainEncoderConfig,
    force: opt.Force = False,
    report: Report,
    computing: opt.Computing,
) -> None:
    """Train an encoder, which predicts the latent of a picture.

    It learns from the generator's own pictures, so no other data is needed,
    and initialises moco invert. Clips that were inverted before teach it more
    about real pictures.

    Example: moco train-encoder generator.safetensors -o encoder.safetensors
    """
    check_optional_file(generator)
    check_output_path(out, force=force)
    kind = config.choose_kind(has_found=latents is not None)
    check_options_of(kind, config)

    from mocotool.generators.loading import load_generator
    from mocotool.inversion.encoder_files import save_encoder, train_encoder

    device, precision = computing.resolve(report)
    source = load_generator(generator, device=device, precision=precision)
    found = None if latents is None else read_found(check_input_file(latents), source)
    began = time.perf_counter()
    total = config.num_steps if kind == "network" else 1
    with report.progress("steps", total) as advance:
        fit = train_encoder(source, config=config, found=found, progress=advance)
    save_encoder(fit.encoder, out, config=config)
    values = {
        "wrote": str(out),
        "latent_error": round(fit.error, 4),
        "psnr_db": round(fit.psnr, 2),
        "seconds": round(time.perf_counter() - began, 1),
    }
    report.result(values, quiet_hides=True)


def check_options_of(kind: EncoderKind, config: TrainEncoderConfig) -> None:
    """Refuse options that this kind of encoder does not use.

    Raises:
        ConfigError: Such an option was typed; the message names it.
    """
    other: EncoderKind = "network" if kind == "kernel" else "kernel"
    panel = NETWORK_PANEL if kind == "kernel" else KERNEL_PANEL
    fields = list_fields(TrainEncoderConfig)
    for name in list_changed(config):
        if fields[name].option.panel == panel:
            raise ConfigError(
                f"--{name.replace('_', '-')} is for --kind {other}, and this is a {kind}",
                hint=f"--kind {other}, or leave the option out",
            )
