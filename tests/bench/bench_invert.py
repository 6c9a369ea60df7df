"""How many seconds an image takes to invert, against a plain loop of the same objective.

    python tests/bench/bench_invert.py [GENERATOR] [--num-images 8] [--num-steps 60]

The plain loop goes over images one by one, in float32, with per-sample weights in grouped
convolutions, and begins at the mean latent. Both take the same number of steps here; to what
distance each has come is printed beside the time.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
from reference.inversion import invert_plainly

from mocotool.configs.invert import InvertConfig
from mocotool.devices import resolve_device
from mocotool.generators.loading import load_generator
from mocotool.generators.stylegan2 import StyleGAN2, default_channels
from mocotool.inversion.search import invert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", nargs="?", type=Path)
    parser.add_argument("--num-images", type=int, default=8)
    parser.add_argument("--num-plain", type=int, default=2, help="Images for the plain loop.")
    parser.add_argument("--num-steps", type=int, default=60)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    device = resolve_device(args.device)
    torch.manual_seed(0)
    if args.generator is None:
        channels = default_channels(64, channel_base=2048, channel_max=128)
        generator = StyleGAN2(z_dim=128, w_dim=128, img_resolution=64, channels=channels).freeze()
    else:
        generator = load_generator(args.generator)
    generator = generator.to(device)
    with torch.no_grad():
        w = generator.mapping(torch.randn(args.num_images, generator.z_dim, device=device))
        z = torch.randn(1000, generator.z_dim, device=device)
        generator.mapping.w_avg.copy_(generator.mapping(z).mean(0))
        images = generator.synthesis(w)

    began = time.perf_counter()
    errors = []
    for image in images[: args.num_plain]:
        latent, _ = invert_plainly(generator, image, num_steps=args.num_steps)
        img = generator.synthesis(latent[None])
        errors.append((img[0] - image).square().mean())
    mean_errors = torch.stack(errors).cpu()  # waits for the device
    plain = (time.perf_counter() - began) / args.num_plain
    report("plain loop", plain, mean_errors, plain)
    for name, dtype in (
        ("moco invert, fp32", torch.float32),
        ("moco invert, bf16", torch.bfloat16),
    ):
        generator.set_precision(dtype)
        began = time.perf_counter()
        found = invert(
            generator, images, config=InvertConfig(num_steps=args.num_steps, num_polish_steps=0)
        )
        seconds = (time.perf_counter() - began) / args.num_images
        report(name, seconds, found.pixel_mse, plain)


def report(name: str, seconds: float, pixel_mse: torch.Tensor, plain: float) -> None:
    print(
        f"{name:<18} {seconds:6.2f} s an image  {plain / seconds:5.1f}x  "
        f"pixel MSE {pixel_mse.mean():.2e}"
    )


if __name__ == "__main__":
    main()
