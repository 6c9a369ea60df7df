"""Shared part of the commands that compare real with generated videos."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mocotool.cli import eval_options as ev
from mocotool.cli.report import Report
from mocotool.configs.evaluate import ROLES, SampleProtocol, VideoProtocol
from mocotool.errors import ConfigError

if TYPE_CHECKING:
    from mocotool.metrics.results import MetricResult

Comparison = Literal["fvd", "kvd", "fid", "kid", "two-sample", "precision-recall"]


def compare_sides(
    metric: Comparison,
    paths: tuple[Path, Path],
    *,
    detector: str,
    protocol: VideoProtocol | SampleProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure real and generated videos, print the result, and save the statistics asked for.

    Raises:
        ConfigError: `--save-stats` was given with more than one repeat.
    """
    ev.check_sides(*paths)
    targets = ev.choose_statistics(options.save_stats, force=options.force)
    if targets and protocol.num_repeats > 1:
        raise ConfigError("--save-stats saves a single repeat", hint="add --num-repeats 1")

    from mocotool.metrics.distances import compute_fvd, compute_kvd
    from mocotool.metrics.frame_distances import compute_fid, compute_kid
    from mocotool.metrics.measuring import feature_settings, load_detector
    from mocotool.metrics.precision_recall import compute_precision_recall
    from mocotool.metrics.saved_statistics import save_statistics
    from mocotool.metrics.two_sample import compute_two_sample

    metrics: dict[Comparison, Callable[..., MetricResult]] = {
        "fvd": compute_fvd,
        "kvd": compute_kvd,
        "fid": compute_fid,
        "kid": compute_kid,
        "two-sample": compute_two_sample,
        "precision-recall": compute_precision_recall,
    }

    computing = options.computing
    with ev.join_extractor(
        report, device=computing.device, config=options.extraction, what="samples"
    ) as extractor:
        sides = ev.open_sides(
            paths, extractor, latents=options.latents, computing=computing, report=report
        )
        loaded = load_detector(detector, protocol=protocol, warn=report.warn)
        result = metrics[metric](
            *sides,
            protocol=protocol,
            detector=loaded,
            extractor=extractor,
            ground_truth=options.ground_truth,
        )
        # all processes have the result; one saves it
        if extractor.processes.is_first:
            settings = {str(role): feature_settings(protocol, loaded, role) for role in ROLES}
            save_statistics(result, targets, features=settings)
    ev.print_result(report, result, is_first=extractor.processes.is_first)
