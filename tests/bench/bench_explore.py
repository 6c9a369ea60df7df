"""How many new frames per second does the page of `moco explore` get while it plays?

    python tests/bench/bench_explore.py

All goes through the server, as for a browser: the latents of each view, rendering, PNG, HTTP. Where
other programs share the processor, its seconds count; both figures are of one thread.
"""

import threading
import time
import urllib.request

import torch

from mocotool.configs.explore import ExploreConfig
from mocotool.explore.opening import load_explorer
from mocotool.explore.server import RECORD, ExploreServer

NUM_VIEWS, NUM_FRAMES = 4, 48


def watch(address, seed):
    """Take all frames of a view; return the seconds until the first one was there."""
    started = time.perf_counter()
    with urllib.request.urlopen(f"{address}frames?seed={seed}&num_frames={NUM_FRAMES}") as frames:
        first_s = None
        while head := frames.read(RECORD.size):
            frames.read(RECORD.unpack(head)[1])
            first_s = first_s or time.perf_counter() - started
    return first_s


def main():
    torch.set_num_threads(1)
    explorer = load_explorer(config=ExploreConfig(num_samples=2000))
    with ExploreServer(explorer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        watch(server.address, seed=0)
        wall, busy = time.perf_counter(), time.process_time()
        firsts = [watch(server.address, seed=1 + view) for view in range(NUM_VIEWS)]
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        server.shutdown()
    frames = NUM_VIEWS * NUM_FRAMES
    print(f"{explorer.generator.resolution} px, {frames} new frames in {NUM_VIEWS} views")
    print(f"{frames / wall:.1f} per second, {frames / busy:.1f} per second of the processor")
    print(f"first frame after {1000 * sorted(firsts)[NUM_VIEWS // 2]:.0f} ms")


if __name__ == "__main__":
    main()
