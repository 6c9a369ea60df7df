"""Detectors of single frames; only the published Inception gives an FID."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mocotool.downloads import find_weights
from mocotool.files import sha256_file
from mocotool.layouts import to_channels_first, to_unit_range
from mocotool.metrics.detectors import (
    TORCHSCRIPT_PREFIX,
    Detector,
    DetectorRecord,
    ModuleDetector,
    check_detector_name,
    load_weights,
    open_torchscript,
    record_weights,
)
from mocotool.metrics.pixel_features import FRAME_SIZE, pixel_features
from mocotool.metrics.resizing import resize_frames
from mocotool.networks import squeezenet
from mocotool.networks.inception import INPUT_SIZE, Inception

FRAME_DETECTORS = ("inception", "squeezenet", "pixels")
SQUEEZENET_SIZE = 224
# Scales features to a mean square of about one, as polynomial kernels expect.
SQUEEZENET_SCALE = 0.25


class InceptionDetector(ModuleDetector):
    """Pooled Inception features of frames.

    Args:
        module: The network, from [n, 3, 299, 299] to [n, d].
        record: Name and origin.
    """

    min_frames = 1
    batch_size = 32

    def __init__(self, module: torch.nn.Module, *, record: DetectorRecord) -> None:
        super().__init__(module)
        self.record = record

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Turn uint8 [t, h, w, 3] into float32 [t, 3, 299, 299], bytes b as (b - 128) / 128."""
        frames = to_channels_first(frames_u8).float()
        # The graph's own resize: TensorFlow 1, without half-pixel centres, and never antialiased.
        resized = resize_frames(frames, INPUT_SIZE, interpolation="bilinear-tf1")
        return resized.sub_(128.0).div_(128.0)

    def extract(self, batch: Tensor) -> Tensor:
        """Return pooled features, [n, 2048]."""
        features: Tensor = self.module(batch)
        return features

    def settings(self) -> dict[str, Any]:
        """Return nothing: preprocessing is fixed by the network."""
        return {}


class SqueezeNetDetector(ModuleDetector):
    """Pooled SqueezeNet features of frames, with the bundled weights."""

    min_frames = 1
    batch_size = 8  # on a CPU 1.6 times as fast as 32, whose activations do not fit into the cache

    def __init__(self) -> None:
        self.network = squeezenet.load_squeezenet()
        super().__init__(self.network)
        self.record = DetectorRecord(
            name="squeezenet",
            sha256=sha256_file(squeezenet.WEIGHTS_FILE),
            title="squeezenet features",
        )

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Turn uint8 [t, h, w, 3] into float32 [t, 3, 224, 224] in [-1, 1]."""
        frames = to_channels_first(frames_u8).float()
        resized = resize_frames(frames, SQUEEZENET_SIZE, interpolation="bilinear-antialias")
        return to_unit_range(resized)

    def extract(self, batch: Tensor) -> Tensor:
        """Return a quarter of the features after fire9, averaged over space, [n, 512]."""
        return SQUEEZENET_SCALE * self.network.pooled(batch)

    def settings(self) -> dict[str, Any]:
        """Return the input size and the scale of the features."""
        return {"input_size": SQUEEZENET_SIZE, "scale": SQUEEZENET_SCALE}


class PixelDetector:
    """Plain pixel features; see `pixel_features`."""

    record = DetectorRecord(name="pixels", title="pixel features")
    min_frames = 1
    batch_size = 64

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Turn uint8 [t, h, w, 3] into float32 [t, 3, 64, 64] in [0, 1]."""
        frames = to_channels_first(frames_u8).float().div_(255.0)
        return resize_frames(frames, FRAME_SIZE, interpolation="bilinear-antialias")

    def extract(self, batch: Tensor) -> Tensor:
        """Return pixel features, [n, d]."""
        return pixel_features(batch)

    def to(self, device: torch.device) -> "PixelDetector":
        """Return `self`; there is nothing to move."""
        return self

    def settings(self) -> dict[str, Any]:
        """Return the version of the features."""
        return {"version": 1}


def load_frame_detector(
    name: str = "inception", *, warn: Callable[[str], None] | None = None
) -> Detector:
    """Load a detector of frames.

    Args:
        name: "inception", "squeezenet" or "pixels"; a file of Inception weights; or
            "torchscript:FILE", a program that maps float32 [n, 3, 299, 299] in [-1, 1] to features
            [n, d].
        warn: Called when a file is not the published one, and before a program is run.

    Raises:
        ConfigError: There is no such detector or file.
        FileFormatError: The file holds something else.
        UnavailableError: The weights are not in the cache.
    """
    if name == "pixels":
        return PixelDetector()
    if name == "squeezenet":
        return SqueezeNetDetector()
    if name.startswith(TORCHSCRIPT_PREFIX):
        path = Path(name.removeprefix(TORCHSCRIPT_PREFIX))
        module, record = open_torchscript(path, warn=warn)
        return InceptionDetector(module, record=record)
    check_detector_name(name, FRAME_DETECTORS)
    path = find_weights("inception", file=None if name == "inception" else Path(name))
    network = load_weights(Inception, path)
    return InceptionDetector(network, record=record_weights("inception", path, warn=warn))
