"""How much memory the start of an inversion takes, which renders drawn latents.

    python tests/bench/bench_inversion_start.py [--resolution 1024] [--num-starts 6]

The generator is a StyleGAN2 of the usual channels with random weights. How many pictures are
rendered at once is chosen by the memory of one and what is free.
"""

import argparse
import time

import torch

from mocotool.configs.invert import InvertConfig
from mocotool.devices import peak_memory_mb, resolve_device
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.inversion.starts import survey_latents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=1024)
    parser.add_argument("--num-starts", type=int, default=6, help="latents to draw and render")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    device = resolve_device(args.device)
    torch.manual_seed(0)
    size = args.resolution
    channels = default_channels(size)
    generator = StyleGAN2(z_dim=512, w_dim=512, img_resolution=size, channels=channels)
    generator = generator.freeze().to(device)

    # What it takes at most, the network before it included
    before = peak_memory_mb(device)
    began = time.process_time()
    survey_latents(generator, space="w", config=InvertConfig(num_starts=args.num_starts))
    seconds = time.process_time() - began
    print(f"generator   {size} px, {channels} channels, {device}")
    print(f"start       {args.num_starts} latents, {seconds:.1f} s of the processor")
    print(f"peak        {peak_memory_mb(device):.0f} MiB, {before:.0f} of it before")


if __name__ == "__main__":
    main()
