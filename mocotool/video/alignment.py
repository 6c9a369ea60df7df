"""Crop pictures like a generator's training data: the centre, the whole, or an upright face."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from mocotool.arrays import FramesU8
from mocotool.configs.invert import DEFAULT_ALIGN, AlignChoice
from mocotool.errors import FileFormatError, MismatchError
from mocotool.layouts import to_channels_first
from mocotool.video.cutting import Size, square_frames, to_height_and_width

Points = npt.NDArray[np.float64]
Landmarks = Callable[[FramesU8], Points | None]
"""Finds 68 points (x, y) of the largest face of uint8 [h, w, 3]; `None` without one."""

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
MOUTH_CORNERS = [48, 54]
OVERSAMPLING = 4  # a square is read this much finer, then averaged


def align_frames(
    frames_u8: FramesU8,
    size: Size,
    *,
    align: AlignChoice = DEFAULT_ALIGN,
    face: Points | None = None,
) -> FramesU8:
    """Crop and resize frames to the size that a generator renders.

    Args:
        frames_u8: uint8 [t, h, w, 3]; frames of one video.
        size: Side of the output in pixels, or height and width.
        align: "center" crops the centre, "none" resizes the whole frame, "face" crops an upright
            face as in FFHQ and CelebA-HQ.
        face: The 68 landmarks (x, y) of the face, [68, 2]; required for "face".

    Returns:
        uint8 [t, 3, size, size], or of that height and width.

    Raises:
        MismatchError: `align` is "face", and `size` is not square.
    """
    if align == "center":
        return square_frames(frames_u8, size)
    if align == "none":
        video = to_channels_first(torch.from_numpy(frames_u8))  # [t, 3, h, w]
        resized = F.interpolate(video, to_height_and_width(size), mode="bicubic", antialias=True)
        whole: FramesU8 = resized.contiguous().numpy()
        return whole
    assert face is not None
    height, width = to_height_and_width(size)
    if height != width:
        raise MismatchError(
            f"--align face cuts squares, the generator's pictures are {width}x{height}",
            hint="--align center",
        )
    return cut_square(frames_u8, *face_square(face), height)


def find_face(frame_u8: FramesU8, landmarks: Landmarks, *, name: str) -> Points:
    """Return the landmarks of the largest face.

    Args:
        frame_u8: uint8 [h, w, 3].
        landmarks: Detects the landmarks of a face.
        name: Name of the picture, for the message.

    Returns:
        68 points (x, y), [68, 2].

    Raises:
        FileFormatError: No face was found.
    """
    points = landmarks(frame_u8)
    if points is None:
        raise FileFormatError(
            f"{name}: no face found", hint="--align center takes the centre square as it is"
        )
    return points


def face_square(points: Points) -> tuple[Points, Points]:
    """Return the square around a face.

    Args:
        points: The 68 landmarks (x, y), [68, 2].

    Returns:
        Its centre [2], and the vector from there to the middle of its right edge [2]; the vector
        to the middle of its lower edge is perpendicular to that.

    Source:
        Paper: Karras et al., arXiv:1710.10196, Appendix C.
    """
    left, right = points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)
    eyes, mouth = (left + right) / 2.0, points[MOUTH_CORNERS].mean(axis=0)
    across, down = right - left, mouth - eyes
    way = across + np.array([down[1], -down[0]])  # both point to the right
    half = max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down))
    return eyes + 0.1 * down, way / np.hypot(*way) * half


def cut_square(frames_u8: FramesU8, center: Points, right: Points, size: int) -> FramesU8:
    """Crop a rotated square from frames; outside the frame the border pixels are repeated.

    Args:
        frames_u8: uint8 [t, h, w, 3].
        center: Centre (x, y) in pixels, [2].
        right: From there to the middle of its right edge, [2].
        size: Height and width of the output.

    Returns:
        uint8 [t, 3, size, size].
    """
    video = to_channels_first(torch.from_numpy(frames_u8)).float()  # [t, 3, h, w]
    # Large pictures are downsampled first, to about the sampling density.
    factor = max(1, int(2.0 * np.hypot(*right) / (OVERSAMPLING * size)))
    factor = min(factor, *video.shape[2:])
    video = F.avg_pool2d(video, factor)
    height, width = video.shape[2:]

    # Coordinates of the square's pixels, from -1 to 1 over the frame as grid_sample takes them.
    steps = (torch.arange(OVERSAMPLING * size) + 0.5) / (OVERSAMPLING * size) * 2.0 - 1.0
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    x = center[0] + u * right[0] - v * right[1]
    y = center[1] + u * right[1] + v * right[0]
    # The middle of the first pixel is at 0 for landmarks, and half a pixel in for grid_sample.
    grid = torch.stack([(x + 0.5) / factor / width, (y + 0.5) / factor / height], dim=-1)
    grid = (2.0 * grid - 1.0).float().expand(len(video), -1, -1, -1)
    sampled = F.grid_sample(video, grid, padding_mode="border", align_corners=False)
    squares: FramesU8 = (
        F.avg_pool2d(sampled, OVERSAMPLING).round().clamp(0, 255).to(torch.uint8).numpy()
    )
    return squares
