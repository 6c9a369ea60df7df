"""LPIPS, the perceptual distance of pictures, with the bundled SqueezeNet.

The linear layers are those of LPIPS 0.1. They were fitted to torchvision's weights of SqueezeNet
1.1, and ours are the authors' Caffe weights, so this is called what it is, `TITLE`.
"""

from typing import ClassVar

import torch
from torch import Tensor

from mocotool.bundled import FOLDER
from mocotool.errors import MismatchError
from mocotool.networks.squeezenet import SqueezeNet, load_squeezenet
from mocotool.weights.reading import read_state_dict

TITLE = "LPIPS (SqueezeNet, Caffe weights)"
WEIGHTS_FILE = FOLDER / "lpips-squeezenet.safetensors"
# Added to squared lengths, which are hundreds: pixels without any activation keep finite gradients.
NORM_EPS = 1e-6


class LPIPS:
    """Perceptual distance of pictures, differentiable.

    Args:
        network: Computes the activations.
        weights: Weight of each channel at each of the seven depths, [c_i], at least 0.
    """

    name: ClassVar[str] = "squeezenet"

    def __init__(self, network: SqueezeNet, weights: list[Tensor]) -> None:
        self.network = network
        # Mean squares over all numbers of a map come to weighted sums over its channels.
        self.scales = [(len(each) * each).sqrt()[:, None, None] for each in weights]

    def __call__(self, img: Tensor) -> list[Tensor]:
        """Compute maps whose mean square differences, summed over the maps, are the distance.

        Args:
            img: RGB, [n, 3, h, w], nominally in [-1, 1], 32 pixels at least.

        Returns:
            Seven maps, float32 [n, c_i, h_i, w_i]: activations normalised to unit length at each
            pixel, then each channel scaled by the root of its weight.

        Raises:
            MismatchError: The pictures are not RGB, or too small.
        """
        maps = []
        for rough, scale in zip(self.network.activations(img), self.scales, strict=True):
            tap = rough.float()
            norm = (tap.square().sum(dim=1, keepdim=True) + NORM_EPS).rsqrt()
            maps.append(tap * norm * scale)
        return maps

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Return how different pictures `a` and `b` [n, 3, h, w] look, [n], at least 0.

        Raises:
            MismatchError: They are not RGB, too small, or of different shapes.

        Source:
            Paper: Zhang et al., arXiv:1801.03924, Sec. 3.
            Official code: richzhang/PerceptualSimilarity, version 0.1 (weights, and which layers).
        """
        if a.shape != b.shape:
            raise MismatchError(
                f"pictures of shapes {list(a.shape)} and {list(b.shape)} cannot be compared"
            )
        pairs = zip(self(a), self(b), strict=True)
        parts = [(x - y).square().mean(dim=(1, 2, 3)) for x, y in pairs]
        return torch.stack(parts).sum(dim=0)


def load_lpips(*, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> LPIPS:
    """Load the bundled weights, frozen.

    Args:
        device: Where to compute.
        dtype: What the network computes in, float32 or bfloat16; lengths and distances are float32.
    """
    weights = read_state_dict(WEIGHTS_FILE)
    rows = [weights[f"lin{i}.weight"].flatten().to(device) for i in range(len(weights))]
    return LPIPS(load_squeezenet(device=device, dtype=dtype), rows)
