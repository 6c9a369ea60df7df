"""How near to real motion could any motion model bring this generator? See docs/quality.md.

    python docs/motion_limit.py UNSEEN_CLIPS [--generator FILE] [--num-clips 32]

Finds a latent for every frame of real clips, one clip's frames from one beginning, and prints the
Frechet distance of motion features to all unseen clips for the clips rendered again, and for the
same steps taken from the contents of seeds 0 and on. The second is what a motion model would reach
that had learnt the real steps; the rest of a model's distance is the model's own.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from motion_quality import NUM_FRAMES, print_row, read_clips, render, statistics
from torch import Tensor

import mocotool as moco
from mocotool.generators.base import Generator
from mocotool.trajectory import draw_latents

NUM_SURVEYED = 3000
COARSE_SIZE, COARSE_WEIGHT = 16, 3.0  # pixels too far from their place still pull at 16 pixels
BATCH_SIZE = 64


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unseen", type=Path)
    parser.add_argument("--generator", type=Path, default=None)
    parser.add_argument("--num-clips", type=int, default=32)
    parser.add_argument("--num-all", type=int, default=161)
    parser.add_argument("--num-steps", type=int, default=100)
    args = parser.parse_args()
    generator = moco.load_generator(args.generator, precision=torch.bfloat16)
    unseen = read_clips(args.unseen, generator.resolution, args.num_all)
    trajectory = project(generator, unseen[: args.num_clips], args.num_steps)
    content = draw_latents(generator, list(range(args.num_all)))
    taken = (trajectory - trajectory[:, :1])[torch.arange(args.num_all) % len(trajectory)]
    reference = statistics(unseen)
    with torch.inference_mode():
        for name, clips in (
            ("those real clips", unseen[: args.num_clips]),
            ("rendered from their latents", render(generator, trajectory)),
            ("their steps from drawn contents", render(generator, content[:, None] + taken)),
        ):
            print_row(name, clips, moco.frechet_distance(reference, statistics(clips)))


def project(generator: Generator, clips: Tensor, num_steps: int) -> Tensor:
    """Return latents [n, t, latent_dim] that render clips [n, t, 3, h, w]."""
    drawn = draw_latents(generator, list(range(NUM_SURVEYED)))
    stdev = drawn.std(dim=0)
    with torch.inference_mode():
        views = [
            F.adaptive_avg_pool2d(generator.synthesis(w), COARSE_SIZE) for w in drawn.split(64)
        ]
    wanted = F.adaptive_avg_pool2d(clips[:, 0], COARSE_SIZE)
    nearest = torch.cdist(wanted.flatten(1), torch.cat(views).flatten(1)).argmin(dim=1)
    first = descend(
        generator, drawn[nearest], clips[:, 0], stdev=stdev, num_steps=num_steps, rate=0.15
    )
    start = first.repeat_interleave(NUM_FRAMES, dim=0)
    found = descend(
        generator, start, clips.flatten(0, 1), stdev=stdev, num_steps=num_steps, rate=0.05
    )
    return found.unflatten(0, (-1, NUM_FRAMES))


def descend(
    generator: Generator,
    start: Tensor,
    target: Tensor,
    *,
    stdev: Tensor,
    num_steps: int,
    rate: float,
) -> Tensor:
    """Return latents near `start` [n, latent_dim] that render `target` [n, 3, h, w]."""
    coords = (start / stdev).requires_grad_()
    optimizer = torch.optim.Adam([coords], lr=rate)
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 2.5 * (1 - step / num_steps))
        for part, wanted in zip(coords.split(BATCH_SIZE), target.split(BATCH_SIZE), strict=True):
            difference = generator.synthesis(part * stdev) - wanted
            coarse = F.adaptive_avg_pool2d(difference, COARSE_SIZE)
            loss = difference.square().mean(dim=(1, 2, 3)).sum()
            loss = loss + COARSE_WEIGHT * coarse.square().mean(dim=(1, 2, 3)).sum()
            loss.backward(inputs=[coords])
        optimizer.step()
        optimizer.zero_grad()
    return (coords * stdev).detach()


if __name__ == "__main__":
    main()
