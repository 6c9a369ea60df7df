"""How near are a generator's pictures to frames of clips it never saw?

    python tests/experiments/generator_quality.py GENERATOR UNSEEN SEEN [--old GENERATOR]

Prints a table: for seen clips (real to real), for the same reduced to the old generator's size, for
the old generator and for the new one, each against the unseen clips,

- KID x1000: the kernel distance of squeezenet features times 1000, with its standard error. Every
  draw takes one frame a clip, since frames of one clip are not independent, and all samples; the
  mean of all draws is printed.
- 1-NN: how often a frame's nearest neighbour in squeezenet features is of its own side, from as
  many frames of either (0.5: alike; 1: told apart), mean and standard deviation of the draws; and
  the same for the real and for the other frames alone.
- pixels: the Frechet distance of pixel features, of all frames and all samples.

Samples are those of seeds 0, 1, ...; UNSEEN and SEEN are folders of clips.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import mocotool as moco
from mocotool.layouts import to_frames_u8
from mocotool.trajectory import draw_latents

BATCH = 8


def main(args=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator", help="a file, or bundled:people.safetensors")
    parser.add_argument("unseen", type=Path)
    parser.add_argument("seen", type=Path)
    parser.add_argument("--old", help="generator to compare with")
    parser.add_argument("--num-samples", type=int, default=2000)
    parser.add_argument("--frames-per-clip", type=int, default=12, help="as many draws")
    parser.add_argument("--reduced", type=int, default=64, help="pixels")
    options = parser.parse_args(args)

    k = options.frames_per_clip
    unseen = measure(read_frames(options.unseen, k))
    seen_u8 = read_frames(options.seen, k)
    print("| against unseen clips | KID x1000 | 1-NN | real | other | pixels |")
    print("|---|---|---|---|---|---|")
    print_row("seen clips", unseen, measure(seen_u8))
    reduced_u8 = reduce(seen_u8, options.reduced)
    print_row(f"seen clips at {options.reduced} px", unseen, measure(reduced_u8))
    for path in filter(None, (options.old, options.generator)):
        print_row(Path(path).name, unseen, measure(sample(path, options.num_samples)))


def read_frames(folder, count):
    """Return frames spread evenly over each clip, in random order, uint8 [clips, count, h, w, 3].

    The order is random so that the first draw does not show everybody at rest.
    """
    rng = np.random.default_rng(0)
    clips = []
    for entry in moco.list_videos(folder, min_frames=count).entries:
        places = np.linspace(0, entry.num_frames - 1, count).round().astype(int)
        clips.append(rng.permutation(moco.read_frames(entry, places.tolist())))
    return torch.from_numpy(np.stack(clips))


def reduce(frames_u8, size):
    """Return frames [clips, count, h, w, 3] at another size, as bytes."""
    img = frames_u8.flatten(0, 1).movedim(-1, 1)
    small = F.interpolate(img, (size, size), mode="bicubic", antialias=True)
    return small.movedim(1, -1).unflatten(0, frames_u8.shape[:2])


@torch.inference_mode()
def sample(path, count):
    """Return the pictures of seeds 0, 1, ..., each alone, uint8 [count, 1, h, w, 3]."""
    generator = moco.load_generator(path)
    latent = draw_latents(generator, list(range(count)))
    pictures = [to_frames_u8(generator.synthesis(part)) for part in latent.split(64)]
    return torch.cat(pictures)[:, None]


def measure(frames_u8):
    """Return features by detector, [clips, count, d] each."""
    found = {}
    for name in ("squeezenet", "pixels"):
        detector = moco.load_frame_detector(name)
        with torch.inference_mode():
            parts = [
                detector.extract(detector.prepare(part))
                for part in frames_u8.flatten(0, 1).split(BATCH)
            ]
        found[name] = torch.cat(parts).unflatten(0, frames_u8.shape[:2]).numpy()
    return found


def print_row(name, real, other):
    """Print one line of the table."""
    kernels, accuracies = compare_draws(real["squeezenet"], other["squeezenet"])
    value, error = kernels.mean(axis=0) * 1000
    both, alone_real, alone_other = accuracies.mean(axis=0)
    stats = [moco.FeatureStats.from_features(np.concatenate(x["pixels"])) for x in (real, other)]
    print(
        f"| {name} | {value:.1f} ± {error:.1f} | {both:.3f} ± {accuracies[:, 0].std():.3f} "
        f"| {alone_real:.2f} | {alone_other:.2f} | {moco.frechet_distance(*stats):.2f} |",
        flush=True,
    )


def compare_draws(real, other):
    """Compare one frame a clip in as many draws as there are frames.

    Args:
        real: Features [clips, count, d].
        other: Features [clips, count, d] too, or of samples [samples, 1, d].

    Returns:
        Kernel distance and its standard error [count, 2]; accuracy of nearest neighbours, that of
        the real frames and that of the others [count, 3].
    """
    kernels, accuracies = [], []
    size = min(len(real), len(other))
    order = np.random.default_rng(0).permutation(len(other))
    for draw in range(real.shape[1]):
        # Of clips one frame each, of samples always all.
        real_draw, other_draw = real[:, draw], other[:, min(draw, other.shape[1] - 1)]
        kernel = moco.kernel_distance(real_draw, other_draw)
        kernels.append((kernel.value, kernel.standard_error))
        chosen = np.take(order, range(draw * size, (draw + 1) * size), mode="wrap")
        near = moco.nearest_neighbour_accuracy(real_draw[:size], other_draw[chosen])
        accuracies.append((near.value, near.x, near.y))
    return np.array(kernels), np.array(accuracies)


if __name__ == "__main__":
    main()
