"""Repeated measurements with fresh draws, and their averages."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from mocotool.configs.evaluate import (
    DiversityProtocol,
    FaceProtocol,
    SampleProtocol,
    ScoreProtocol,
    VideoProtocol,
)
from mocotool.configs.prediction import PredictionConfig
from mocotool.metrics.results import MetricResult

P = TypeVar(
    "P",
    bound=VideoProtocol
    | SampleProtocol
    | ScoreProtocol
    | FaceProtocol
    | DiversityProtocol
    | PredictionConfig,
)


def repeat_draws(
    protocol: P, measure: Callable[[P], MetricResult], *, num_seeds: int = 1
) -> MetricResult:
    """Repeat a measurement as often as a protocol says, each time with seeds of its own.

    Args:
        protocol: Its `num_repeats` and `seed` count here.
        measure: Measures once, under the protocol it gets.
        num_seeds: How many seeds one measurement uses, counted up from its `seed`: the next repeat
            begins after them, since repeats that shared samples would seem steadier than they are.

    Returns:
        The mean of the results, with their standard deviation; one result as it is.
    """
    results = [
        measure(dataclasses.replace(protocol, seed=protocol.seed + repeat * num_seeds))
        for repeat in range(protocol.num_repeats)
    ]
    return average_results(results)


def average_results(results: Sequence[MetricResult]) -> MetricResult:
    """Return the first of some results with the means of all in place of its numbers.

    Numbers in the details, lists of them, and tables with a "value" become means too, the tables
    with a "std"; everything else stays that of the first.
    """
    first = results[0]
    if len(results) == 1:
        return first
    values = [result.value for result in results]
    errors = [r.standard_error for r in results if r.standard_error is not None]
    details = {
        name: _average_detail([result.details[name] for result in results])
        for name in first.details
    }
    return dataclasses.replace(
        first,
        value=float(np.mean(values)),
        std=float(np.std(values, ddof=1)),
        standard_error=float(np.mean(errors)) if errors else None,
        details={"values": values} | details,
    )


def _average_detail(found: Sequence[Any]) -> Any:
    if isinstance(found[0], float):
        return float(np.mean(found))
    if isinstance(found[0], list) and all(isinstance(part, float) for part in found[0]):
        means: list[float] = np.mean(found, axis=0).tolist()
        return means
    if isinstance(found[0], dict) and "value" in found[0]:
        averages = {
            name: float(np.mean([one[name] for one in found]))
            for name, value in found[0].items()
            if isinstance(value, float)
        }
        spread = float(np.std([one["value"] for one in found], ddof=1))
        return found[0] | averages | {"std": spread}
    return found[0]
