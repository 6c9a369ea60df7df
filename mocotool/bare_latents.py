"""Latents kept as one bare array, `.npy`: which axis is which."""

import warnings
from typing import TYPE_CHECKING

from mocotool.errors import FileFormatError, MismatchError, MocoWarning
from mocotool.npz import Array

if TYPE_CHECKING:
    from mocotool.generators.base import Generator

LAYOUTS = "[n, num_ws, w_dim], [n, w_dim], [num_ws, w_dim] or [w_dim]"


def place_axes(latents: Array, generator: "Generator | None", *, name: str) -> tuple[Array, str]:
    """Give a bare array the axes of a trajectory: the n latents are the frames of one video.

    Args:
        latents: [n, num_ws, w_dim], [n, w_dim], [num_ws, w_dim] or [w_dim]; or with videos before
            them, [n, t, num_ws, w_dim]. As many rows of w as the generator has layers count as one
            latent in w+, with a warning where they could be frames.
        generator: The generator they belong to; `None` where nobody said.
        name: Name of the file in messages.

    Returns:
        Latents [n, t, latent_dim] or [n, t, num_ws, latent_dim], and their space.

    Raises:
        FileFormatError: The array has other axes, or needs a generator to tell them.
        MismatchError: The generator has latents of another size.

    Warns:
        MocoWarning: The rows could be layers and could be frames.
    """
    shape = list(latents.shape)
    if not 1 <= latents.ndim <= 4 or not latents.size:
        raise FileFormatError(f"{name}: an array of shape {shape}, expected latents: {LAYOUTS}")

    # three axes and more say it themselves
    if generator is None:
        if latents.ndim > 2:
            return latents if latents.ndim == 4 else latents[None], "w+"
        raise FileFormatError(
            f"{name}: an array of shape {shape}, and only the generator can say whether that is "
            "frames or layers",
            hint="add --generator FILE, or --generator bundled:people.safetensors",
        )

    # sizes that this generator cannot take
    num_ws, has_layers = generator.num_ws, generator.space == "w"
    size_wrong = shape[-1] != generator.latent_dim
    if size_wrong or (latents.ndim > 2 and (not has_layers or shape[-2] != num_ws)):
        wanted = f"[n, {num_ws}, {generator.latent_dim}] or " if has_layers else ""
        raise MismatchError(
            f"{name}: an array of shape {shape}, the generator takes {wanted}"
            f"[n, {generator.latent_dim}]",
            hint="name the generator they were made for with --generator FILE",
        )

    if latents.ndim > 2:
        return latents if latents.ndim == 4 else latents[None], "w+"
    if has_layers and latents.ndim == 2 and len(latents) == num_ws:
        if num_ws > 1:
            warnings.warn(
                f"{name}: {num_ws} rows, as many as the generator has layers: taken for one "
                f"latent in w+; frames would have the shape [1, {num_ws}, {generator.latent_dim}] "
                "in a .npz under the key latents",
                MocoWarning,
                stacklevel=2,
            )
        return latents[None, None], "w+"
    return latents.reshape(1, -1, shape[-1]), generator.space
