"""What a folder of many clips costs a run at its first start and at its second.

    python tests/bench/bench_second_start.py ../shared/data/people/train --num-videos 20000

The clips are hard links to copies of those in the folder, spread over a hundred folders. Each row
is a process of its own, measured from after its imports; `--dry-run` is the whole plan of a run,
with the bundled generator, beside the same plan for as many clips as the folder has.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIST = """
import time, resource
from mocotool.video.clips import ClipDataset
from mocotool.video.listing import list_videos
wall, cpu = time.perf_counter(), time.process_time()
listing = list_videos(FOLDER, min_frames=32)
dataset = ClipDataset(listing)
print(f"{time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} of a processor, "
      f"{len(listing.entries)} clips, {listing.num_frames} frames, "
      f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
"""
DECODE = """
import time
from mocotool.video.decoded import decode_all
from mocotool.video.listing import list_videos
listing = list_videos(FOLDER, min_frames=32)
wall, cpu = time.perf_counter(), time.process_time()
frames = decode_all(listing.entries, size=64, shares=True)
print(f"{time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} of a processor, "
      f"{frames.array.nbytes / 1e6:.0f} MB")
"""
FIRST_BATCH = """
import time
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips
listing = list_videos(FOLDER, min_frames=32)
wall, cpu = time.perf_counter(), time.process_time()
loader = load_clips(listing, size=64, batch_size=16, shares=True, beside=True)
next(loader)
print(f"{time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} of a processor")
loader.close()
"""
PLAN = """
import time
from mocotool import TrainMotionConfig, plan_motion_run
import mocotool.runs.train_motion
wall, cpu = time.perf_counter(), time.process_time()
plan_motion_run(FOLDER, config=TrainMotionConfig(frame_size=32, batch_size=1, num_frames=16))
print(f"{time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} of a processor")
"""


def spread(source, place, number):
    """Put hard links to copies of some clips into a hundred folders."""
    copies = place / "copies"
    copies.mkdir()
    clips = [shutil.copy(clip, copies) for clip in sorted(source.rglob("*.mp4"))]
    for index in range(number):
        folder = place / "clips" / f"{index % 100:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        os.link(clips[index % len(clips)], folder / f"clip_{index:05d}.mp4")
    time.sleep(3)  # what has changed this moment is not kept
    return copies, place / "clips"


def show(name, script, folder):
    done = subprocess.run(
        [sys.executable, "-c", script.replace("FOLDER", repr(str(folder)))],
        capture_output=True,
        text=True,
        check=True,
    )
    print(f"  {name:<42}{done.stdout.strip()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--num-videos", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["MOCO_CACHE"] = f"{place}/cache"
        few, many = spread(arguments.folder, Path(place), arguments.num_videos)
        show("listing, first", LIST, many)
        show("listing, second", LIST, many)
        show(f"--dry-run, {arguments.num_videos} clips, second", PLAN, many)
        show("--dry-run, the folder's clips, first", PLAN, few)
        show("--dry-run, the folder's clips, second", PLAN, few)
        show("first batch, decoded beside", FIRST_BATCH, few)
        show("decoding the folder's clips, first", DECODE, few)
        show("decoding the folder's clips, second", DECODE, few)


if __name__ == "__main__":
    main()
