"""PSNR and SSIM of two videos, frame against frame."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from mocotool.configs.evaluate import PairProtocol
from mocotool.errors import MismatchError
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import name_source
from mocotool.metrics.sources import VideoSource
from mocotool.similarity import compute_image_psnr, compute_image_ssim

FRAMES_AT_ONCE = 16
EQUAL_PSNR = 100.0
"""What a pair of equal frames counts as, in dB, where the mean would be infinite otherwise."""


def compute_psnr(
    a: VideoSource,
    b: VideoSource,
    *,
    protocol: PairProtocol | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Compute the mean over frames of the peak signal-to-noise ratio of RGB bytes.

    Args:
        a: Videos.
        b: As many videos, in the same order, of the same sizes and lengths.
        protocol: Data range; `None` is that of bytes.
        progress: Called with the number of frames done since the last call.

    Returns:
        The mean in dB; equal frames count as 100 dB and are counted in the details.

    Raises:
        MismatchError: Videos, lengths or sizes do not pair up.
        FileFormatError: A frame cannot be decoded.
    """
    return _compare(a, b, "PSNR", protocol or PairProtocol(), progress)


def compute_ssim(
    a: VideoSource,
    b: VideoSource,
    *,
    protocol: PairProtocol | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Compute the mean over frames and RGB channels of the structural similarity.

    Arguments and errors as in `compute_psnr`.

    Returns:
        The mean, at most 1.

    Source:
        Paper: Wang et al., "Image quality assessment: from error visibility to structural
        similarity", 2004.
    """
    return _compare(a, b, "SSIM", protocol or PairProtocol(), progress)


def _compare(
    a: VideoSource,
    b: VideoSource,
    metric: Literal["PSNR", "SSIM"],
    protocol: PairProtocol,
    progress: Callable[[int], None] | None,
) -> MetricResult:
    _check_lengths(a, b)
    per_video: list[float] = []
    per_frame: list[float] = []
    num_equal = 0
    for video_idx in range(len(a.num_frames)):
        values: list[float] = []
        for frames_a, frames_b in _iter_pairs(a, b, video_idx):
            scores = _score(metric, frames_a, frames_b, protocol)
            num_equal += int(torch.isinf(scores).sum())
            values += scores.clamp(max=EQUAL_PSNR).tolist()
            if progress is not None:
                progress(len(scores))
        per_video.append(float(np.mean(values)))
        per_frame += values
    details: dict[str, Any] = {"num_frames": len(per_frame), "worst_frame": min(per_frame)}
    if len(per_video) > 1:
        details["videos"] = per_video
    if metric == "PSNR":
        details["num_equal_frames"] = num_equal
    warnings = ("both sides are equal in every frame",) if num_equal == len(per_frame) else ()
    settings = dataclasses.asdict(protocol)
    return MetricResult(
        metric=metric,
        value=float(np.mean(per_frame)),
        std=float(np.std(per_frame)),
        unit="dB" if metric == "PSNR" else None,
        protocol={"data_range": protocol.data_range, "color": "RGB, channels averaged"}
        if metric == "PSNR"
        else settings | {"color": "RGB, channels averaged", "border": "where the window fits"},
        inputs={
            role: {"path": name_source(side.name)} | side.describe()
            for role, side in (("a", a), ("b", b))
        },
        details=details,
        numerics="float64",
        warnings=warnings,
    )


def _score(metric: str, a: Tensor, b: Tensor, protocol: PairProtocol) -> Tensor:
    if metric == "PSNR":
        return compute_image_psnr(a, b, data_range=protocol.data_range)
    return compute_image_ssim(
        a,
        b,
        data_range=protocol.data_range,
        window_size=protocol.window_size,
        window_sigma=protocol.window_sigma,
        k1=protocol.k1,
        k2=protocol.k2,
    )


def _check_lengths(a: VideoSource, b: VideoSource) -> None:
    if len(a.num_frames) != len(b.num_frames):
        raise MismatchError(
            f"{a.name} holds {len(a.num_frames)} videos, {b.name} {len(b.num_frames)}: "
            "they do not pair up"
        )
    for video_idx in np.flatnonzero(a.num_frames != b.num_frames)[:1].tolist():
        num_a, num_b = int(a.num_frames[video_idx]), int(b.num_frames[video_idx])
        raise MismatchError(
            f"{a.describe_clip(video_idx, range(num_a))} against "
            f"{b.describe_clip(video_idx, range(num_b))}: {num_a} and {num_b} frames",
            hint="cut one to the length of the other: PSNR and SSIM go frame by frame",
        )


def _iter_pairs(a: VideoSource, b: VideoSource, video_idx: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield frames of both videos, [t, 3, h, w] bytes each, some at a time."""
    num_frames = int(a.num_frames[video_idx])
    for start in range(0, num_frames, FRAMES_AT_ONCE):
        frame_idx = range(start, min(start + FRAMES_AT_ONCE, num_frames))
        frames = [torch.from_numpy(s.read_clip(video_idx, frame_idx)) for s in (a, b)]
        if frames[0].shape != frames[1].shape:
            sizes = [f"{frame.shape[2]}x{frame.shape[1]}" for frame in frames]
            raise MismatchError(
                f"{a.describe_clip(video_idx, frame_idx)}: {sizes[0]}, "
                f"{b.describe_clip(video_idx, frame_idx)}: {sizes[1]}",
                hint="make them one size first: resizing here would change the number",
            )
        yield frames[0].movedim(-1, 1), frames[1].movedim(-1, 1)
