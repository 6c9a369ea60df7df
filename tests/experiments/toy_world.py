"""A world where the truth is known: what each part of the method does to motion.

    python tests/experiments/toy_world.py [--rows whole "without Eq. 2"] [--seeds 5] [--log FILE]

A generator draws one disc, exactly and differentiably: two latents place it, three colour it, one
sizes it, and nothing is learnt. Real discs go one of four ways. Whether along x or y their colour
decides; which way along it is free. So of good motion it is known: one bit given the content, one
bit from the content, all four ways, no drift of colour or size, and no jump at the first step.

Every row trains the motion generator with something left out, from the same seeds; the table has
means over seeds and the 95 % interval of the paired difference from the first row. With --log, runs
are added to a file of JSON lines and those that it holds are not repeated.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.generators.base import Generator, Space
from mocotool.generators.dcgan import IdentityMapping
from mocotool.metrics.motion_figures import Interval
from mocotool.motion.trainer import MotionTrainer

SIZE, NUM_FRAMES = 16, 8
X, Y, RED, GREEN, BLUE, WIDTH = range(6)
NUM_LATENTS = 6
PACE = 0.25  # of a real disc, in standard deviations a frame
STILL_BELOW = 0.25  # of the real way
TRUTH = {"free": 1.0, "content": 1.0, "ways": 4.0, "energy": 1.0, "drift": 0.0, "jump": 1.0}

SETTINGS: dict[str, Any] = {
    "recipe": "paper",
    "batch_size": 16,
    "num_frames": NUM_FRAMES,
    "frame_size": SIZE,
    "num_components": NUM_LATENTS,
    "noise_dim": 4,
    "video_width": 8,
    "image_width": 8,
    "bank_size": 256,
    "embed_dim": 32,
    "step_size": PACE,
    "learning_rate": 1e-3,
    "num_scales": 1,
    "form": "reference",
    "hidden_dim": 32,
}
ROWS: dict[str, dict[str, Any]] = {
    "whole": {},
    "without Eq. 2": {"ablate": "residual"},
    "without D_V": {"ablate": "video-disc"},
    "without D_I": {"ablate": "image-disc"},
    "without L_contr": {"ablate": "contrastive"},
    "without L_m": {"ablate": "mutual-info"},
    "L_m by a head on the step": {"mutual_info_loss": "step"},
    "L_m by InfoNCE of noise and steps": {"mutual_info_loss": "infonce"},
}


class DiscSynthesis(nn.Module):
    """Draws discs."""

    def __init__(self) -> None:
        super().__init__()
        self.compute_dtype = torch.float32
        places = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
        self.register_buffer("grid", torch.stack(torch.meshgrid(places, places, indexing="ij")))

    def forward(self, latent: Tensor, **_: Any) -> Tensor:
        """Draw latents [n, NUM_LATENTS] as [n, 3, SIZE, SIZE] in [-1, 1]."""
        middle = 0.35 * latent[:, [Y, X], None, None]
        radius = 0.25 + 0.08 * torch.tanh(latent[:, WIDTH, None, None])
        distance = ((self.grid - middle).square().sum(dim=1) + 1e-6).sqrt()
        inside = torch.sigmoid((radius - distance) * 20)[:, None]
        colour = torch.tanh(latent[:, RED : BLUE + 1])[:, :, None, None]
        return inside * colour + (1 - inside) * -1.0


class Discs(Generator):
    """The generator of the toy world."""

    kind: ClassVar[str] = "dcgan"
    space: ClassVar[Space] = "z"

    def __init__(self) -> None:
        super().__init__()
        self.mapping, self.synthesis = IdentityMapping(), DiscSynthesis()
        self.resolution, self.img_channels = SIZE, 3
        self.z_dim = self.latent_dim = NUM_LATENTS
        self.num_ws, self.c_dim = 1, 0

    @property
    def arch(self) -> dict[str, Any]:
        """Nothing to build it from."""
        return {}

    @property
    def device(self) -> torch.device:
        """Where the grid is."""
        return self.synthesis.grid.device


class RealDiscs(Iterator[Tensor]):
    """Clips of real discs, batch after batch."""

    def __init__(self, generator: Discs, *, n: int, seed: int) -> None:
        self.generator, self.n = generator, n
        self.rng = torch.Generator().manual_seed(seed)

    def __next__(self) -> Tensor:
        """Return [n, t, 3, SIZE, SIZE] in [-1, 1]."""
        walks = walk_really(torch.randn(self.n, NUM_LATENTS, generator=self.rng), self.rng)
        return self.generator.synthesis(walks.flatten(0, 1)).unflatten(0, (self.n, -1))


def walk_really(first: Tensor, rng: torch.Generator) -> Tensor:
    """Return walks [n, t, NUM_LATENTS] of real discs."""
    way = torch.randint(2, (len(first),), generator=rng) * 2.0 - 1
    steps = torch.zeros(len(first), NUM_FRAMES - 1, NUM_LATENTS)
    axis = real_axis(first)
    steps[torch.arange(len(first)), :, axis] = PACE * way[:, None]
    return torch.cat([first[:, None], first[:, None] + steps.cumsum(dim=1)], dim=1)


def real_axis(first: Tensor) -> Tensor:
    """Return along which axis a disc's colour sends it, X or Y [n]."""
    return torch.where(first[:, RED] > 0, X, Y)


def train(row: str, seed: int, num_steps: int, **changes: Any) -> MotionTrainer:
    """Train a row's motion generator from a seed."""
    settings = SETTINGS | ROWS[row] | changes | {"seed": seed, "num_steps": num_steps}
    config = TrainMotionConfig.from_recipe(**settings)
    generator = Discs().freeze()
    basis = PCABasis(
        components=np.eye(NUM_LATENTS, dtype=np.float32), stdev=np.ones(NUM_LATENTS, np.float32)
    )
    trainer = MotionTrainer(generator, basis, config)
    clips = RealDiscs(generator, n=config.batch_size, seed=seed)
    for _ in range(num_steps):
        trainer.step(next(clips))
    return trainer


@torch.no_grad()
def measure(walks: Tensor) -> dict[str, float]:
    """Measure walks of several contents with several motion seeds each; see TRUTH.

    Args:
        walks: [contents, motions, t, NUM_LATENTS].

    Returns:
        free: bits of the way given the content. content: bits that the colour tells of the axis.
        ways: ways taken by one walk in twenty at least, of four. energy: length of the way, of the
        real one. drift: how far the other latents go, of the real way. jump: the first step, of
        the mean later one.
    """
    way = walks[:, :, -1] - walks[:, :, 0]  # [a, b, d]
    length = PACE * (NUM_FRAMES - 1)
    places = way[..., :2]
    axis = places.abs().argmax(dim=2)
    sign = (places.gather(2, axis[..., None])[..., 0] > 0).long()
    moves = 1 + 2 * axis + sign  # 1 to 4
    moves[places.norm(dim=2) < STILL_BELOW * length] = 0  # 0 is standing still
    free = torch.stack([_entropy(row) for row in moves]).mean()
    truth = real_axis(walks[:, 0, 0])
    given = sum((truth == a).float().mean() * _entropy(moves[truth == a]) for a in (X, Y))
    shares = torch.bincount(moves.flatten(), minlength=5)[1:] / moves.numel()
    steps = walks.diff(dim=2).norm(dim=3).mean(dim=(0, 1))
    return {
        "free": float(free),
        "content": float(_entropy(moves.flatten()) - given),
        "ways": float((shares > 0.05).sum()),
        "energy": float(places.norm(dim=2).mean() / length),
        "drift": float(way[..., 2:].norm(dim=2).mean() / length),
        "jump": float(steps[0] / steps[1:].mean().clamp(min=1e-9)),
    }


def _entropy(moves: Tensor) -> Tensor:
    """Return the entropy of moves in bits."""
    shares = torch.bincount(moves.flatten(), minlength=5) / max(moves.numel(), 1)
    return -(shares * shares.clamp(min=1e-12).log2()).sum()


def walk(trainer: MotionTrainer, *, num_contents: int = 64, num_motions: int = 32) -> Tensor:
    """Return walks of the averaged model, [contents, motions, t, NUM_LATENTS]."""
    rng = torch.Generator().manual_seed(12345)
    first = torch.randn(num_contents, NUM_LATENTS, generator=rng)
    noise = trainer.averaged.draw_noise(num_motions, NUM_FRAMES, rng=rng)
    with torch.no_grad():
        walks = trainer.averaged(
            first.repeat_interleave(num_motions, dim=0), noise.repeat(num_contents, 1, 1)
        )
    return walks.unflatten(0, (num_contents, num_motions))


def main() -> None:
    """Train what is not in the log, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--num-steps", type=int, default=400)
    parser.add_argument("--log", type=Path, default=None)
    args = parser.parse_args()
    lines = args.log.read_text().splitlines() if args.log and args.log.exists() else []
    done = {(e["row"], e["seed"], e["steps"]): e["figures"] for e in map(json.loads, lines)}
    for seed in range(args.seeds):
        for row in args.rows:
            if (row, seed, args.num_steps) in done:
                continue
            figures = measure(walk(train(row, seed, args.num_steps)))
            done[row, seed, args.num_steps] = figures
            entry = {"row": row, "seed": seed, "steps": args.num_steps, "figures": figures}
            print(json.dumps(entry), file=sys.stderr, flush=True)
            if args.log is not None:
                with args.log.open("a") as log:
                    log.write(json.dumps(entry) + "\n")
    for line in draw_table(done, args.rows, args.seeds, args.num_steps):
        print(line)


def draw_table(
    done: dict[tuple[str, int, int], dict[str, float]], rows: list[str], seeds: int, num_steps: int
) -> Iterator[str]:
    """Yield lines of a Markdown table: means, and paired differences from the first row."""
    yield f"| {num_steps} steps, {seeds} seeds | {' | '.join(TRUTH)} |"
    yield "|---" * (len(TRUTH) + 1) + "|"
    yield f"| the truth | {' | '.join(f'{value:.2f}' for value in TRUTH.values())} |"
    for row in rows:
        cells = []
        for name in TRUTH:
            values = [done[row, seed, num_steps][name] for seed in range(seeds)]
            first = [done[rows[0], seed, num_steps][name] for seed in range(seeds)]
            gap = Interval.of([a - b for a, b in zip(values, first, strict=True)])
            cell = f"{np.mean(values):.2f}"
            if row != rows[0] and gap.half_width is not None and not math.isnan(gap.half_width):
                cell += f" ({gap.mean:+.2f} ± {gap.half_width:.2f})"
            cells.append(cell)
        yield f"| {row} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
