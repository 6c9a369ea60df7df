"""Where do long walks end? Distance from the latents' mean, identity and colours, frame by frame.

    python tests/experiments/long_walks.py [MOTION] [--generator FILE] [--num-frames 512]
        [--num-contents 48] [--seeds 5] [-o FILE.png] [--json FILE]

Walks of a motion model (the bundled one), of its mean step with AR(1) noise of its covariance, of
such noise that also goes back to the first latent as the model does, of the model with untrained
weights, and random ones of its energy. All but the model take their moments from clips as long as
those of training. Distances need no pictures; what is rendered are
the first frame and those after 16 frames and each doubling. Prints a table of the doublings with
95 % intervals over seeds, draws the curves, and writes every number as JSON.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

import mocotool as moco
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.metrics.identity import find_own, identity_features
from mocotool.metrics.motion_baselines import (
    move_untrained,
    walk_autoregressively,
    walk_randomly,
    walk_with_return,
)
from mocotool.metrics.motion_figures import Interval
from mocotool.metrics.motion_sample import FRAME_SIZE
from mocotool.metrics.sources import RenderedLatents
from mocotool.motion.generator import MotionGenerator
from mocotool.plots import Series, draw_line_chart
from mocotool.trajectory import draw_latents
from mocotool.video.cutting import square_frames

NUM_DRAWN = 4096  # latents whose mean and spread distances are measured by
DRAWN_FROM = 1_000_000  # their first seed, beyond those of contents
FIRST_LENGTH = 16
WIDTH, HEIGHT = 880, 400  # pixels of each chart
FIGURES = {
    "distance": "distance from the latents' mean, in their standard deviations",
    "own": "share of frames that are nearest to their own first frame",
    "drift": "mean absolute difference from the first frame, in [-1, 1]",
}


def main(args=None) -> None:
    """Draw, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("motion", type=Path, nargs="?")
    parser.add_argument("--generator", type=Path)
    parser.add_argument("--num-frames", type=int, default=512)
    parser.add_argument("--num-contents", type=int, default=48)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(args)

    began = time.process_time()
    motion, generator = moco.load_motion(options.motion), moco.load_generator(options.generator)
    num_frames, lengths = options.num_frames, list_lengths(options.num_frames)
    to_units = measure_unit(generator, motion)
    found: dict[str, dict[str, list[list[float]]]] = {}
    for seed in range(options.seeds):
        for name, draw in list_walks(
            motion, generator, seed=seed, n=options.num_contents, num_frames=num_frames
        ).items():
            walks = draw()
            figures = measure_pictures(walks, generator, lengths)
            figures["distance"] = measure_distance(to_units(walks.latents))
            for figure, values in figures.items():
                found.setdefault(name, {}).setdefault(figure, []).append(values)

    for line in draw_table(found, lengths):
        print(line)
    print(f"{time.process_time() - began:.0f} CPU s")
    if options.out is not None:
        moco.write_png(options.out, draw_curves(found, lengths))
    if options.json is not None:
        record = {
            "num_contents": options.num_contents,
            "seeds": options.seeds,
            "lengths": lengths,
            "walks": found,
        }
        options.json.write_text(json.dumps(record) + "\n", encoding="utf-8")


def list_lengths(num_frames: int) -> list[int]:
    """Return 16 and its doublings up to `num_frames`."""
    lengths = [FIRST_LENGTH]
    while 2 * lengths[-1] <= num_frames:
        lengths.append(2 * lengths[-1])
    return lengths


def list_walks(
    motion: MotionGenerator, generator: Generator, *, seed: int, n: int, num_frames: int
) -> Mapping[str, Callable[[], Trajectory]]:
    """Return what is compared: functions that give `n` walks from the same first latents."""
    seeds = tuple(range(seed * n, seed * n + n))
    settings = {"seeds": seeds, "motion_seeds": seeds}

    def sample(length: int) -> Trajectory:
        config = moco.SampleConfig(num_frames=length, **settings)
        return moco.sample_trajectory(motion, generator, config=config)

    clips = sample(motion.num_frames)
    length = {"seed": seed, "num_frames": num_frames}
    return {
        "motion model": lambda: sample(num_frames),
        "its AR(1) process": lambda: walk_autoregressively(clips, **length),
        "AR(1) with return": lambda: walk_with_return(clips, **length),
        "untrained": lambda: move_untrained(clips, motion, **length),
        "random walk": lambda: walk_randomly(clips, generator, **length),
    }


def measure_unit(
    generator: Generator, motion: MotionGenerator
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what turns latents [..., d] into standard deviations along the motion's basis."""
    drawn = draw_latents(generator, list(range(DRAWN_FROM, DRAWN_FROM + NUM_DRAWN))).cpu().numpy()
    rows = motion.components.cpu().numpy()  # [k, d]
    mean = drawn.mean(axis=0)
    stdev = ((drawn - mean) @ rows.T).std(axis=0)

    def to_units(latents: np.ndarray) -> np.ndarray:
        return (latents - mean) @ rows.T / stdev

    return to_units


def measure_distance(walks: np.ndarray) -> list[float]:
    """Return the root mean square of walks [n, t, k] for each frame; 1 is that of drawn latents."""
    return np.sqrt(np.square(walks, dtype=np.float64).mean(axis=(0, 2))).tolist()


def measure_pictures(
    walks: Trajectory, generator: Generator, lengths: list[int]
) -> dict[str, list[float]]:
    """Render the frames after `lengths` and the first; return "own" and "drift" of each."""
    videos = RenderedLatents(walks, generator)
    looked_at = [0, *(length - 1 for length in lengths)]
    who, drifts = [], []
    for i in range(walks.num_videos):
        frames_u8 = square_frames(videos.read_clip(i, looked_at), FRAME_SIZE)
        frames = torch.from_numpy(np.ascontiguousarray(frames_u8)).float() / 255.0
        who.append(identity_features(frames))
        drifts.append(2 * (frames[1:] - frames[:1]).abs().mean(dim=(1, 2, 3)))
    first, *later = torch.stack(who, dim=1)  # each [n, d]
    return {
        "own": [float(find_own(one, first).float().mean()) for one in later],
        "drift": torch.stack(drifts).mean(dim=0).tolist(),
    }


def summarise(values: list[list[float]]) -> list[Interval]:
    """Return the interval over seeds at each place of curves [seeds, places]."""
    return [Interval.of(column) for column in zip(*values, strict=True)]


def draw_table(found: Mapping[str, Mapping[str, list[list[float]]]], lengths: list[int]):
    """Yield lines of Markdown tables, one for each figure."""
    for figure, meaning in FIGURES.items():
        places = [1, *lengths] if figure == "distance" else lengths
        yield f"| {meaning}, after | {' | '.join(map(str, places))} |"
        yield "|---" * (len(places) + 1) + "|"
        for name, figures in found.items():
            intervals = summarise(figures[figure])
            if figure == "distance":
                intervals = [intervals[place - 1] for place in places]
            cells = [
                f"{one.mean:.2f}" + ("" if one.half_width is None else f" ± {one.half_width:.2f}")
                for one in intervals
            ]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""


def draw_curves(
    found: Mapping[str, Mapping[str, list[list[float]]]], lengths: list[int]
) -> np.ndarray:
    """Draw one chart for each figure, below each other, uint8 [h, w, 3]."""
    charts = []
    for figure, meaning in FIGURES.items():
        series = []
        for name, figures in found.items():
            y = [one.mean for one in summarise(figures[figure])]
            x = range(1, len(y) + 1) if figure == "distance" else lengths
            series.append(Series(name=name, x=list(x), y=y))
        charts.append(
            draw_line_chart(
                series,
                title=meaning,
                x_label="frame",
                y_label=figure,
                y_range=(0.0, 1.0) if figure == "own" else None,
                percent=figure == "own",
                size=(WIDTH, HEIGHT),
            )
        )
    return np.concatenate(charts)


if __name__ == "__main__":
    main()
