"""Draw the pictures of docs/quality.md: samples, nearest training frames, walks in w.

    python tests/experiments/quality_sheets.py SEEN_CLIPS [--generator FILE] [-o docs/pictures]

SEEN_CLIPS are the clips the generator was trained on. Seeds are fixed; nothing is chosen.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import mocotool as moco
from mocotool.generators.base import Generator
from mocotool.layouts import to_frames_u8, to_unit_range
from mocotool.trajectory import draw_latents
from mocotool.video.decoded import decode_all
from mocotool.video.pictures import tile_frames

NUM_SAMPLES, NUM_COMPARED, NUM_WALKS, WALK_STEPS = 64, 16, 8, 12


def main() -> None:
    """Draw all three sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seen", type=Path)
    parser.add_argument("--generator", type=Path, default=None)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/pictures"))
    args = parser.parse_args()
    generator = moco.load_generator(args.generator)
    w = draw_latents(generator, list(range(NUM_SAMPLES)))
    samples = render(generator, w)
    moco.write_png(args.out / "samples.png", tile_frames(list(samples), columns=16))
    neighbours = find_nearest(samples[:NUM_COMPARED], args.seen)
    rows = [*samples[:NUM_COMPARED], *neighbours]
    moco.write_png(args.out / "nearest.png", tile_frames(rows, columns=NUM_COMPARED))
    shares = torch.linspace(0, 1, WALK_STEPS)[None, :, None]
    walks = torch.lerp(w[:NUM_WALKS, None], w[NUM_WALKS : 2 * NUM_WALKS, None], shares)
    moco.write_png(
        args.out / "walks.png",
        tile_frames(list(render(generator, walks.flatten(0, 1))), columns=WALK_STEPS),
    )


@torch.inference_mode()
def render(generator: Generator, w: torch.Tensor) -> np.ndarray:
    """Return uint8 [n, h, w, 3]."""
    parts = [to_frames_u8(generator.synthesis(part)) for part in w.split(16)]
    return torch.cat(parts).numpy()


def find_nearest(samples: np.ndarray, folder: Path) -> list[np.ndarray]:
    """Return the training frame of least squared pixel difference to each sample or its mirror."""
    size = samples.shape[1]
    decoded = decode_all(moco.list_videos(folder).entries, size=size, memory_bytes=1 << 40)
    assert decoded is not None
    wanted = to_unit_range(torch.from_numpy(samples)).permute(0, 3, 1, 2).flatten(1)
    best = torch.full((len(samples),), torch.inf)
    nearest = [samples[0]] * len(samples)
    for chunk in np.array_split(decoded.array, max(1, len(decoded.array) // 2000)):
        for view in (chunk, chunk[..., ::-1]):  # training mirrors half of the frames
            frames_u8 = np.ascontiguousarray(view)
            distances = torch.cdist(wanted, to_unit_range(torch.from_numpy(frames_u8)).flatten(1))
            values, places = distances.min(dim=1)
            for i in (values < best).nonzero().flatten().tolist():
                best[i] = values[i]
                nearest[i] = frames_u8[places[i]].transpose(1, 2, 0)
    return nearest


if __name__ == "__main__":
    main()
