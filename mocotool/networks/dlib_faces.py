"""Face and landmark detection by dlib, from the extra `faces`."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.errors import UnavailableError

INSTALL_HINT = "pip install 'mocotool[faces]'"
DETECTION_SIZE = 320  # dlib's finder misses faces under 80 px: frames are enlarged up to here
MAX_ENLARGEMENTS = 3


class FaceFinder:
    """Detects the largest face of a frame, and its landmarks.

    Args:
        landmarks: The file of the landmark predictor in the package face_recognition_models.
        advice: What else the user may do if the packages are missing.

    Raises:
        UnavailableError: The packages dlib-bin and face_recognition_models are not installed.
    """

    def __init__(self, landmarks: str, *, advice: str) -> None:
        self.dlib = import_dlib(advice)
        self._finder = self.dlib.get_frontal_face_detector()
        self._predictor = self.dlib.shape_predictor(str(find_dlib_models(advice) / landmarks))

    def find(self, frame_u8: FramesU8) -> Any | None:
        """Return dlib's landmarks of the largest face of uint8 [h, w, 3], or `None` without one."""
        side = min(frame_u8.shape[:2])
        num_doublings = max(0, min(MAX_ENLARGEMENTS, round(np.log2(DETECTION_SIZE / side))))
        boxes = self._finder(frame_u8, num_doublings)
        if not boxes:
            return None
        return self._predictor(frame_u8, max(boxes, key=lambda box: box.area()))


class LandmarkFinder:
    """Detects 68 landmarks of the largest face; raises as `FaceFinder` does."""

    def __init__(self) -> None:
        self._finder = FaceFinder(
            "shape_predictor_68_face_landmarks.dat", advice="or choose --align center"
        )

    def __call__(self, frame_u8: FramesU8) -> npt.NDArray[np.float64] | None:
        """Return landmarks (x, y) [68, 2] in pixels of a uint8 frame [h, w, 3], or `None`."""
        shape = self._finder.find(np.ascontiguousarray(frame_u8))
        if shape is None:
            return None
        return np.array([(part.x, part.y) for part in shape.parts()], np.float64)


def find_dlib_models(advice: str) -> Path:
    """Return the folder of dlib's networks in the package face_recognition_models.

    Args:
        advice: What else the user may do.

    Raises:
        UnavailableError: The package is not installed.
    """
    # Found without importing: the package asks for setuptools when it is imported.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "the package face_recognition_models is not installed",
            hint=f"{INSTALL_HINT}, {advice}",
        )
    return Path(spec.origin).parent / "models"


def import_dlib(advice: str) -> Any:
    """Return the module dlib.

    Args:
        advice: What else the user may do.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        import dlib
    except ImportError:
        raise UnavailableError(
            "the package dlib is not installed", hint=f"{INSTALL_HINT}, {advice}"
        ) from None
    return dlib
