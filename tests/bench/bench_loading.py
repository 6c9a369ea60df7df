"""Clips a second: seeking, decoding once, and worker processes, beside the plain loop.

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


def clips_per_second(read, num_clips):
    start = time.perf_counter()
    for position in range(num_clips):
        read(position)
    return num_clips / (time.perf_counter() - start)


def measure(folder, size, num_clips, batch_size, num_workers):
    start = time.perf_counter()
    listing = list_videos(folder, min_frames=clip_span(NUM_FRAMES, FRAME_STRIDE))
    seconds = time.perf_counter() - start
    print(f"{folder}: {len(listing.entries)} videos, {listing.num_frames} frames, {size} px")
    print(f"  indexing                 {len(listing.entries) / seconds:8.1f} videos/s")

    options = {"num_frames": NUM_FRAMES, "frame_stride": FRAME_STRIDE, "size": size}
    dataset = ClipDataset(listing, **options)

    def plain(position):
        video_idx, frame_idx = dataset.locate(position)
        return read_plainly(listing.entries[video_idx], frame_idx, size)

    base = clips_per_second(plain, num_clips)
    print(f"  plain loop               {base:8.1f} clips/s")
    seeking = clips_per_second(dataset.read, num_clips)
    print(f"  seeking, one process     {seeking:8.1f} clips/s   x{seeking / base:.1f}")

    options |= {"batch_size": batch_size}
    with load_clips(listing, **options, memory_bytes=0, num_workers=num_workers) as loader:
        next(loader)  # the workers start
        rate = batch_size * clips_per_second(lambda _: next(loader), -(-num_clips // batch_size))
    print(f"  seeking, {num_workers} workers       {rate:8.1f} clips/s   x{rate / base:.1f}")

    start = time.perf_counter()
    loader = load_clips(listing, **options, memory_bytes=1 << 40)
    seconds = time.perf_counter() - start
    print(
        f"  decoding once            {listing.num_frames / seconds:8.1f} frames/s, {seconds:.1f} s"
    )
    rate = batch_size * clips_per_second(lambda _: next(loader), 60)
    print(f"  decoded                  {rate:8.1f} clips/s   x{rate / base:.1f}")


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
