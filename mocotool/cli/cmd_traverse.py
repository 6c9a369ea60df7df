"""`moco traverse`: what each PCA direction does to the picture."""

from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.outputs import choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.configs.pca import PCAConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.traverse import TraverseConfig

DEFAULTS = TraverseConfig()
RENDER_DEFAULTS = RenderConfig()


def traverse(
    generator: opt.GeneratorArgument = None,
    *,
    pca: opt.PCAOption = None,
    num_components: Annotated[
        int, typer.Option(min=1, help="Directions to show, the widest first.")
    ] = DEFAULTS.num_components,
    reach: Annotated[
        float, typer.Option(help="How far to walk either way, in standard deviations.")
    ] = DEFAULTS.reach,
    num_frames: Annotated[
        int, typer.Option(min=1, help="Steps from one end to the other.")
    ] = DEFAULTS.num_frames,
    num_samples: Annotated[
        int, typer.Option(min=2, help="Latents to compute a basis of if --pca is left out.")
    ] = DEFAULTS.num_samples,
    truncation_psi: opt.TruncationPsi = DEFAULTS.truncation_psi,
    label: Annotated[
        int | None, typer.Option(min=0, help="Class, for a generator that has them.")
    ] = DEFAULTS.label,
    fps: Annotated[float, typer.Option(help="Frames a second of videos.")] = DEFAULTS.fps,
    noise: opt.Noise = RENDER_DEFAULTS.noise,
    seed: opt.Seed = DEFAULTS.seed,
    out: opt.PicturesOut = None,
    format: opt.Format = None,
    grid: opt.Grid = False,
    force: opt.Force = False,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Walk along the principal directions of a generator's latents.

    One row (or video) a direction, from -2 to +2 standard deviations; the
    picture itself is in the middle.

    Example: moco traverse stylegan2.pkl --pca pca.npz -o strip.png
    """
    report = Report(json=json, quiet=quiet)
    config = TraverseConfig(
        num_components=num_components,
        reach=reach,
        num_frames=num_frames,
        truncation_psi=truncation_psi,
        label=label,
        fps=fps,
        num_samples=num_samples,
        seed=seed,
    )
    check_optional_file(generator)
    output = choose_trajectory_output(out, format=format, grid=grid, force=force, json=json)

    from mocotool.basis import read_basis
    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.generators.loading import load_generator
    from mocotool.pca import fit_pca_basis
    from mocotool.trajectory import traverse_basis

    where = resolve_device(device)
    painter = load_generator(generator, device=where, precision=resolve_precision(precision, where))
    if pca is not None:
        basis = read_basis(pca)
    else:
        report.note(f"no --pca: computing a basis of {num_samples} latents")
        pca_config = PCAConfig(num_samples=num_samples, seed=seed)
        with report.progress("latents", num_samples) as advance:
            basis = fit_pca_basis(painter, config=pca_config, progress=advance)
    if basis.meta.note:
        report.note(basis.meta.note)
    write_trajectory(
        traverse_basis(painter, basis, config=config),
        output,
        find_generator=lambda: painter,
        config=RenderConfig(noise=noise, seed=seed),
        report=report,
    )
