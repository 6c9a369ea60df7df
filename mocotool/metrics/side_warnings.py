"""Warnings about a distance between two sides."""

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
    """Return reasons why a distance between these sides may mislead.

    Args:
        reports: Record of each side.
        what: Kind of samples: "clips" or "frames".
        feature_dim: Dimension of the features.
        is_biased: Whether the distance is biased upwards for few samples, as Frechet distances are.
        is_resized: Whether all frames are resized to one size first.
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

    # differences between the sides
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
    """Return a warning if the frame strides of generated and real clips differ.

    Frames of a model trained with stride 2 are already two frames apart.

    Args:
        reports: Record of each side; latents have a `recorded_stride`.
        protocol: Sets the frame stride of each side.
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
