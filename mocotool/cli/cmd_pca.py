"""`moco pca`: the principal directions of a generator's latents."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.cli.streams import binary_stdout, choose_output
from mocotool.configs.pca import DEFAULT_NUM_COMPONENTS, PCAConfig
from mocotool.files import atomic_path, check_output_path
from mocotool.provenance import current_command


def pca(
    generator: opt.GeneratorArgument = None,
    *,
    config: PCAConfig,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw the curve of cumulative variance."),
    ] = None,
    out: opt.Out = None,
    force: opt.Force = False,
    device: opt.Device = "auto",
    report: Report,
) -> None:
    """Compute the PCA basis that motion is learnt in.

    Exact, in one pass and constant memory; the same seed gives the same file.
    For a generator whose latents are N(0, I) (BigGAN, DCGAN) the basis is an
    arbitrary rotation, which does as well as any other.

    Example: moco pca stylegan2.pkl -o pca.npz --plot variance.png
    """
    check_optional_file(generator)
    target = choose_output(out, force=force, json=report.json, what="basis files")
    if plot is not None:
        check_output_path(plot, force=force)

    from mocotool.basis import write_basis
    from mocotool.devices import resolve_device
    from mocotool.generators.loading import load_generator
    from mocotool.pca import fit_pca_basis
    from mocotool.plots import draw_variance_curve
    from mocotool.video.pictures import write_png

    place = resolve_device(device)
    report.name_device(place)
    source = load_generator(generator, device=place)
    with report.progress("latents", config.num_samples) as advance:
        basis = fit_pca_basis(source, config=config, progress=advance)
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
    if target == "-":
        with binary_stdout() as file:
            write_basis(basis, file)
        return
    with atomic_path(Path(target)) as part, part.open("wb") as file:
        write_basis(basis, file)
    wrote = [target] if plot is None else [target, str(plot)]
    values = {"wrote": wrote, **basis.describe()}
    report.result(values, quiet_hides=True)
