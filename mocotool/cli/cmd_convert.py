"""`moco convert`: any supported generator -> the safe native format."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.streams import binary_stdout, choose_output
from mocotool.configs.convert import ConvertConfig
from mocotool.errors import ConfigError
from mocotool.files import atomic_path, check_output_folder


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
    """Convert a generator to the safe, fast native format.

    No code in the input file is executed. The native file holds weights, architecture,
    truncation centre and the sha256 of the original; weights are identical bit for bit.

    Example: moco convert stylegan2-ffhq-config-f.pkl -o ffhq.safetensors
    """
    if config.to == "official":
        _convert_motion(generator, out, report, force=force)
        return
    if config.to == "onnx":
        _convert_to_onnx(generator, out, report, config=config, force=force)
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
    """Write a motion model to a folder in the format of the authors' program."""
    folder = _choose_folder(out, "official", force=force)

    from mocotool.motion.checkpoint import load_motion, save_official_motion

    motion = load_motion(path)
    paths = save_official_motion(motion, folder)
    report.note(f"their files hold no step size: pass --w_residual {motion.step_size:g}")
    report.result({"wrote": [str(one) for one in paths]}, quiet_hides=True)


def _convert_to_onnx(
    path: Path, out: str | None, report: Report, *, config: ConvertConfig, force: bool
) -> None:
    """Write the graphs of a generator, or of a motion model of ours, into a folder."""
    folder = _choose_folder(out, "onnx", force=force)

    from mocotool.onnx_graphs import export_onnx

    paths = export_onnx(path, folder, options=config.options)
    report.result({"wrote": [str(one) for one in paths]}, quiet_hides=True)


def _choose_folder(out: str | None, target: str, *, force: bool) -> Path:
    """Return the folder to write into.

    Raises:
        ConfigError: No folder was named, or it is not empty.
    """
    if out is None or out == "-":
        raise ConfigError(f"--to {target}: writes a folder of files", hint="-o FOLDER")
    return check_output_folder(Path(out), force=force)
