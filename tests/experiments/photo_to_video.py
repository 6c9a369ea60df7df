"""Do people whom the generator never saw stay themselves when they begin to move?

    python tests/experiments/photo_to_video.py UNSEEN [--generator FILE] [--num-people 8]
        [-o FILE.png]

The first frames of as many clips, spread evenly over UNSEEN by name, are inverted, and the bundled
motion walks on from them for 32 frames; once with the generator as it is, and once tuned to them,
each person alone. Prints PSNR and LPIPS of the first frames, LPIPS of frames 8, 16 and 32 against
the photo, which is how far somebody has gone from it, and against the real clip's frames at the
same time, which is how well they are predicted; beside both stand the real clip and the photo
standing still. The sheet has two rows a person: the photo, what was found, and frames 8, 16, 24 and
32; below it the same after tuning.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
import torch

import mocotool as moco
from mocotool.configs.invert import InvertConfig
from mocotool.inversion.objective import SqueezeNetFeatures
from mocotool.inversion.quality import measure_lpips
from mocotool.layouts import to_frames_u8, to_unit_range
from mocotool.video.cutting import square_frames
from mocotool.video.pictures import tile_frames

NUM_FRAMES = 32
STRIDE = 2  # of real clips: what the bundled motion learnt from
LOOKED_AT = (8, 16, 32)
SHOWN = (0, 7, 15, 23, 31)


def main(args=None):
    """Print the table and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unseen", type=Path)
    parser.add_argument("--generator")
    parser.add_argument("--num-people", type=int, default=8)
    parser.add_argument("--num-steps", type=int, default=InvertConfig().num_steps)
    parser.add_argument("--num-tune-steps", type=int, default=InvertConfig().num_tune_steps)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args(args)

    generator, motion = moco.load_generator(options.generator), moco.load_motion()
    real = read_clips(options.unseen, options.num_people, generator.resolution)  # [n, t, c, h, w]
    photos = real[:, 0]
    config = InvertConfig(num_steps=options.num_steps, num_tune_steps=options.num_tune_steps)
    eyes = SqueezeNetFeatures(moco.load_lpips())
    began = time.process_time()
    found = moco.invert(generator, photos, config=config, features=eyes)
    print(f"inverted: {(time.process_time() - began) / len(photos):.1f} CPU s a person", flush=True)

    start = found.to_trajectory(generator)
    walks = moco.sample_trajectory(
        motion, generator, config=moco.SampleConfig(num_frames=NUM_FRAMES), start=start
    )
    latents = torch.from_numpy(walks.latents)
    plain = torch.stack([render(generator, each) for each in latents])
    tuned, seconds = [], 0.0
    for i, photo in enumerate(photos[:, None]):
        one = dataclasses.replace(found, latents=found.latents[i : i + 1])
        began = time.process_time()
        tuning, _ = moco.tune_generator(generator, photo, one, config=config, features=eyes)
        seconds += time.process_time() - began
        changed = moco.load_generator(options.generator)
        tuning.apply(changed)
        tuned.append(render(changed, latents[i]))
    print(f"tuned: {seconds / len(photos):.1f} CPU s a person")
    tuned = torch.stack(tuned)

    still = photos[:, None].expand_as(real)
    print(
        "| | first frame: PSNR, LPIPS | LPIPS from the photo, at 8, 16, 32 | from the real frame |"
    )
    print("|---|---|---|---|")
    rows = {"as it is": plain, "tuned": tuned, "photo standing still": still, "real clip": real}
    for name, frames in rows.items():
        first = describe_first(frames[:, 0], photos) if name in ("as it is", "tuned") else ""
        cells = [first, compare_later(frames, still), compare_later(frames, real)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    if options.out is not None:
        rows = [
            torch.cat([photo[None], frames[i][list(SHOWN)]])
            for i, photo in enumerate(photos)
            for frames in (plain, tuned)
        ]
        tiles = list(to_frames_u8(torch.cat(rows)).numpy())
        moco.write_png(options.out, tile_frames(tiles, columns=1 + len(SHOWN)))


def describe_first(img, photos):
    """Return PSNR and LPIPS of first frames [n, c, h, w], as a cell of the table."""
    error = (img - photos).square().mean(dim=(1, 2, 3)).clamp(min=1e-9)
    psnr = (10 * (4 / error).log10()).mean()
    return f"{psnr:.1f} dB, {measure_lpips(img, photos):.3f}"


def compare_later(frames, others):
    """Return LPIPS at LOOKED_AT between clips [n, t, c, h, w], as a cell of the table."""
    if frames is others:
        return ""
    return ", ".join(f"{measure_lpips(frames[:, t - 1], others[:, t - 1]):.3f}" for t in LOOKED_AT)


@torch.inference_mode()
def render(generator, latents):
    """Return frames [t, c, h, w] in [-1, 1]."""
    return torch.cat([generator.synthesis(part) for part in latents.split(16)]).clamp(-1, 1)


def read_clips(folder, count, size):
    """Read clips of NUM_FRAMES frames, spread evenly by name, [n, t, 3, size, size] in [-1, 1]."""
    listing = moco.list_videos(folder, min_frames=(NUM_FRAMES - 1) * STRIDE + 1)
    chosen = np.linspace(0, len(listing.entries) - 1, count).round().astype(int)
    idxs = range(0, NUM_FRAMES * STRIDE, STRIDE)
    clips = [moco.read_frames(listing.entries[i], idxs) for i in chosen]
    squares = [torch.from_numpy(square_frames(clip, size)) for clip in clips]
    return to_unit_range(torch.stack(squares))


if __name__ == "__main__":
    main()
