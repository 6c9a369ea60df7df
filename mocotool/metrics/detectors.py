"""Detectors that compute features of clips, the origin of their weights, and names of metrics.

Only the published I3D gives a metric called FVD; any other detector gives a Frechet distance named
after it.
"""

import dataclasses
import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from mocotool.boundary import foreign_data
from mocotool.configs.evaluate import PixelsChoice, VideoProtocol
from mocotool.downloads import PUBLISHED, find_weights, is_published
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import check_input_file, sha256_file
from mocotool.generators.loading import check_tensors
from mocotool.layouts import to_channels_first, to_unit_range
from mocotool.metrics.motion_features import FRAME_SIZE, motion_features
from mocotool.metrics.motion_features import MIN_FRAMES as MIN_MOTION_FRAMES
from mocotool.metrics.resizing import resize_frames
from mocotool.metrics.tracks import MIN_FRAMES as MIN_TRACK_FRAMES
from mocotool.metrics.tracks import track_features
from mocotool.networks.i3d import I3D, INPUT_SIZE, MIN_FRAMES
from mocotool.networks.shapes_only import shapes_only
from mocotool.weights.finite import check_finite
from mocotool.weights.reading import read_state_dict

TORCHSCRIPT_PREFIX = "torchscript:"
Network = TypeVar("Network", bound=torch.nn.Module)

DEFAULT_PIXELS = VideoProtocol().pixels
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VIDEO_DETECTORS = ("i3d", "i3d-torchscript", "motion", "tracks")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DetectorRecord:
    """The record of a detector in results."""

    name: str
    """Its name: "i3d", "motion", or that of a file."""
    sha256: str | None = None
    """Hash of its file; `None` without a file."""
    is_published: bool | None = None
    """Whether its weights are the published ones; `None` if there are none."""
    title: str | None = None
    """Title of a distance that is not the published one: "motion features"."""

    @property
    def label(self) -> str:
        """Its label in results: its title, or the name of the published one."""
        return self.title or self.name

    def name_metric(self, published: str, *, general: str) -> str:
        """Return the name of a metric: "FVD", or "frechet distance (motion features)"."""
        return published if self.title is None else f"{general} ({self.title})"


class Detector(Protocol):
    """Computes features of clips or frames."""

    record: DetectorRecord
    """Name and origin."""
    min_frames: int
    """Minimum number of frames of a clip."""
    batch_size: int
    """Batch size on a CPU, in clips or frames."""

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Convert uint8 [t, h, w, 3] to the input of `extract`, with a leading sample axis."""

    def extract(self, batch: Tensor) -> Tensor:
        """Return features [n, d] of a batch of outputs of `prepare`."""

    def to(self, device: torch.device) -> "Detector":
        """Move to a device; return `self`."""

    def settings(self) -> dict[str, Any]:
        """Return the settings that features depend on besides the weights, for the cache key."""


class ModuleDetector:
    """A detector that is a torch module."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module.eval()
        for parameter in module.parameters():  # TorchScript has no requires_grad_ of its own
            parameter.requires_grad_(False)

    def to(self, device: torch.device) -> Any:
        """Move to a device."""
        self.module.to(device)
        return self


class I3DDetector(ModuleDetector):
    """I3D logits of whole clips.

    Args:
        module: The network, in plain torch or TorchScript, from [n, 3, t, 224, 224] to [n, 400].
        record: Name and origin.
        protocol: Preprocessing of frames.
    """

    min_frames = MIN_FRAMES
    batch_size = 4

    def __init__(
        self, module: torch.nn.Module, *, record: DetectorRecord, protocol: VideoProtocol
    ) -> None:
        super().__init__(module)
        self.record = record
        self.protocol = protocol

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Turn a clip, uint8 [t, h, w, 3], into float32 [1, 3, t, 224, 224] in [-1, 1]."""
        frames = frames_u8.movedim(-1, 0).float()  # [3, t, h, w], 0 to 255 while it is resized
        resized = resize_frames(
            frames,
            INPUT_SIZE,
            resize=self.protocol.resize,
            interpolation=self.protocol.interpolation,
        )
        return _scale_pixels(resized, self.protocol.pixels)[None]

    def extract(self, batch: Tensor) -> Tensor:
        """Return logits averaged over time, [n, 400]."""
        features: Tensor = self.module(batch)
        return features

    def settings(self) -> dict[str, Any]:
        """Return the preprocessing."""
        settings = {"resize": self.protocol.resize, "interpolation": self.protocol.interpolation}
        is_usual = self.protocol.pixels == DEFAULT_PIXELS
        return settings if is_usual else settings | {"pixels": self.protocol.pixels}


def _scale_pixels(pixels: Tensor, choice: PixelsChoice) -> Tensor:
    """Scale pixels in [0, 255], [3, t, h, w], to the input range of a network, in place."""
    if choice == "signed":
        return to_unit_range(pixels)
    pixels = pixels.div_(255.0)
    if choice == "imagenet":
        mean, std = (torch.tensor(x, device=pixels.device) for x in (IMAGENET_MEAN, IMAGENET_STD))
        pixels = pixels.sub_(mean[:, None, None, None]).div_(std[:, None, None, None])
    return pixels


class PublishedTorchScript(I3DDetector):
    """The TorchScript I3D of StyleGAN-V, with its own resizing switched off."""

    def extract(self, batch: Tensor) -> Tensor:
        """Return logits averaged over time, [n, 400]."""
        features: Tensor = self.module(batch, rescale=False, resize=False, return_features=True)
        return features


class MotionDetector:
    """Plain motion features; see `motion_features`."""

    record = DetectorRecord(name="motion", title="motion features")
    min_frames = MIN_MOTION_FRAMES
    batch_size = 16

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Turn a clip, uint8 [t, h, w, 3], into float32 [1, t, 3, 64, 64] in [0, 1]."""
        video = to_channels_first(frames_u8).float().div_(255.0)
        return resize_frames(video, FRAME_SIZE, interpolation="bilinear-antialias")[None]

    def extract(self, batch: Tensor) -> Tensor:
        """Return motion features, [n, d]."""
        return motion_features(batch)

    def to(self, device: torch.device) -> "MotionDetector":
        """Return `self`; there is nothing to move."""
        return self

    def settings(self) -> dict[str, Any]:
        """Return the version of the features."""
        return {"version": 1}


class TrackDetector(MotionDetector):
    """Histograms of how blocks move; see `track_features`."""

    record = DetectorRecord(name="tracks", title="tracked motion")
    min_frames = MIN_TRACK_FRAMES
    batch_size = 4

    def extract(self, batch: Tensor) -> Tensor:
        """Return histograms of velocities and accelerations, [n, 64]."""
        return track_features(batch)


def load_video_detector(
    name: str = "i3d", *, protocol: VideoProtocol, warn: Callable[[str], None] | None = None
) -> Detector:
    """Load a detector of clips.

    Args:
        name: "i3d", "i3d-torchscript", "motion" or "tracks"; a file of I3D weights; or
            "torchscript:FILE", a program that maps float32 [n, 3, t, 224, 224], scaled by the
            protocol's `pixels`, to features [n, d].
        protocol: Preprocessing of frames.
        warn: Called when a file is not the published one, and before a program is run.

    Raises:
        ConfigError: There is no such detector or file, or it does not support `pixels`.
        FileFormatError: The file holds something else.
        UnavailableError: The weights are not in the cache.
    """
    if name.startswith(TORCHSCRIPT_PREFIX):
        return _load_torchscript(Path(name.removeprefix(TORCHSCRIPT_PREFIX)), protocol, warn)
    if protocol.pixels != DEFAULT_PIXELS:
        raise ConfigError(
            f"protocol {protocol.preset}, pixels {protocol.pixels}: "
            f"{name} takes pixels in another range",
            hint="use --detector torchscript:FILE with the network of this protocol",
        )
    if name == "motion":
        return MotionDetector()
    if name == "tracks":
        return TrackDetector()
    if name == "i3d-torchscript":
        return _load_torchscript(find_weights("i3d-torchscript"), protocol, warn)
    check_detector_name(name, VIDEO_DETECTORS)
    path = find_weights("i3d", file=None if name == "i3d" else Path(name))
    network = load_weights(I3D, path)
    record = record_weights("i3d", path, warn=warn)
    return I3DDetector(network.fuse(), record=record, protocol=protocol)


def check_detector_name(name: str, known: tuple[str, ...]) -> None:
    """Check that a name is a known detector or a path.

    Raises:
        ConfigError: It is neither.
    """
    if name in known or name.startswith(TORCHSCRIPT_PREFIX):
        return
    if not Path(name).exists() and "/" not in name and "." not in name:
        raise ConfigError(
            f"--detector {name}: no such detector",
            hint=f"{', '.join(known)}, a file of weights, or torchscript:FILE",
        )
    check_input_file(Path(name))


def record_weights(
    published: str, path: Path, *, warn: Callable[[str], None] | None
) -> DetectorRecord:
    """Return the record of a detector whose weights were read from `path`."""
    is_known = is_published(published, path)
    if is_known is False and warn is not None:
        warn(
            f"{path}: not the weights everybody uses ({PUBLISHED[published].file_name}), "
            "so the result bears the file's name"
        )
    return DetectorRecord(
        name=published,
        sha256=sha256_file(path),
        is_published=is_known,
        title=path.name if is_known is False else None,
    )


def load_weights(family: Callable[[], Network], path: Path) -> Network:
    """Build a network and read its state dict, strictly; nothing in the file is run.

    Args:
        family: Builds the network.
        path: The file.

    Raises:
        FileFormatError: The file is damaged or unsafe, or its tensors do not fit.
    """
    tensors = read_state_dict(path)
    with shapes_only():  # skip the random initialisation
        network = family()
    expected = network.state_dict()
    for name in expected:  # some writers leave these counters out
        if name.endswith("num_batches_tracked"):
            tensors.setdefault(name, torch.tensor(0))
    try:
        check_tensors(expected=expected, found=tensors)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None
    network.load_state_dict(tensors, strict=True, assign=True)
    return network


def _load_torchscript(
    path: Path, protocol: VideoProtocol, warn: Callable[[str], None] | None
) -> I3DDetector:
    """Load a TorchScript file that maps videos to features."""
    module, record = open_torchscript(path, published="i3d-torchscript", warn=warn)
    kind = PublishedTorchScript if record.is_published else I3DDetector
    detector = kind(module, record=record, protocol=protocol)
    if not record.is_published:
        detector.min_frames = 1
    return detector


def open_torchscript(
    path: Path, *, published: str | None = None, warn: Callable[[str], None] | None
) -> tuple[torch.nn.Module, DetectorRecord]:
    """Open a TorchScript program named by the user; exactly the hashed bytes are executed.

    Args:
        path: The file.
        published: Key of the published program, if there is one.
        warn: Called before any other program is executed.

    Raises:
        FileFormatError: It is not TorchScript.
    """
    data = check_input_file(path).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if published is not None and sha256 == PUBLISHED[published].sha256:
        record = DetectorRecord(name=published, sha256=sha256, is_published=True)
        return _run_torchscript(data, path), record
    if warn is not None:
        warn(
            f"{path}: a TorchScript file is a program; this one (sha256 {sha256}) is run because "
            "you named it"
        )
    record = DetectorRecord(
        name=f"{TORCHSCRIPT_PREFIX}{path.name}",
        sha256=sha256,
        is_published=None if published is None else False,
        title=path.name,
    )
    return _run_torchscript(data, path), record


def _run_torchscript(data: bytes, path: Path) -> torch.nn.Module:
    """Open a TorchScript program that was checked, or that the user named.

    Raises:
        FileFormatError: It is not TorchScript.
    """
    with warnings.catch_warnings():
        # torch 2.13 deprecates TorchScript as a whole; nothing here can be changed about it.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        with foreign_data(path, what="a TorchScript file"):
            module: torch.nn.Module = torch.jit.load(io.BytesIO(data), map_location="cpu")
    with foreign_data(path, what="a TorchScript file"):
        check_finite({**dict(module.named_parameters()), **dict(module.named_buffers())})
    return module
