"""Train motion with parts left out, and by both recipes, and compare: docs/ablations.md.

    python tests/experiments/ablations.py UNSEEN_CLIPS SEEN_CLIPS [--rows ablations] [--log FILE]

Every row is trained anew from each seed, on the seen clips, with the settings below and nothing
chosen; figures are means over seeds, and half the range from the lowest to the highest. With
--every, models are measured on their way too. With --log, each run's figures are added to a file of
JSON lines, and runs that it already holds are not repeated.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import mocotool as moco
from mocotool.basis import PCABasis
from mocotool.configs.evaluate import DiversityProtocol
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.generators.base import Generator
from mocotool.metrics.diversity import compute_diversity, sample_contents
from mocotool.metrics.identity import find_own, identity_features
from mocotool.metrics.motion_features import motion_features
from mocotool.metrics.pixel_features import pixel_features
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.preparation import find_basis, fit_config
from mocotool.motion.trainer import MotionTrainer
from mocotool.trajectory import draw_latents
from mocotool.video.clips import clip_span
from mocotool.video.loading import BatchLoader

SETTINGS: dict[str, Any] = {
    "batch_size": 4,
    "frame_size": 32,
    "hidden_dim": 128,
    "noise_dim": 64,
    "num_components": 128,
    "video_width": 16,
    "pair_width": 16,
    "image_width": 16,
    "bank_size": 512,
    "step_size": 0.25,  # untrained models move about as much as real clips
    "learning_rate": 1e-3,
}
NUM_FRAMES, FRAME_STRIDE = 16, 2
NUM_G_UPDATES = 100
NUM_CLIPS = 161
NUM_WALKS = 1024  # that are not rendered

REFERENCE: dict[str, Any] = {"recipe": "reference", "step_size": 0.5, "num_g_steps": 2}
CROSS: dict[str, Any] = REFERENCE | {"cross_domain": True, "feature_weight": 5.0}
LONG: dict[str, Any] = {"noise_dim": 512, "learning_rate": 3e-4}  # to be trained for longer

ROWS: dict[str, dict[str, dict[str, Any]]] = {
    "ablations": {
        "whole": {},
        "without Eq. 2": {"ablate": "residual"},
        "without D_I": {"ablate": "image-disc"},
        "without D_V": {"ablate": "video-disc"},
        "without L_contr": {"ablate": "contrastive"},
        "without L_m": {"ablate": "mutual-info"},
    },
    "reference": {  # has no contrastive loss in-domain
        "whole": REFERENCE,
        "without Eq. 2": REFERENCE | {"ablate": "residual"},
        "without D_I": REFERENCE | {"ablate": "image-disc"},
        "without D_V": REFERENCE | {"ablate": "video-disc"},
        "without L_m": REFERENCE | {"ablate": "mutual-info"},
    },
    "cross": {
        "whole": CROSS,
        "without D_I": CROSS | {"ablate": "image-disc"},
        "without L_contr": CROSS | {"ablate": "contrastive"},
        "without L_m": CROSS | {"ablate": "mutual-info"},
    },
    "mutual-info": {
        "whole": REFERENCE | LONG,
        "without L_m": REFERENCE | LONG | {"ablate": "mutual-info"},
    },
    "recipes": {
        "paper": {"recipe": "paper"},
        "reference": REFERENCE | {"num_g_steps": 5},
        "reference, 2 G steps": REFERENCE,
    },
}
COLUMNS = {
    "distance": "motion distance",
    "step": "consecutive",
    "jump": "first step",
    "identity": "identity drift",
    "own": "own nearest",
    "pictures": "last pictures",
    "std": "std over motions",
    "recovered": "noise recovered",
    "seconds": "seconds",
}

Figures = dict[tuple[str, int, int], dict[str, float]]
"""What was measured, by row, seed and steps of the motion generator."""


def main() -> None:
    """Train what is not in the log, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unseen", type=Path)
    parser.add_argument("seen", type=Path)
    parser.add_argument("--generator", type=Path, default=None)
    parser.add_argument("--pca", type=Path, default=None)
    parser.add_argument("--rows", choices=ROWS, default="ablations")
    parser.add_argument("--num-g-updates", type=int, default=NUM_G_UPDATES)
    parser.add_argument("--every", type=int, default=None, help="motion steps between figures")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0 to N-1")
    parser.add_argument("--log", type=Path, default=None)
    args = parser.parse_args()
    every = args.every or args.num_g_updates
    if args.num_g_updates % every:
        parser.error(f"--every {every}: expected a divisor of {args.num_g_updates} steps")
    generator = moco.load_generator(args.generator, precision=torch.bfloat16)
    basis = find_basis(generator, args.pca, note=tell)
    clips = load_seen(args.seen)
    reference = statistics(read_clips(args.unseen, generator.resolution, NUM_CLIPS))
    done = read_log(args.log)
    for seed in range(args.seeds):
        for name, changes in ROWS[args.rows].items():
            if (name, seed, args.num_g_updates) in done:
                continue
            config = choose_config(generator, basis, changes, args.num_g_updates, seed=seed)
            for num, motion, seconds in train(generator, basis, clips, config, every=every):
                figures = measure(generator, motion, reference) | {"seconds": seconds}
                done[name, seed, num] = figures
                line = json.dumps({"row": name, "seed": seed, "steps": num, "figures": figures})
                tell(line)
                if args.log is not None:
                    with args.log.open("a") as log:
                        log.write(line + "\n")
    for num in range(every, args.num_g_updates + 1, every):
        print_table(done, list(ROWS[args.rows]), args.seeds, num)


def choose_config(
    generator: Generator, basis: PCABasis, changes: dict[str, Any], num_g_updates: int, *, seed: int
) -> TrainMotionConfig:
    """Return the settings of a row, the paper's recipe unless it says otherwise."""
    settings: dict[str, Any] = {"recipe": "paper", "seed": seed} | SETTINGS | changes
    config = TrainMotionConfig.from_recipe(**settings)
    num_steps = num_g_updates // config.num_g_steps
    config = TrainMotionConfig.from_recipe(**settings, num_steps=num_steps)
    return fit_config(config, generator, basis, note=lambda _: None)


def load_seen(folder: Path) -> BatchLoader:
    """Decode the training clips once for all runs."""
    listing = moco.list_videos(folder, min_frames=clip_span(NUM_FRAMES, FRAME_STRIDE))
    return moco.load_clips(
        listing,
        num_frames=NUM_FRAMES,
        size=SETTINGS["frame_size"],
        batch_size=SETTINGS["batch_size"],
    )


def train(
    generator: Generator,
    basis: PCABasis,
    clips: BatchLoader,
    config: TrainMotionConfig,
    *,
    every: int,
) -> Iterator[tuple[int, MotionGenerator, float]]:
    """Train a row's motion model.

    Yields:
        After every so many of its steps their number, the averaged model, and the processor's
        seconds that training took.
    """
    position = config.seed * config.num_steps * config.batch_size
    clips.load_state_dict(clips.state_dict() | {"position": position})
    trainer = MotionTrainer(generator, basis, config)
    seconds, steps_between = 0.0, every // config.num_g_steps
    for step_idx in range(config.num_steps):
        started = time.process_time()
        trainer.step(next(clips))
        seconds += time.process_time() - started
        times, rest = divmod(step_idx + 1, steps_between)
        if rest == 0:
            yield times * every, trainer.averaged, seconds


@torch.inference_mode()
def measure(
    generator: Generator, motion: MotionGenerator, reference: moco.FeatureStats
) -> dict[str, float]:
    """Return a motion model's figures; content seeds from 0, one seed for all noise."""
    latent = draw_latents(generator, list(range(NUM_CLIPS)))
    noise = motion.draw_noise(NUM_CLIPS, NUM_FRAMES, rng=torch.Generator().manual_seed(0))
    clips = render(generator, motion(latent, noise))
    steps = clips.diff(dim=1).abs().mean(dim=(0, 2, 3, 4))
    first, last = (identity_features(clips[:, i] / 2 + 0.5) for i in (0, -1))
    return {
        "distance": moco.frechet_distance(reference, statistics(clips)),
        "step": float(steps.mean()),
        "jump": float(steps[0]),
        "identity": float((last - first).norm(dim=1).mean()) / 2**0.5,
        "own": float(find_own(last, first).float().mean()),
        "pictures": compare_pictures(clips[:, 0], clips[:, -1]),
        "std": measure_std(generator, motion),
        "recovered": measure_recovery(motion, draw_latents(generator, list(range(NUM_WALKS)))),
    }


def read_clips(folder: Path, size: int, n: int) -> Tensor:
    """Return `n` clips in [-1, 1], [n, t, 3, size, size]."""
    listing = moco.list_videos(folder, min_frames=clip_span(NUM_FRAMES, FRAME_STRIDE))
    with moco.load_clips(
        listing, num_frames=NUM_FRAMES, frame_stride=FRAME_STRIDE, size=size, batch_size=n
    ) as batches:
        return next(batches).float() / 127.5 - 1


def render(generator: Generator, trajectory: Tensor) -> Tensor:
    """Return clips in [-1, 1], [n, t, 3, h, w]."""
    return torch.stack([generator.synthesis(video).clamp(-1, 1) for video in trajectory])


def statistics(clips: Tensor) -> moco.FeatureStats:
    """Return the statistics of the clips' motion features."""
    features = torch.cat([motion_features(part / 2 + 0.5) for part in clips.split(32)])
    return moco.FeatureStats.from_features(features.numpy())


def measure_std(generator: Generator, motion: MotionGenerator) -> float:
    """Return the per-pixel deviation of Appendix D, over 8 contents with 16 motions each."""
    protocol = DiversityProtocol(num_contents=8, num_motions=16, num_frames=NUM_FRAMES)
    result, _ = compute_diversity(sample_contents(motion, generator, protocol=protocol))
    return result.value


def measure_recovery(motion: MotionGenerator, latent: Tensor) -> float:
    """Return how much of its noise a motion model lets through to its steps, 0 to 1.

    It is the mean cosine of the noise and of its least-squares guess from the steps, fitted to one
    half of the walks and tried on the other.
    """
    noise = motion.draw_noise(len(latent), NUM_FRAMES, rng=torch.Generator().manual_seed(0))
    steps = motion(latent, noise).diff(dim=1)
    fitted, tried = (steps - steps.mean(dim=(0, 1))).chunk(2)
    noise, expected = noise.chunk(2)
    guess = torch.linalg.lstsq(fitted.flatten(0, 1), noise.flatten(0, 1)).solution
    return float(torch.cosine_similarity(tried @ guess, expected, dim=-1).mean())


def compare_pictures(first: Tensor, last: Tensor) -> float:
    """Return the Frechet distance of pixel features of last to first frames, [n, 3, h, w]."""
    a, b = (
        moco.FeatureStats.from_features(pixel_features(img / 2 + 0.5).numpy())
        for img in (first, last)
    )
    return moco.frechet_distance(a, b)


def print_table(done: Figures, rows: list[str], num_seeds: int, num_g_updates: int) -> None:
    """Print the means over seeds, and half the range."""
    print(f"| {num_g_updates} steps |", " | ".join(COLUMNS.values()), "|")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for row in rows:
        cells = []
        for column in COLUMNS:
            values = [done[row, seed, num_g_updates][column] for seed in range(num_seeds)]
            middle, half = sum(values) / num_seeds, (max(values) - min(values)) / 2
            cells.append(f"{middle:.3g} ± {half:.1g}")
        print(f"| {row} |", " | ".join(cells), "|")


def read_log(path: Path | None) -> Figures:
    """Return the figures of the runs in a log."""
    lines = path.read_text().splitlines() if path is not None and path.exists() else []
    entries = [json.loads(line) for line in lines]
    return {(entry["row"], entry["seed"], entry["steps"]): entry["figures"] for entry in entries}


def tell(message: str) -> None:
    """Say how it goes, beside the table."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
