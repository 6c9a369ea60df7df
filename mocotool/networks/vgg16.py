"""VGG16, the perceptual network: plain torch, reading torchvision's state dict."""

from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.errors import FileFormatError, MismatchError
from mocotool.weights.reading import read_state_dict

# torchvision: the numbers are places in `features`, where ReLUs and poolings count too.
CONVOLUTIONS = {
    0: (3, 64),
    2: (64, 64),
    5: (64, 128),
    7: (128, 128),
    10: (128, 256),
    12: (256, 256),
    14: (256, 256),
    17: (256, 512),
    19: (512, 512),
    21: (512, 512),
}
POOLED_BEFORE = (5, 10, 17)
TAPPED_AFTER = (2, 7, 14, 21)  # relu1_2, relu2_2, relu3_3, relu4_3
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STDEV = (0.229, 0.224, 0.225)
MIN_SIZE = 8  # three poolings must leave a pixel
MAX_SIZE = 256  # StyleGAN2's projector, which looks at larger pictures in this size too
NORM_EPS = 1e-10
FETCH_HINT = "`moco fetch vgg16` gets the right file"


class VGG16Features(nn.Module):
    """Features of VGG16 at four depths, scaled to unit mean square at each pixel.

    The convolutions up to relu4_3; the layers after it are not needed, and not read from the file.
    """

    name: ClassVar[str] = "vgg16"
    weight: ClassVar[float] = 1.0  # the paper's lambda_vgg
    mean: Tensor
    stdev: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {
                str(place): nn.Conv2d(c_in, c_out, 3, padding=1)
                for place, (c_in, c_out) in CONVOLUTIONS.items()
            }
        )
        mean, stdev = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STDEV)
        self.register_buffer("mean", mean[:, None, None], persistent=False)
        self.register_buffer("stdev", stdev[:, None, None], persistent=False)

    def activations(self, img: Tensor) -> list[Tensor]:
        """Compute the raw activations.

        Args:
            img: [n, 3, h, w], nominally in [-1, 1], 8 pixels at least; above 256 it is reduced.

        Returns:
            relu1_2, relu2_2, relu3_3 and relu4_3, [n, c_i, h_i, w_i].

        Raises:
            MismatchError: The image is not RGB, or too small.

        Source:
            Paper: Simonyan and Zisserman, arXiv:1409.1556, configuration D.
            Official code: torchvision, models/vgg.py (names, and the normalisation of its inputs).
        """
        if img.ndim != 4 or img.shape[1] != 3 or min(img.shape[2:]) < MIN_SIZE:
            raise MismatchError(
                f"VGG16 got images of shape {list(img.shape)}, expected [n, 3, h, w] of "
                f"at least {MIN_SIZE} pixels"
            )
        longest = max(img.shape[2:])
        if longest > MAX_SIZE:
            size = [round(side * MAX_SIZE / longest) for side in img.shape[2:]]
            img = F.interpolate(img, size=size, mode="area")
        x = (img.add(1.0).div(2.0) - self.mean) / self.stdev
        taps = []
        for place in CONVOLUTIONS:
            if place in POOLED_BEFORE:
                x = F.max_pool2d(x, 2)
            x = F.relu(self.features[str(place)](x))
            if place in TAPPED_AFTER:
                taps.append(x)
        return taps

    def forward(self, img: Tensor) -> list[Tensor]:
        """Compute the feature maps that are compared; see `ImageFeatures`.

        Source:
            Paper: Johnson et al., arXiv:1603.08155 (which layers).
            Follows: Zhang et al., arXiv:1801.03924, in scaling each pixel's features to one length;
                raw ones are hundreds of times as large as pixels, and would outweigh them.
        """
        taps = self.activations(img)
        return [tap * (tap.square().mean(dim=1, keepdim=True) + NORM_EPS).rsqrt() for tap in taps]


def load_vgg16(path: Path | str, *, device: torch.device | str = "cpu") -> VGG16Features:
    """Load torchvision's VGG16 weights, frozen.

    Args:
        path: The file; nothing in it is run.
        device: Where to put the network.

    Raises:
        FileFormatError: It does not hold the weights of VGG16.
    """
    path = Path(path)
    try:
        tensors = read_state_dict(path)
    except FileFormatError as error:
        raise FileFormatError(str(error), hint=FETCH_HINT) from None
    with torch.device("meta"):
        network = VGG16Features()
    wanted = network.state_dict()
    found = {name: tensors[name] for name in wanted if name in tensors}
    for name, tensor in wanted.items():
        has = found.get(name)
        if has is None or has.shape != tensor.shape:
            got = "missing" if has is None else f"of shape {list(has.shape)}"
            raise FileFormatError(
                f"{path}: not torchvision's VGG16: {name} is {got}, expected {list(tensor.shape)}",
                hint=FETCH_HINT,
            )
    network = VGG16Features()
    network.load_state_dict({name: tensor.float() for name, tensor in found.items()})
    return network.to(device).requires_grad_(False).eval()
