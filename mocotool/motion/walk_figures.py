"""Figures of motion without rendering: where walks go, what decides it, and how they spread.

Cheap enough for every save of a run, whatever the recipe.
"""

from collections import deque

import torch
from torch import Tensor

from mocotool.motion.displacement import split_displacement
from mocotool.motion.generator import MotionGenerator

NUM_CONTENTS, NUM_MOTIONS = 32, 8
LONG_WALK = 8  # times as many frames as clips have
LEAST_SHARE = 0.05
WIDE_ABOVE = 1.5  # times the spread of first latents
CALM = "lower --step-size"
SEE_CONTENT = "`moco train-motion --latents` has a model that sees the content at every step"
LEAST_OWN = 0.6  # of last frames that are nearest to their own first frame
FROZEN_BELOW, WILD_ABOVE = 0.3, 3.0  # of the real clips' liveliness


@torch.no_grad()
def measure_walks(
    motion: MotionGenerator, first: Tensor, *, num_frames: int, rng: torch.Generator
) -> dict[str, float]:
    """Measure walks from several first latents with several motion seeds each.

    Args:
        motion: What walks.
        first: Drawn first latents [n, latent_dim].
        num_frames: Frames of a clip.
        rng: Draws the noise.

    Returns:
        Shares of the displacement in a clip, "content", "common" and "motion_seed", as
        `split_displacement` has them; and "walk_spread", how far apart latents are after a walk of
        eight clips' length, in units of how far they are at the start.
    """
    a, b = len(first), NUM_MOTIONS
    noise = motion.draw_noise(b, num_frames, rng=rng)
    walks = motion(first.repeat_interleave(b, dim=0), noise.repeat(a, 1, 1))
    ways = _to_units(motion, walks[:, -1] - walks[:, 0]).reshape(a, b, -1)

    # Long walks frame by frame, so that nothing grows with their length.
    long = motion.unroll(first, motion.iter_noise(a, LONG_WALK * num_frames, rng=rng))
    last = deque(long, maxlen=1)[0]
    spread = _to_units(motion, last).var(dim=0).mean() / _to_units(motion, first).var(dim=0).mean()
    return {**split_displacement(ways.cpu().numpy()), "walk_spread": float(spread.sqrt())}


def find_walk_alarms(
    figures: dict[str, float],
    *,
    calm: str = CALM,
    see_content: str = SEE_CONTENT,
) -> dict[str, str]:
    """Return what is wrong with walks, by name, each with what to change.

    Args:
        figures: From `measure_walks`; where walks were rendered, also "own" and "liveliness".
        calm: What makes the recipe's walks shorter.
        see_content: What makes its motion depend on the content.
    """
    own, liveliness = figures.get("own", 1.0), figures.get("liveliness", 1.0)
    told = f"generated clips change {liveliness:.2g} times as much as real ones; "

    # name -> whether it sounds, and what it says
    alarms = {
        "content-blind": (
            figures["content"] < LEAST_SHARE,
            f"the content decides {figures['content']:.0%} of where motion goes, and "
            f"{figures['common']:.0%} is the same for everybody; {see_content}",
        ),
        "motion seeds alike": (
            figures["motion_seed"] < LEAST_SHARE,
            f"the motion seed decides {figures['motion_seed']:.0%} of where motion goes; "
            "train for longer, or on more clips",
        ),
        "drift": (
            figures["walk_spread"] > WIDE_ABOVE,
            f"after long walks latents lie {figures['walk_spread']:.2g} times as wide as at the "
            "start, where the generator has learnt little; sample shorter videos, or "
            f"{calm}",
        ),
        "identity lost": (
            own < LEAST_OWN,
            f"{own:.0%} of last frames are nearest to their own first frame, the others have "
            f"turned into somebody else; {calm}, train for longer, or sample with --pull",
        ),
        "frozen": (liveliness < FROZEN_BELOW, told + "raise --step-size, or train for longer"),
        "wild": (liveliness > WILD_ABOVE, told + "lower --step-size or --learning-rate"),
    }
    return {name: text for name, (is_on, text) in alarms.items() if is_on}


def _to_units(motion: MotionGenerator, latents: Tensor) -> Tensor:
    """Express latents [..., latent_dim] in standard deviations along the basis, [..., k]."""
    return latents @ motion.components.T / motion.stdev.clamp(min=1e-6)
