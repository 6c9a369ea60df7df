"""`moco convert`: any supported generator -> our safe native file."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.streams import binary_stdout, choose_output
from mocotool.configs.convert import ConvertConfig
from mocotool.errors import ConfigError
from mocotool.files import atomic_path


def convert(
    generator: Annotated[
        Path, typer.Argument(metavar="GENERATOR", help="Weights in any supported format.")
    ],
    *,
    config: ConvertConfig,
    out: opt.Out = None,
    force: opt.Force = False,
    report: Report,
) -> None:
    """Convert a generator to a safe, quick native file.

    Nothing in the file is run. The native file holds weights, architecture, truncation centre
    and the sha256 of the file it came from; its numbers are the same bit for bit.

    Example: moco convert stylegan2-ffhq-config-f.pkl -o ffhq.safetensors
    """
    if config.to == "official":
        _convert_motion(generator, out, report, force=force)
        return
    target = choose_output(out, force=force, json=report.json, what="weights")

    from mocotool.generators.conversion import convert_generator
    from mocotool.info import describe_generator

    if target == "-":
        with binary_stdout() as file:
            convert_generator(generator, file, config=config)
        return
    with atomic_path(Path(target)) as part, part.open("wb") as file:
        source = convert_generator(generator, file, config=config)
    report.result({"wrote": target} | describe_generator(source), quiet_hides=True)


def _convert_motion(path: Path, out: str | None, report: Report, *, force: bool) -> None:
    """Write a motion model of ours into a folder as the authors' program reads it."""
    if out is None or out == "-":
        raise ConfigError("--to official: writes a folder of three files", hint="-o FOLDER")
    folder = Path(out)
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty", hint="name another folder, or add --force")

    from mocotool.motion.checkpoint import load_motion, save_official_motion

    motion = load_motion(path)
    paths = save_official_motion(motion, folder)
    report.note(f"their files hold no step size: pass --w_residual {motion.step_size:g}")
    report.result({"wrote": [str(one) for one in paths]}, quiet_hides=True)
