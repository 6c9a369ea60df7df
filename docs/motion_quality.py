"""Compare motion with unseen clips, as in docs/quality.md: learnt, random, absent and real.

    python docs/motion_quality.py UNSEEN_CLIPS SEEN_CLIPS [--num-clips 161]

Prints a table with, for each kind of clip, the Frechet distance of motion features to the unseen
clips; the mean absolute difference of consecutive frames and of first and last frame, in [-1, 1];
the share of the way that leads from first to last; how far the identity drifts from first to last
frame; and the share of clips whose last frame is nearest to its own first frame among those of all
(see `identity.py`). Clips are 16 frames, every second of the video; seeds from 0.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from identity import measure_identity, measure_separation
from torch import Tensor

import mocotool as moco
from mocotool.configs.evaluate import DiversityProtocol
from mocotool.generators.base import Generator
from mocotool.metrics.diversity import compute_diversity, sample_contents
from mocotool.metrics.motion_features import motion_features
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import draw_latents
from mocotool.video.clips import clip_span

NUM_FRAMES, FRAME_STRIDE = 16, 2


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unseen", type=Path)
    parser.add_argument("seen", type=Path)
    parser.add_argument("--generator", type=Path, default=None)
    parser.add_argument("--motion", type=Path, default=None)
    parser.add_argument("--num-clips", type=int, default=161)
    args = parser.parse_args()
    motion = moco.load_motion(args.motion)
    generator = moco.load_generator(args.generator, precision=torch.bfloat16)
    n = args.num_clips
    latent = draw_latents(generator, list(range(n)))
    noise = motion.draw_noise(n, NUM_FRAMES, rng=torch.Generator().manual_seed(0))
    learnt = motion(latent, noise)
    steps = learnt.diff(dim=1)
    rng = torch.Generator().manual_seed(1)
    coefficients = torch.randn(n, NUM_FRAMES - 1, len(motion.stdev), generator=rng)
    walk = (coefficients * motion.stdev) @ motion.components
    walk *= steps.square().sum(2).mean().sqrt() / walk.square().sum(2).mean().sqrt()
    torch.manual_seed(0)
    untrained = MotionGenerator(
        latent_dim=motion.latent_dim,
        noise_dim=motion.noise_dim,
        hidden_dim=motion.hidden_dim,
        components=motion.components,
        stdev=motion.stdev,
        step_size=motion.step_size,
    )
    unseen = read_clips(args.unseen, generator.resolution, n)
    shuffled = torch.stack([clip[torch.randperm(NUM_FRAMES, generator=rng)] for clip in unseen])
    kinds: dict[str, Callable[[], Tensor]] = {
        "unseen": lambda: unseen,
        "unseen, other places of the same videos": lambda: read_clips(
            args.unseen, generator.resolution, n, 1
        ),
        "seen": lambda: read_clips(args.seen, generator.resolution, n),
        "**the bundled motion model**": lambda: render(generator, learnt),
        "the same, one motion seed for all": lambda: render(
            generator, motion(latent, noise[:1].expand_as(noise))
        ),
        "random walk in the PCA basis, same energy": lambda: render(
            generator, walk_from(latent, walk)
        ),
        "untrained motion model": lambda: render(generator, untrained(latent, noise)),
        "no motion": lambda: render(generator, latent[:, None].expand(-1, NUM_FRAMES, -1)),
        "unseen, frames shuffled": lambda: shuffled,
        "unseen, first frame held": lambda: unseen[:, :1].expand_as(unseen),
    }
    reference = statistics(unseen)
    print("| clips | distance | consecutive | first to last | share | identity | own |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    for name, make in kinds.items():
        clips = make()
        print_row(name, clips, moco.frechet_distance(reference, statistics(clips)))
    print(f"identity tells unseen clips apart with an area of {measure_separation(unseen):.4f}")  # noqa: T201
    print_disentanglement(generator, motion)


def walk_from(latent: Tensor, steps: Tensor) -> Tensor:
    """Return the trajectory [n, t, d] that begins at `latent` and takes `steps` [n, t-1, d]."""
    return torch.cat([latent[:, None], latent[:, None] + steps.cumsum(dim=1)], dim=1)


def read_clips(folder: Path, size: int, n: int, seed: int = 0) -> Tensor:
    """Return `n` clips in [-1, 1], [n, t, 3, size, size]."""
    listing = moco.list_videos(folder, min_frames=clip_span(NUM_FRAMES, FRAME_STRIDE))
    with moco.load_clips(
        listing,
        num_frames=NUM_FRAMES,
        frame_stride=FRAME_STRIDE,
        size=size,
        batch_size=n,
        seed=seed,
    ) as batches:
        return next(batches).float() / 127.5 - 1


def render(generator: Generator, trajectory: Tensor) -> Tensor:
    """Return clips in [-1, 1], [n, t, 3, h, w]."""
    return torch.stack([generator.synthesis(video).clamp(-1, 1) for video in trajectory])


def statistics(clips: Tensor) -> moco.FeatureStats:
    """Return the statistics of the clips' motion features."""
    features = torch.cat([motion_features(part / 2 + 0.5) for part in clips.split(32)])
    return moco.FeatureStats.from_features(features.numpy())


def print_row(name: str, clips: Tensor, distance: float) -> None:
    """Print one line of the table."""
    step = float(clips.diff(dim=1).abs().mean())
    drift = float((clips[:, -1] - clips[:, 0]).abs().mean())
    share = drift / (step * (NUM_FRAMES - 1)) if step else 0.0
    identity, own = measure_identity(clips)
    print(  # noqa: T201
        f"| {name} | {distance:.2f} | {step:.4f} | {drift:.4f} | {share:.2f} | {identity:.3f} | "
        f"{own:.0%} |",
        flush=True,
    )


def print_disentanglement(generator: Generator, motion: MotionGenerator) -> None:
    """Print how much motion follows the motion seed, and how much it varies for one content."""
    same, other = correlate_energy(generator, motion)
    print(  # noqa: T201
        f"energy over time correlates {same:.2f} for the same motion seed on two contents, "
        f"{other:.2f} for two motion seeds"
    )
    print(f"std of the last frame over motion seeds {measure_std(generator, motion):.4f}")  # noqa: T201


def correlate_energy(generator: Generator, motion: MotionGenerator) -> tuple[float, float]:
    """Return how the energy of motion over time correlates between two contents.

    Returns:
        For the same motion seed and for two motion seeds, over 8 contents with 8 motions each.
    """
    latent = draw_latents(generator, list(range(8))).repeat_interleave(8, dim=0)
    noise = motion.draw_noise(8, NUM_FRAMES, rng=torch.Generator().manual_seed(2)).repeat(8, 1, 1)
    clips = render(generator, motion(latent, noise))
    energy = clips.diff(dim=1).square().mean(dim=(2, 3, 4)).log().unflatten(0, (8, 8))
    curves = energy - energy.mean(dim=2, keepdim=True)  # [content, motion, t-1]
    curves = curves / curves.norm(dim=2, keepdim=True)
    same = torch.einsum("amt,bmt->mab", curves, curves)
    other = torch.einsum("amt,bnt->abmn", curves, curves)
    off = ~torch.eye(8, dtype=torch.bool)
    return float(same[:, off].mean()), float(other[off][:, off].mean())


def measure_std(generator: Generator, motion: MotionGenerator) -> float:
    """Return the per-pixel deviation of Appendix D, over 8 contents with 16 motions each.

    It is `moco eval diversity --num-contents 8 --num-motions 16`.
    """
    protocol = DiversityProtocol(num_contents=8, num_motions=16, num_frames=NUM_FRAMES)
    result, _ = compute_diversity(sample_contents(motion, generator, protocol=protocol))
    return result.value


if __name__ == "__main__":
    main()
