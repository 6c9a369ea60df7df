"""How many pictures a second SqueezeNet sees, in CPU seconds of one thread.

    python tests/bench/bench_squeezenet.py [--num-batches 6]

Pooled features without a gradient, and the gradient of LPIPS with respect to the pictures.
"""

import argparse
import time
from functools import partial

import torch

from mocotool.networks.lpips import load_lpips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-batches", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for dtype in (torch.float32, torch.bfloat16):
        lpips = load_lpips(dtype=dtype)
        for size, batch in ((128, 16), (224, 8)):
            img = torch.rand(batch, 3, size, size) * 2 - 1
            seen = measure(partial(features, lpips, img), args.num_batches) * batch
            led = measure(partial(gradient, lpips, img), args.num_batches) * batch
            name = str(dtype).removeprefix("torch.")
            print(f"{name} {size} px: features {seen:.0f} a second, LPIPS gradient {led:.0f}")


def measure(run, count: int) -> float:
    """Return how often something runs in a CPU second."""
    run()
    began = time.process_time()
    for _ in range(count):
        run()
    return count / (time.process_time() - began)


def features(lpips, img) -> None:
    with torch.inference_mode():
        lpips.network.pooled(img)


def gradient(lpips, img) -> None:
    moved = (0.9 * img).requires_grad_()
    lpips.distance(moved, img).sum().backward()


if __name__ == "__main__":
    main()
