"""Repeated measurements with new seeds, and their averages."""

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
    """Repeat a measurement as often as the protocol says, each time with new seeds.

    Args:
        protocol: Sets `num_repeats` and the first `seed`.
        measure: Measures once, under the given protocol.
        num_seeds: Number of consecutive seeds that one measurement uses. The next repeat starts
            after them, since shared samples would make the deviation too small.

    Returns:
        The mean of the results, with their standard deviation; a single result unchanged.
    """
    results = [
        measure(dataclasses.replace(protocol, seed=protocol.seed + repeat * num_seeds))
        for repeat in range(protocol.num_repeats)
    ]
    return average_results(results)


def average_results(results: Sequence[MetricResult]) -> MetricResult:
    """Return the first result with its numbers replaced by the means of all.

    Numbers in the details, lists of them, and dicts with a "value" are averaged too, the latter
    with a "std"; everything else is taken from the first.
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
