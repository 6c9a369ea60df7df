"""What becomes of people that the generator never saw? Their first frames, inverted.

    python tests/experiments/inversion_quality.py UNSEEN [--generator FILE] [--sheet FILE.png]
        [--perceptual none squeezenet] [--num-steps 500 200] [--spaces w w+] [--num-images 16]

For each choice of --perceptual, with the --num-steps and the --spaces in the same place, prints
PSNR, SSIM, LPIPS (of pictures enlarged to 128 pixels if they are smaller) and CPU seconds an image,
the starts included. The images are the first frames of as many clips, spread evenly over UNSEEN by
name. The search starts as `moco invert` does, from the encoder's guesses where there is one. The
sheet has the images in its first row, and a row for each choice.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import mocotool as moco
from mocotool.configs.invert import InvertConfig
from mocotool.devices import resolve_precision
from mocotool.inversion.objective import PyramidFeatures, SqueezeNetFeatures, feature_distance
from mocotool.layouts import from_frames_u8, to_frames_u8
from mocotool.video.cutting import square_frames


def main(args=None):
    """Print the table and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("unseen", type=Path)
    parser.add_argument("--generator")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--perceptual", nargs="+", default=["none", "squeezenet"])
    parser.add_argument("--num-steps", nargs="+", type=int, default=[500, 200])
    parser.add_argument("--spaces", nargs="+", choices=["w", "w+"])
    parser.add_argument("--num-polish-steps", type=int, default=0)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--num-images", type=int, default=16)
    options = parser.parse_args(args)

    precision = resolve_precision(options.precision, torch.device("cpu"))
    generator = moco.load_generator(options.generator, precision=precision)
    encoder = moco.find_encoder(generator)
    spaces = options.spaces or ["w"] * len(options.perceptual)
    target = read_firsts(options.unseen, options.num_images, generator.resolution)
    eyes = SqueezeNetFeatures(moco.load_lpips())
    features = {"none": PyramidFeatures(), "squeezenet": eyes}
    rows = [to_frames_u8(target)]
    print("| compared by | space | steps | PSNR: least, mean | SSIM | LPIPS | CPU seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, steps, space in zip(options.perceptual, options.num_steps, spaces, strict=True):
        config = InvertConfig(
            num_steps=steps, num_polish_steps=options.num_polish_steps, space=space
        )
        began = time.process_time()
        found = moco.invert(
            generator, target, config=config, features=features[name], encoder=encoder
        )
        seconds = (time.process_time() - began) / len(target)
        shown = found.img.clamp(-1, 1)
        with torch.inference_mode():
            lpips = feature_distance(eyes(shown), eyes(target)).mean()
        print(
            f"| {name} | {space} | {steps} | {found.psnr.min():.1f}, {found.psnr.mean():.1f} dB "
            f"| {found.ssim.mean():.3f} | {lpips:.3f} | {seconds:.1f} |",
            flush=True,
        )
        rows.append(to_frames_u8(shown))
    if options.sheet is not None:
        write_sheet(rows, options.sheet)


def read_firsts(folder, count, size):
    """Return the first frames of clips spread evenly over a folder, [count, 3, size, size]."""
    entries = moco.list_videos(folder, min_frames=1).entries
    chosen = np.linspace(0, len(entries) - 1, count).round().astype(int)
    frames = [square_frames(moco.read_frames(entries[i], [0]), size)[0] for i in chosen]
    return from_frames_u8(np.stack(frames).transpose(0, 2, 3, 1))


def write_sheet(rows, path):
    """Write rows [n, h, w, 3] of pictures one below the other."""
    lines = [torch.cat(tuple(row), dim=1) for row in rows]
    moco.write_png(path, torch.cat(lines).numpy())


if __name__ == "__main__":
    main()
