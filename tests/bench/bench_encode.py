"""Frames per second of rendering and encoding: one after the other, and one beside the other.

    python tests/bench/bench_encode.py [--size 1024] [--render-ms 20 60]

Rendering on a GPU is a host that waits, which is what stands in for it here; encoding is real.
The plain loop encodes each chunk before it asks for the next.
"""

import argparse
import io
import statistics
import time

import numpy as np

from mocotool.video.writing import VideoWriter, write_video

CHUNK, NUM_CHUNKS, NUM_REPEATS = 4, 8, 3
FPS = 25.0


def render(size, milliseconds):
    """Give chunks of frames that change, each after the time that a device would take."""
    ramp = np.arange(size, dtype=np.uint16)
    for chunk_idx in range(NUM_CHUNKS):
        time.sleep(CHUNK * milliseconds / 1000)
        shift = np.arange(CHUNK)[:, None, None] * 3 + chunk_idx * 3 * CHUNK
        picture = ((ramp[None, :, None] * 2 + ramp[None, None, :] + shift) % 256).astype(np.uint8)
        yield np.repeat(picture[..., None], 3, axis=-1)


def encode_plainly(frames):
    with VideoWriter(io.BytesIO(), fps=FPS, format="mp4") as writer:
        for chunk in frames:
            writer.write(chunk)


def encode_beside(frames):
    write_video(io.BytesIO(), frames, fps=FPS, format="mp4")


def clock(work, size, milliseconds):
    start = time.perf_counter()
    work(render(size, milliseconds))
    return CHUNK * NUM_CHUNKS / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--render-ms", type=float, nargs="*", default=[20.0, 60.0])
    args = parser.parse_args()
    for milliseconds in args.render_ms:
        rates = {"plain": [], "beside": []}
        for _ in range(NUM_REPEATS):
            rates["plain"].append(clock(encode_plainly, args.size, milliseconds))
            rates["beside"].append(clock(encode_beside, args.size, milliseconds))
        plain, beside = (statistics.median(rates[name]) for name in ("plain", "beside"))
        print(
            f"{args.size} px, {milliseconds:g} ms to render a frame: one after the other "
            f"{plain:.1f} frames per second, beside each other {beside:.1f}, "
            f"ratio {beside / plain:.2f}"
        )


if __name__ == "__main__":
    main()
