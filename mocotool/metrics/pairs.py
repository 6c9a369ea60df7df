"""PSNR, SSIM and LPIPS of two videos, frame by frame."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.configs.evaluate import PairProtocol
from mocotool.errors import MismatchError
from mocotool.files import sha256_file
from mocotool.layouts import to_channels_first, to_unit_range
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import name_source
from mocotool.metrics.sources import VideoSource
from mocotool.networks import lpips, squeezenet
from mocotool.networks.lpips import load_lpips
from mocotool.similarity import EQUAL_PSNR, compute_image_psnr, compute_image_ssim

FRAMES_AT_ONCE = 16


def compute_psnr(
    a: VideoSource,
    b: VideoSource,
    *,
    protocol: PairProtocol | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Compute the peak signal-to-noise ratio of RGB bytes, averaged over frames.

    Args:
        a: Videos.
        b: As many videos, in the same order, of the same sizes and lengths.
        protocol: Data range; `None` for that of bytes.
        progress: Called with the number of frames done since the last call.

    Returns:
        The mean in dB; equal frames count as 100 dB and are counted in the details.

    Raises:
        MismatchError: Numbers, lengths or sizes of the videos differ.
        FileFormatError: A frame cannot be decoded.
    """
    protocol = PairProtocol() if protocol is None else protocol

    def score(frames_a: Tensor, frames_b: Tensor) -> Tensor:
        scores = compute_image_psnr(frames_a, frames_b, data_range=protocol.data_range)
        return scores.clamp(max=EQUAL_PSNR)

    return _compare(
        a,
        b,
        score,
        progress,
        metric="PSNR",
        unit="dB",
        protocol={"data_range": protocol.data_range, "color": "RGB, channels averaged"},
        numerics="float64",
    )


def compute_ssim(
    a: VideoSource,
    b: VideoSource,
    *,
    protocol: PairProtocol | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Compute the structural similarity, averaged over frames and RGB channels.

    Arguments and errors as in `compute_psnr`.

    Returns:
        The mean, at most 1.

    Source:
        Paper: Wang et al., "Image quality assessment: from error visibility to structural
        similarity", 2004.
    """
    protocol = PairProtocol() if protocol is None else protocol
    settings = dataclasses.asdict(protocol)

    def score(frames_a: Tensor, frames_b: Tensor) -> Tensor:
        return compute_image_ssim(frames_a, frames_b, **settings)

    notes = {"color": "RGB, channels averaged", "border": "where the window fits"}
    return _compare(
        a, b, score, progress, metric="SSIM", protocol=settings | notes, numerics="float64"
    )


def compute_lpips(
    a: VideoSource,
    b: VideoSource,
    *,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Compute LPIPS, a learned perceptual distance, averaged over frames; 0 for equal frames.

    Args:
        a: Videos, RGB of at least 32 pixels.
        b: As many videos, in the same order, of the same sizes and lengths.
        device: Device of the network.
        progress: Called with the number of frames done since the last call.

    Returns:
        The mean of "LPIPS (SqueezeNet, Caffe weights)", which is not comparable with the published
        LPIPS because of its other weights.

    Raises:
        MismatchError: Numbers, lengths or sizes of the videos differ, or frames are too small.
        FileFormatError: A frame cannot be decoded.

    Source:
        Paper: Zhang et al., arXiv:1801.03924.
    """
    network = load_lpips(device=device)

    @torch.inference_mode()
    def score(frames_a: Tensor, frames_b: Tensor) -> Tensor:
        pair = (to_unit_range(frames.to(device)) for frames in (frames_a, frames_b))
        return network.distance(*pair).cpu()

    return _compare(
        a,
        b,
        score,
        progress,
        worst=max,
        metric=lpips.TITLE,
        protocol={"color": "RGB", "size": "as it is"},
        detector={
            "name": network.name,
            "sha256": sha256_file(squeezenet.WEIGHTS_FILE),
            "linear_sha256": sha256_file(lpips.WEIGHTS_FILE),
            "feature_dim": sum(network.network.tap_dims),
        },
        numerics="float32",
        device=str(device),
    )


def _compare(
    a: VideoSource,
    b: VideoSource,
    score: Callable[[Tensor, Tensor], Tensor],
    progress: Callable[[int], None] | None,
    *,
    worst: Callable[[list[float]], float] = min,
    **values: Any,
) -> MetricResult:
    """Score frames [t, 3, h, w] of bytes by `score`, which returns [t]; `values` go to the result.

    Returns:
        The mean over all frames, and in the details that of each video where there are several.
    """
    _check_lengths(a, b)
    videos: list[list[float]] = []  # the scores of each one's frames
    num_equal = 0
    for video_idx in range(len(a.num_frames)):
        scores: list[float] = []
        for frames_a, frames_b in _iter_pairs(a, b, video_idx):
            num_equal += int((frames_a == frames_b).flatten(1).all(dim=1).sum())
            scores += score(frames_a, frames_b).tolist()
            if progress is not None:
                progress(len(frames_a))
        videos.append(scores)

    per_frame = [score for scores in videos for score in scores]
    details: dict[str, Any] = {
        "num_frames": len(per_frame),
        "worst_frame": worst(per_frame),
        "num_equal_frames": num_equal,
    }
    if len(videos) > 1:
        details["videos"] = [float(np.mean(scores)) for scores in videos]
    # a file compared with itself looks like a perfect score
    all_equal = num_equal == len(per_frame)
    return MetricResult(
        value=float(np.mean(per_frame)),
        std=float(np.std(per_frame)),
        inputs={
            role: {"path": name_source(side.name)} | side.describe()
            for role, side in (("a", a), ("b", b))
        },
        details=details,
        warnings=("both sides are equal in every frame",) if all_equal else (),
        **values,
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
            hint="cut one to the length of the other: they are compared frame by frame",
        )


def _iter_pairs(a: VideoSource, b: VideoSource, video_idx: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield chunks of frames of both videos, uint8 [t, 3, h, w] each."""
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
        yield to_channels_first(frames[0]), to_channels_first(frames[1])
