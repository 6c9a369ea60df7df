"""`moco explore`: control a video interactively in the browser."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.configs.explore import ExploreConfig

STOPPED = 130


def explore(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[GENERATOR|MOTION]",
            help="Generator weights or a motion model; the bundled ones if left out.",
        ),
    ] = None,
    *,
    generator: opt.MotionsGenerator = None,
    pca: opt.PCAOption = None,
    config: ExploreConfig,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.", show_default=False)
    ] = False,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Control a video interactively, on a page served by this machine.

    The page has sliders for the first PCA directions, seeds, truncation and
    step size, plays the result, shows the equivalent command line, and saves
    the latents. Its address works only on this machine and contains a secret;
    Ctrl-C stops it.

    Example: moco explore --open
    """
    check_optional_file(source)
    check_optional_file(generator)

    from mocotool.explore.line import Named
    from mocotool.explore.opening import load_explorer
    from mocotool.explore.server import ExploreServer
    from mocotool.explore.threads import settle_threads

    device, precision = computing.resolve(report)
    if pca is None:
        report.note(f"no --pca: computing a basis of {config.num_samples} latents")
    with report.progress("latents", config.num_samples) as advance:
        explorer = load_explorer(
            source,
            generator=generator,
            pca=pca,
            config=config,
            device=device,
            precision=precision,
            named=Named.of_computing(computing.device, computing.precision),
            warn=report.warn,
            progress=advance,
        )
    if device.type == "cpu" and settle_threads(explorer.render_anew):
        report.note("rendering with one thread, which is quicker here than several")
    with ExploreServer(explorer, config=config) as server:
        report.result({"address": server.address})
        try:
            if open_page:
                webbrowser.open(server.address)
            server.serve_forever()
        except KeyboardInterrupt:  # the normal way to stop it
            raise typer.Exit(STOPPED) from None
