"""Cut pictures as a generator's training data were: the centre, the whole, or an upright face."""

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
    """Make frames squares, or of another shape that a generator renders.

    Args:
        frames_u8: uint8 [t, h, w, 3]; frames of one video.
        size: Side wanted, or height and width.
        align: "center" cuts the centre of that shape out, "none" resizes the whole, "face" sets a
            face upright, as the pictures of FFHQ and CelebA-HQ are cut.
        face: The 68 landmarks (x, y) of that face, [68, 2]; needed for "face".

    Returns:
        uint8 [t, 3, size, size], or of that height and width.

    Raises:
        MismatchError: A face was to be cut out in a shape other than a square.
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
        landmarks: What finds a face.
        name: What the picture is called, for the message.

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
    """Return where the square around a face lies.

    Args:
        points: The 68 landmarks (x, y), [68, 2].

    Returns:
        Its centre [2], and the way from there to the middle of its right edge [2]; the way to the
        middle of its lower edge is at a right angle to that.

    Source:
        Paper: Karras et al., arXiv:1710.10196, Appendix C.
    """
    left, right = points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)
    eyes, mouth = (left + right) / 2.0, points[MOUTH_CORNERS].mean(axis=0)
    across, down = right - left, mouth - eyes
    way = across + np.array([down[1], -down[0]])  # both say where right is
    half = max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down))
    return eyes + 0.1 * down, way / np.hypot(*way) * half


def cut_square(frames_u8: FramesU8, center: Points, right: Points, size: int) -> FramesU8:
    """Cut a turned square out of frames; outside them the nearest edge goes on.

    Args:
        frames_u8: uint8 [t, h, w, 3].
        center: Centre (x, y) in pixels, [2].
        right: From there to the middle of its right edge, [2].
        size: Height and width wanted.

    Returns:
        uint8 [t, 3, size, size].
    """
    video = to_channels_first(torch.from_numpy(frames_u8)).float()  # [t, 3, h, w]
    # Large pictures are averaged first, to about as fine as they are read.
    factor = max(1, int(2.0 * np.hypot(*right) / (OVERSAMPLING * size)))
    factor = min(factor, *video.shape[2:])
    video = F.avg_pool2d(video, factor)
    height, width = video.shape[2:]

    # Places of the square's pixels, from -1 to 1 over the frame as grid_sample counts.
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
