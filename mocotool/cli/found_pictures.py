"""Frames of clips that were inverted, read for training an encoder."""

from pathlib import Path
from typing import TYPE_CHECKING

from mocotool.errors import FileFormatError, MismatchError

if TYPE_CHECKING:
    from mocotool.generators.base import Generator
    from mocotool.inversion.kernel_encoder import FoundPictures

MAX_PICTURES = 1400  # of all clips, evenly spaced
READ_SIZE = 64  # pixels; thumbnails are made of these


def read_found(path: Path, generator: "Generator") -> "FoundPictures":
    """Read inverted clips: some frames of each, and their latents.

    Args:
        path: Latents written by `moco invert`, which name the clips.
        generator: The generator that the latents belong to.

    Raises:
        FileFormatError: The file names no clips, or one of them is missing or damaged.
        MismatchError: The latents are not of the generator's space.
    """
    import numpy as np
    import torch

    from mocotool.inversion.kernel_encoder import FoundPictures
    from mocotool.latents import read_latents
    from mocotool.layouts import from_frames_u8, to_channels_last
    from mocotool.video.cutting import read_squares
    from mocotool.video.opening import open_video

    with path.open("rb") as file:
        trajectory = read_latents(file, str(path))
    names, stride = trajectory.meta.names, trajectory.meta.frame_stride or 1
    if names is None or len(names) != trajectory.num_videos:
        raise FileFormatError(
            f"{path}: does not record which clips its latents belong to",
            hint="make it with `moco invert CLIPS -o trajectories.npz`",
        )
    if trajectory.meta.space != generator.space:
        raise MismatchError(
            f"{path}: latents in {trajectory.meta.space}, the encoder predicts those in "
            f"{generator.space}"
        )

    # a few small frames of each clip, the same number of all
    height, width = generator.img_size
    shrunk = min(1.0, READ_SIZE / max(height, width))
    size = round(height * shrunk), round(width * shrunk)
    count = min(trajectory.num_frames, max(1, MAX_PICTURES // len(names)))
    idxs = np.linspace(0, trajectory.num_frames - 1, count).round().astype(int)
    parts = []
    for name in names:
        squares = read_squares(open_video(name), [stride * int(i) for i in idxs], size)
        parts.append(from_frames_u8(to_channels_last(squares)))
    latents = torch.from_numpy(trajectory.latents[:, idxs]).flatten(0, 1)  # [n*count, ...]
    return FoundPictures(images=torch.cat(parts), latents=latents)
