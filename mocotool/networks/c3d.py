"""C3D trained on UCF-101, the network of the Inception score of videos, in plain torch.

Reads the plain `.npz` files of TGANv2: weights under names such as "conv1a/W", and the mean clip.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError
from mocotool.networks.shapes_only import shapes_only
from mocotool.npz import read_npz
from mocotool.weights.finite import check_finite

NUM_CLASSES = 101
NUM_FRAMES = 16
INPUT_SIZE = 112
INPUT_GAIN = 128.0  # what [-1, 1] is multiplied by
MEAN_SHAPE = (3, 16, 128, 171)
MEAN_OFFSET = 8  # TGANv2 cuts the mean clip here, along both sides

# name -> channels in and out
CONVOLUTIONS = {
    "conv1a": (3, 64),
    "conv2a": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
LINEARS = {"fc6": (512 * 4 * 4, 4096), "fc7": (4096, 4096), "fc8": (4096, NUM_CLASSES)}
POOLED = ("conv1a", "conv2a", "conv3b", "conv4b", "conv5b")  # a maximum follows each of these


class C3D(nn.Module):
    """Eight 3-D convolutions and three linear layers; its class probabilities are the features."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, (c_in, c_out) in CONVOLUTIONS.items():
            self.add_module(name, nn.Conv3d(c_in, c_out, 3, padding=1))
        for name, (d_in, d_out) in LINEARS.items():
            self.add_module(name, nn.Linear(d_in, d_out))
        self.register_buffer("mean", torch.zeros(3, NUM_FRAMES, INPUT_SIZE, INPUT_SIZE))

    def forward(self, video_ncthw: Tensor) -> Tensor:
        """Compute class probabilities.

        Args:
            video_ncthw: RGB, [n, 3, 16, 112, 112] in [-1, 1].

        Returns:
            [n, 101], each row adds up to 1.

        Source:
            Paper: Saito et al., "Train sparsely, generate densely", 2020 (TGANv2).
            Official code: BGR times 128, plus 128, minus the mean clip.
        """
        x = video_ncthw.flip(1) * INPUT_GAIN + (128.0 - self.mean)
        for name in CONVOLUTIONS:
            x = F.relu_(self.get_submodule(name)(x))
            if name in POOLED:
                kernel = (1 if name == "conv1a" else 2, 2, 2)
                # Chainer's pools cover every pixel, so 7 becomes 4.
                x = F.max_pool3d(x, kernel, kernel, ceil_mode=True)
        x = x.flatten(1)  # [n, 512 * 1 * 4 * 4]
        x = F.relu_(self.get_submodule("fc7")(F.relu_(self.get_submodule("fc6")(x))))
        return torch.softmax(self.get_submodule("fc8")(x), dim=1)


def load_c3d(weights: Path, mean: Path) -> C3D:
    """Load the network from TGANv2's two files.

    Raises:
        FileFormatError: A file is something else, or an array is missing or of another shape.
    """
    with shapes_only():  # 78 million numbers need not be drawn
        network = C3D()
    arrays = read_npz(weights, str(weights))
    tensors = {}
    for name, parameter in network.named_parameters():
        layer, _, kind = name.rpartition(".")
        key = f"{layer}/{'W' if kind == 'weight' else 'b'}"
        array = arrays.get(key)
        if array is None or array.shape != tuple(parameter.shape) or array.dtype.kind != "f":
            found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise FileFormatError(
                f"{weights}: {key!r} is {found}, expected floats {list(parameter.shape)}"
            )
        tensors[name] = torch.from_numpy(array.astype(np.float32))
    tensors["mean"] = _read_mean(mean)
    with foreign_data(weights, what="weights of C3D"):
        check_finite(tensors)
    network.load_state_dict(tensors, assign=True)
    return network


def _read_mean(path: Path) -> Tensor:
    arrays = read_npz(path, str(path))
    mean = arrays.get("mean")
    if mean is None or mean.reshape(-1).shape != (int(np.prod(MEAN_SHAPE)),):
        found = "nothing" if mean is None else list(mean.shape)
        raise FileFormatError(f"{path}: 'mean' is {found}, expected {list(MEAN_SHAPE)}")
    window = slice(MEAN_OFFSET, MEAN_OFFSET + INPUT_SIZE)
    clip = mean.reshape(MEAN_SHAPE)[..., window, window]
    return torch.from_numpy(np.ascontiguousarray(clip, dtype=np.float32))
