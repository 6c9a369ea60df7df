"""`moco traverse`: show what each PCA direction does to a picture."""

from typing import Annotated

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.outputs import OutputOptions, choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.pca import PCAConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.traverse import TraverseConfig


def traverse(
    generator: opt.GeneratorArgument = None,
    *,
    pca: opt.PCAOption = None,
    config: TraverseConfig,
    render: Annotated[RenderConfig, Without(("fps",))],
    output: OutputOptions,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Walk along the principal directions of a generator's latents.

    One row (or video) per direction, from -2 to +2 standard deviations; the
    unchanged picture is in the middle. torchrun splits the work among GPUs.

    Example: moco traverse stylegan2.pkl --pca pca.npz -o strip.png
    """
    check_optional_file(generator)
    target = choose_trajectory_output(output, json=report.json, config=render)

    from mocotool.basis import read_basis
    from mocotool.generators.loading import load_generator
    from mocotool.pca import fit_pca_basis
    from mocotool.trajectory import traverse_basis

    with computing.joined(report) as (processes, precision):
        network = load_generator(generator, device=processes.device, precision=precision)
        if pca is not None:
            basis = read_basis(pca)
        else:
            report.note(f"no --pca: computing a basis of {config.num_samples} latents")
            pca_config = PCAConfig(num_samples=config.num_samples, seed=config.seed)
            with report.progress("latents", config.num_samples) as advance:
                basis = fit_pca_basis(
                    network, config=pca_config, processes=processes, progress=advance
                )
        if basis.meta.note:
            report.note(basis.meta.note)
        write_trajectory(
            traverse_basis(network, basis, config=config),
            target,
            find_generator=lambda: network,
            config=render,
            report=report,
            processes=processes,
        )
