"""Why a distance between two sides may not be what it seems."""

from collections.abc import Mapping
from typing import Any

from mocotool.configs.evaluate import FEW_SAMPLES, VideoProtocol


def collect_warnings(
    reports: Mapping[str, Mapping[str, Any]],
    *,
    what: str,
    feature_dim: int,
    is_biased: bool = True,
    is_resized: bool = False,
) -> tuple[str, ...]:
    """Return why a distance between these sides may not be what it seems.

    Args:
        reports: What is known of each side.
        what: What is counted: "clips" or "frames".
        feature_dim: Numbers in a feature.
        is_biased: Whether the distance is large for few samples, as a Frechet distance is.
        is_resized: Whether all frames are made one size first, whatever they are.
    """
    warnings = []
    for role, report in reports.items():
        if report.get("foreign"):
            warnings.append(
                f"{role}: {report['foreign']} does not say by which detector and protocol it was "
                "made; the distance means something only if by these"
            )
        count = report.get(f"num_{what}", report.get("num_clips"))
        if count is None:
            continue
        if is_biased and count < FEW_SAMPLES:
            singular = ", and their covariance is singular" if count <= feature_dim else ""
            warnings.append(
                f"{role}: {count:,} {what}; below {FEW_SAMPLES:,} the distance is large for want "
                f"of samples alone{singular}"
            )
        if report.get("is_lossy"):
            warnings.append(
                f"{role}: compressed with loss, which moves the distance; measure latents (.npz) "
                "or .png frames where you can"
            )
        if len(report.get("sizes") or {}) > 1 and not is_resized:
            warnings.append(f"{role}: frames of several sizes ({', '.join(report['sizes'])})")

    # what the sides have in common, or do not
    sizes = {tuple(sorted(report.get("sizes") or {})) for report in reports.values()} - {()}
    if len(sizes) > 1 and all(len(size) == 1 for size in sizes) and not is_resized:
        shown = " and ".join(f"{role} {next(iter(r['sizes']))}" for role, r in reports.items())
        warnings.append(f"the sides differ in size ({shown}), which the distance sees")

    marks = [report.get("fingerprint") for report in reports.values()]
    if len(marks) == 2 and marks[0] is not None and marks[0] == marks[1]:
        warnings.append("both sides are the same videos, so the distance says nothing")
    return tuple(warnings)


def find_stride_warnings(
    reports: Mapping[str, Mapping[str, Any]], *, protocol: VideoProtocol
) -> tuple[str, ...]:
    """Return a warning if generated clips move faster or slower than real ones by their making.

    A clip of a model that learnt from every second frame is every second frame already.

    Args:
        reports: What is known of each side; `recorded_stride` of latents says what they stand for.
        protocol: Says to take every n-th frame of each side.
    """
    recorded = reports["fake"].get("recorded_stride")
    if recorded is None:
        return ()
    real = protocol.stride_of("real") * (reports["real"].get("recorded_stride") or 1)
    fake = protocol.stride_of("fake") * recorded
    if real == fake:
        return ()
    return (
        f"a frame of the generated clips stands for {fake} of the videos their motion was learnt "
        f"from, one of the real clips for {real}: add --real-stride {fake} to compare alike",
    )
