"""Memory and time of training's loader on tars that are never unpacked nor decoded whole.

    python tests/bench/bench_tars.py ../shared/data/people/train --num-tars 4

Each tar holds all clips of the folder. Each row is a process of its own that lists the tars and
draws batches of 16 clips, decoded as they are drawn.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

DRAW = """
import resource, time
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
imports, clock = peak(), time.process_time
began = clock()
listing = list_videos(TARS, min_frames=32)
listed, after = clock() - began, peak()
loader = load_clips(listing, size=64, batch_size=16, num_workers=0, memory_bytes=0)
began = clock()
for _ in range(BATCHES):
    next(loader)
rate = BATCHES * 16 / (clock() - began)
print(f"{len(listing.entries)} clips: listed in {listed:.1f} CPU s; {rate:.0f} clips per CPU s; "
      f"at most {imports:.0f} MiB after imports, {after:.0f} after listing, {peak():.0f} after "
      f"{BATCHES} batches")
"""


def show(tars, num_batches):
    script = DRAW.replace("TARS", repr(str(tars))).replace("BATCHES", str(num_batches))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    print(done.stdout.strip(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--num-tars", type=int, default=4)
    parser.add_argument("--num-batches", type=int, default=20)
    arguments = parser.parse_args()
    clips = sorted(arguments.folder.rglob("*.mp4"))
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"MOCO_CACHE": f"{place}/cache", "MOCO_CACHE_GB": "0"}
        for index in range(arguments.num_tars):
            with tarfile.open(f"{place}/{index}.tar", "w") as packed:
                for clip in clips:
                    packed.add(clip, clip.name)
        size = sum(path.stat().st_size for path in Path(place).glob("*.tar"))
        print(f"{arguments.num_tars} tars, {size / 1e6:.0f} MB")
        for last in (0, arguments.num_tars - 1):
            show(f"{place}/{{0..{last}}}.tar", arguments.num_batches)


if __name__ == "__main__":
    main()
