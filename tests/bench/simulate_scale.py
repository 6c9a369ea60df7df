"""How a training run would go on up to 64 GPUs: a model, not a measurement.

    python tests/bench/simulate_scale.py

What is measured and what is assumed is said beside each number below. An iteration is five steps of
the motion generator and one of the discriminators, across domains at 128 pixels in bfloat16.
Gradients are averaged after the backward pass, so that computing and sending do not overlap.
"""

import argparse
import math

# Measured: docs/performance.md and tests/accelerator/test_budgets.py
CLIP_SECONDS = 49.9  # of a core, an iteration of one clip, bfloat16
CORE_FLOPS = 0.72 * 460e9  # what the core reached of its convolution speed
LAUNCHES = 9_887  # kernels an iteration, of the toy networks; larger ones launch as many
WEIGHTS_G, WEIGHTS_D = 3_562_880, 109_000_000  # counted: G_M; D_I and both scales of D_V
NUM_G_STEPS = 5
COLLECTIVES = 20  # an iteration, about: gradients, gathered features, averages
DECODED_FRAMES = 2_900  # a second of a core, 128 pixels
READ_CLIPS = 23_000  # a second of a core, out of decoded frames

# Assumed: nobody has run this on a GPU
GPU_FLOPS = 200e12  # reached, of 990e12 that the data sheet of an H100 promises
LAUNCH_SECONDS = 5e-6
NODE_GPUS = 8
DECODING_THREADS = 16  # of one process, which decodes for all of a node
LINK_BYTES, NETWORK_BYTES = 150e9, 20e9  # a second: between GPUs of a node, and out of a node
HOP_SECONDS = 20e-6


def iteration_seconds(num_gpus, num_clips, network_bytes=NETWORK_BYTES):
    """Return seconds of computing and of sending for one iteration."""
    share = math.ceil(num_clips / num_gpus)
    flops = CLIP_SECONDS * CORE_FLOPS * share
    computing = max(flops / GPU_FLOPS, LAUNCHES * LAUNCH_SECONDS)
    if num_gpus == 1:
        return computing, 0.0
    sent = 4 * (NUM_G_STEPS * WEIGHTS_G + WEIGHTS_D) * 2 * (num_gpus - 1) / num_gpus
    bandwidth = LINK_BYTES if num_gpus <= NODE_GPUS else network_bytes
    return computing, sent / bandwidth + COLLECTIVES * math.log2(num_gpus) * HOP_SECONDS


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network-gb", type=float, default=NETWORK_BYTES / 1e9)
    arguments = parser.parse_args()
    for num_clips in (16, 64):
        print(f"batch of {num_clips} clips")
        alone = sum(iteration_seconds(1, num_clips))
        for num_gpus in (1, 2, 4, 8, 16, 32, 64):
            if num_gpus > num_clips:
                continue  # a clip is not divided
            times = iteration_seconds(num_gpus, num_clips, arguments.network_gb * 1e9)
            speed = alone / sum(times)
            print(
                f"  {num_gpus:3d} GPUs  computing {times[0]:6.3f} s  sending {times[1]:6.3f} s  "
                f"{speed:5.1f} times, {speed / num_gpus:4.0%}  "
                f"reading {num_clips / sum(times) / READ_CLIPS:.4f} of a core"
            )
    seconds = 22_496 * 200 / (DECODED_FRAMES * DECODING_THREADS)
    print(f"decoding 22,496 clips of 200 frames: {seconds:.0f} s of every node, once")


if __name__ == "__main__":
    main()
