"""Identity features that distinguish animated persons, without a network or weights.

A histogram of the colours of skin, hair and clothes, without their positions. It does not detect
distorted faces.
"""

import torch
from torch import Tensor

NUM_BINS = 6  # of each channel; 4 to 10 tell the bundled people apart alike


def identity_features(img: Tensor) -> Tensor:
    """Compute the square root of a colour histogram.

    Args:
        img: Frames in [0, 1], [n, 3, h, w].

    Returns:
        [n, NUM_BINS**3], unit vectors; a pixel counts for the two nearest bins of each channel.
    """
    centres = torch.linspace(0, 1, NUM_BINS, device=img.device)[:, None]
    width = 1 / (NUM_BINS - 1)
    pixels = img.clamp(0, 1).flatten(2)[:, :, None]  # [n, 3, 1, h*w]
    red, green, blue = (1 - (pixels - centres).abs() / width).clamp(min=0).unbind(dim=1)
    pairs = torch.einsum("nap,nbp->nabp", red, green).flatten(1, 2)
    counts = torch.einsum("nap,nbp->nab", pairs, blue).flatten(1)
    return (counts / img[0, 0].numel()).sqrt()


def identity_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the Hellinger distances [n, m], in [0, 1], of rows of `a` [n, d] and `b` [m, d]."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist") / 2**0.5


def find_own(later: Tensor, first: Tensor) -> Tensor:
    """Return which later frames are nearest to the first frame of their own clip.

    Args:
        later: Features of a later frame of each clip, [n, d].
        first: Features of the first frame of each clip, [n, d].

    Returns:
        bool [n]; false for a tie with another clip's first frame.
    """
    distances = identity_distance(later, first)  # [n, n]
    others = distances + torch.where(torch.eye(len(first)) > 0, torch.inf, 0.0)
    own: Tensor = distances.diag() < others.min(dim=1).values
    return own
