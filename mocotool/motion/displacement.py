"""Analysis of variance of displacements: shared by all, due to content, or to the motion seed."""

import numpy as np
import numpy.typing as npt

NO_MOTION = 1e-12


def split_displacement(displacements: npt.NDArray[np.floating]) -> dict[str, float]:
    """Split displacements into the shares common to all, due to content, and to the motion seed.

    Args:
        displacements: From first to last latent, for every content with every motion seed:
            [a, b, d], a and b at least 2.

    Returns:
        Shares "common", "content" and "motion_seed" (alone, and together with the content) of the
        mean square displacement, by the unbiased estimates of a two-way random-effects model; they
        sum to one, and may fall below zero by chance where a part is none. All zero without motion.
    """
    a, b, _ = displacements.shape
    moves = displacements.astype(np.float64)
    grand = moves.mean(axis=(0, 1))
    by_content, by_seed = moves.mean(axis=1) - grand, moves.mean(axis=0) - grand
    rest = moves - grand - by_content[:, None] - by_seed[None]

    # Mean squares, and from them the components of variance.
    both = float((rest**2).sum()) / ((a - 1) * (b - 1))
    content = (b * float((by_content**2).sum()) / (a - 1) - both) / b
    seed = (a * float((by_seed**2).sum()) / (b - 1) - both) / a
    common = float(grand @ grand) - content / a - seed / b - both / (a * b)
    total = common + content + seed + both
    if total <= NO_MOTION:
        return {"content": 0.0, "common": 0.0, "motion_seed": 0.0}
    return {
        "content": content / total,
        "common": common / total,
        "motion_seed": (seed + both) / total,
    }
