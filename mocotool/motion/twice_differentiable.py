"""A 3-D convolution layer whose slope can be differentiated again quickly, in bfloat16 safely."""

import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.generators.twice_differentiable import convolve_3d


class TwiceDifferentiableConv3d(nn.Conv3d):
    """`nn.Conv3d` for gradient penalties; computes in the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, t, h, w] to [n, c_out, t', h', w']."""
        assert self.bias is not None
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        padding = [int(size) for size in self.padding]
        if x.shape[2] < self.kernel_size[0]:
            # Without this, torch 2.13 fills bfloat16 weight gradients with garbage on the CPU.
            # Remove when tests/motion/test_twice_differentiable.py says it is mended.
            x = F.pad(x, [0, 0, 0, 0, padding[0], padding[0]])
            padding[0] = 0
        return convolve_3d(x, weight, bias, stride=self.stride[0], padding=padding)
