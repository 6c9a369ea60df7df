"""SqueezeNet 1.1, the bundled classifier: ImageNet features in plain torch.

The weights inside the package are those of the authors' caffemodel, the largest (3x3 expansions and
classifier) in half precision.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.bundled import FOLDER
from mocotool.errors import MismatchError
from mocotool.networks.shapes_only import shapes_only
from mocotool.weights.reading import read_state_dict

WEIGHTS_FILE = FOLDER / "squeezenet.safetensors"
MIN_SIZE = 32  # pixels; three poolings of the smallest picture leave one
FEATURE_DIM = 512
NUM_CLASSES = 1000
BGR_MEAN = (104.0, 117.0, 123.0)  # of bytes, as the authors trained
FIRES = {  # channels in, squeezed, and of each of the two expansions
    2: (64, 16, 64),
    3: (128, 16, 64),
    4: (128, 32, 128),
    5: (256, 32, 128),
    6: (256, 48, 192),
    7: (384, 48, 192),
    8: (384, 64, 256),
    9: (512, 64, 256),
}
POOLED_BEFORE = (2, 4, 6)
TAPPED_AFTER = (3, 5, 6, 7, 8, 9)  # besides conv1; where LPIPS looks


class Fire(nn.Module):
    """Squeeze by a 1x1 convolution, then expand by parallel 1x1 and 3x3 ones."""

    def __init__(self, c_in: int, c_squeezed: int, c_expanded: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(c_in, c_squeezed, 1)
        self.expand1x1 = nn.Conv2d(c_squeezed, c_expanded, 1)
        self.expand3x3 = nn.Conv2d(c_squeezed, c_expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to [n, c_in, h, w]; returns [n, 2 * c_expanded, h, w]."""
        x = F.relu(self.squeeze1x1(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1, differentiable, for pictures of any size from 32 pixels up.

    It computes in the precision of its weights: `.to(torch.bfloat16)` halves the activations.

    Source:
        Paper: Iandola et al., arXiv:1602.07360.
        Official code: forresti/SqueezeNet, SqueezeNet_v1.1 (names, paddings, input).
    """

    name: ClassVar[str] = "squeezenet"
    tap_dims: ClassVar[tuple[int, ...]] = (64, 128, 256, 384, 384, 512, 512)
    """Channels of what `activations` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        for number, channels in FIRES.items():
            self.add_module(f"fire{number}", Fire(*channels))
        self.conv10 = nn.Conv2d(FEATURE_DIM, NUM_CLASSES, 1)

    def activations(self, img: Tensor) -> list[Tensor]:
        """Compute the activations at seven depths.

        Args:
            img: RGB, [n, 3, h, w], nominally in [-1, 1], 32 pixels at least.

        Returns:
            After the ReLUs of conv1, fire3, fire5, fire6, fire7, fire8 and fire9: [n, c_i, h_i,
            w_i] in the precision of the weights, c_i as in `tap_dims`.

        Raises:
            MismatchError: The pictures are not RGB, or too small.
        """
        if img.ndim != 4 or img.shape[1] != 3 or min(img.shape[2:]) < MIN_SIZE:
            raise MismatchError(
                f"SqueezeNet got images of shape {list(img.shape)}, expected [n, 3, h, w] of at "
                f"least {MIN_SIZE} pixels"
            )
        # Blue, green, red as bytes less their mean; in float32, which bytes need.
        mean = torch.tensor(BGR_MEAN, device=img.device)[:, None, None]
        x = (img.float().flip(1) + 1.0) * 127.5 - mean
        x = F.relu(self.conv1(x.to(self.conv1.weight.dtype)))
        taps = [x]
        for number in FIRES:
            if number in POOLED_BEFORE:
                x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)
            x = self.get_submodule(f"fire{number}")(x)
            if number in TAPPED_AFTER:
                taps.append(x)
        return taps

    def pooled(self, img: Tensor) -> Tensor:
        """Return the last activations' mean over space, float32 [n, 512]; see `activations`."""
        return self.activations(img)[-1].float().mean(dim=(2, 3))

    def forward(self, img: Tensor) -> Tensor:
        """Return ImageNet logits [n, 1000]; see `activations` for the pictures."""
        x = F.relu(self.conv10(self.activations(img)[-1]))
        return x.float().mean(dim=(2, 3))


def load_squeezenet(
    *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> SqueezeNet:
    """Load the bundled weights, frozen.

    Args:
        device: Where to put the network.
        dtype: What it computes in: float32, or bfloat16. What the file has in half precision moves
            every activation map by less than 1e-3 of its norm; bfloat16 moves it by about 1e-2.
    """
    with shapes_only():  # no time for random numbers
        network = SqueezeNet()
    tensors = {name: tensor.to(dtype) for name, tensor in read_state_dict(WEIGHTS_FILE).items()}
    network.load_state_dict(tensors, assign=True)
    # Channels last: on a CPU twice as quick in float32, three times in bfloat16.
    frozen: SqueezeNet = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return frozen.requires_grad_(False).eval()
