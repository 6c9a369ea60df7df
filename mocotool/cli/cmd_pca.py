"""`moco pca`: compute the principal directions of a generator's latents."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.cli.streams import binary_stdout, choose_output
from mocotool.configs.pca import DEFAULT_NUM_COMPONENTS, PCAConfig
from mocotool.configs.shard import WHOLE, parse_shard
from mocotool.errors import ConfigError
from mocotool.files import check_output_path
from mocotool.provenance import current_command


def pca(
    generator: opt.GeneratorArgument = None,
    *,
    config: PCAConfig,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Plot the cumulative variance."),
    ] = None,
    out: opt.Out = None,
    force: opt.Force = False,
    shard: opt.ShardOption = opt.WHOLE_SHARD,
    device: opt.Device = "auto",
    report: Report,
) -> None:
    """Compute the PCA basis of a generator's latents, in which motion is learnt.

    Exact, in one pass and constant memory. The same seed gives the same file,
    also under torchrun, and with --shard and moco merge on several machines.
    If a generator's latents are N(0, I) (BigGAN, DCGAN), the basis is an
    arbitrary rotation, which is as good as any other.

    Example: moco pca stylegan2.pkl -o pca.npz --plot variance.png
    """
    check_optional_file(generator)
    target = choose_output(out, force=force, json=report.json, what="basis files")
    part = parse_shard(shard)
    if plot is not None:
        if part != WHOLE:
            raise ConfigError("--plot draws a whole PCA, and --shard makes a part of one")
        check_output_path(plot, force=force)

    from mocotool.basis import write_basis
    from mocotool.generators.loading import load_generator
    from mocotool.pca import fit_pca_basis, measure_pca_part
    from mocotool.pca_parts import write_pca_part
    from mocotool.plots import draw_variance_curve
    from mocotool.video.pictures import write_png

    with opt.speaking_once(device, report) as processes:
        report.name_device(processes.device, shares=True)
        source = load_generator(generator, device=processes.device)

        # a shard's sums, for `moco merge`
        if part != WHOLE:
            with report.progress("latents", config.num_samples // part[1]) as advance:
                found = measure_pca_part(
                    source, config=config, shard=part, processes=processes, progress=advance
                )
            if not processes.is_first:
                return
            _write(functools.partial(write_pca_part, found), target)
            if target != "-":
                values = {"wrote": target, "shard": shard, "pieces": sorted(found.pieces)}
                report.result(values, quiet_hides=True)
            return

        # the whole basis
        with report.progress("latents", config.num_samples) as advance:
            basis = fit_pca_basis(source, config=config, processes=processes, progress=advance)
        if not processes.is_first:
            return
        if config.num_components is None and basis.num_components < DEFAULT_NUM_COMPONENTS:
            report.note(
                f"{basis.num_components} components, which is all there are (the default is "
                f"{DEFAULT_NUM_COMPONENTS})"
            )
        if basis.note:
            report.warn(basis.note)

        basis = basis.with_command(current_command())
        if plot is not None:
            assert basis.explained_variance_ratio is not None
            write_png(plot, draw_variance_curve(basis.explained_variance_ratio))
        _write(functools.partial(write_basis, basis), target)
        if target == "-":
            return
        wrote = [target] if plot is None else [target, str(plot)]
        values = {"wrote": wrote, **basis.describe()}
        report.result(values, quiet_hides=True)


def _write(write: Callable[[Path | BinaryIO], None], target: str) -> None:
    if target == "-":
        with binary_stdout() as file:
            write(file)
    else:
        write(Path(target))
