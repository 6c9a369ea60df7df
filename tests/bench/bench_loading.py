"""Clips per second: seeking, decoding once, and worker processes, beside the plain loop.

    python tests/bench/bench_loading.py ../shared/data/people/train ../shared/data/clips

The plain loop is what the reference and most training code do: decode each video from its start
to the clip's end, one PIL image a frame, crop, Lanczos, numpy.
"""

import argparse
import time
from pathlib import Path

import av
import numpy as np
import PIL.Image

from mocotool.video.clips import ClipDataset, clip_span
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips

NUM_FRAMES, FRAME_STRIDE = 16, 2


def read_plainly(entry, frame_idx, size):
    clip = []
    with av.open(str(entry.path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in frame_idx:
                image = frame.to_image()
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                box = (left, top, left + side, top + side)
                image = image.crop(box).resize((size, size), PIL.Image.Resampling.LANCZOS)
                clip.append(np.asarray(image).transpose(2, 0, 1))
            if index >= frame_idx[-1]:
                break
    return np.stack(clip)


def rate(work, num_done, clock):
    start = clock()
    work()
    return num_done / (clock() - start)


def take_batches(loader, num_batches):
    for _ in range(num_batches):
        next(loader)


def show(name, value, unit, base=None):
    print(f"  {name:<24}{value:10.1f} {unit}" + (f"   x{value / base:.1f}" if base else ""))


def measure(folder, size, num_clips, batch_size, num_workers):
    listing = list_videos(folder, min_frames=clip_span(NUM_FRAMES, FRAME_STRIDE))
    num_videos = len(listing.entries)
    print(f"{folder}: {num_videos} videos, {listing.num_frames} frames, {size} px")
    # CPU time, so that a busy machine and the threads of the codec count for what they take.
    cpu, wall = time.process_time, time.perf_counter
    show("indexing", rate(lambda: list_videos(folder), num_videos, cpu), "videos/CPU s")

    options = {"num_frames": NUM_FRAMES, "frame_stride": FRAME_STRIDE, "size": size}
    dataset = ClipDataset(listing, **options)

    def read_all_plainly():
        for position in range(num_clips):
            video_idx, frame_idx = dataset.locate(position)
            read_plainly(listing.entries[video_idx], frame_idx, size)

    def read_all():
        for position in range(num_clips):
            dataset.read(position)

    base = rate(read_all_plainly, num_clips, cpu)
    show("plain loop", base, "clips/CPU s")
    show("seeking", rate(read_all, num_clips, cpu), "clips/CPU s", base)

    options |= {"batch_size": batch_size}
    start = cpu()
    loader = load_clips(listing, **options, memory_bytes=1 << 40)
    show("decoding once", listing.num_frames / (cpu() - start), "frames/CPU s")
    take = rate(lambda: take_batches(loader, 60), 60 * batch_size, cpu)
    show("decoded", take, "clips/CPU s", base)

    num_batches = -(-num_clips // batch_size)
    with load_clips(listing, **options, memory_bytes=0, num_workers=num_workers) as workers:
        next(workers)  # the workers start
        take = rate(lambda: take_batches(workers, num_batches), num_batches * batch_size, wall)
    show(f"{num_workers} workers", take, "clips/s (wall clock)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--num-clips", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--num-workers", type=int, default=2)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        measure(
            folder,
            arguments.size,
            arguments.num_clips,
            arguments.batch_size,
            arguments.num_workers,
        )


if __name__ == "__main__":
    main()
