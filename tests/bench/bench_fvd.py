"""Clips per second through I3D, beside the obvious loop, and peak memory for 2,048 clips.

    python tests/bench/bench_fvd.py [--videos DIR] [--num-clips 12] [--num-threads 2]
    python tests/bench/bench_fvd.py --memory-only

The loop opens each video, decodes, resizes and runs one clip at a time in float32 through the
network as it is written in the state dict, with torch's own max_pool3d. Ours reads ahead, folds
normalisations, pools axis by axis and runs batches. Weights are random: speed does not depend on
them. The ratio of processor time holds on a busy machine too.
"""

import argparse
import copy
import functools
import resource
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol
from mocotool.metrics.detectors import DetectorRecord, I3DDetector
from mocotool.metrics.extraction import extract_statistics
from mocotool.metrics.sampling import ClipPlan, plan_clips
from mocotool.metrics.sources import open_videos
from mocotool.networks.i3d import I3D, MaxPoolSame, pad_same
from mocotool.video.opening import open_video
from mocotool.video.reading import read_frames

DEFAULT_VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "people" / "train"
NUM_MEMORY_CLIPS = 2048


class Clock:
    """Seconds since it was made, on the wall and of processor time."""

    def __init__(self):
        self._began = time.perf_counter(), time.process_time()

    def read(self):
        return time.perf_counter() - self._began[0], time.process_time() - self._began[1]


def pool_plainly(network):
    """Let the network pool as one would write it."""
    for module in network.modules():
        if isinstance(module, MaxPoolSame):
            module.forward = functools.partial(pool, module)
    return network


def pool(module, x):
    padded = pad_same(x, kernel=module.kernel, stride=module.stride)
    return F.max_pool3d(padded, module.kernel, module.stride)


def run_loop(network, videos, plan):
    """Return the features and seconds of the obvious loop."""
    features = []
    start = Clock()
    with torch.inference_mode():
        for piece_idx in range(len(plan)):
            video_idx, frame_idx = plan[piece_idx]
            frames = read_frames(open_video(videos.entries[video_idx].path), frame_idx)
            clip = torch.from_numpy(frames).movedim(-1, 1).float()
            clip = F.interpolate(clip, (224, 224), mode="bilinear", align_corners=False)
            features.append(network((clip / 127.5 - 1.0).transpose(0, 1)[None]))
    return torch.cat(features).numpy(), start.read()


def run_ours(network, videos, plan, batch_size):
    """Return the features and seconds of `extract_statistics`."""
    record = DetectorRecord(name="random", title="random weights")
    start = Clock()
    detector = I3DDetector(network.fuse(), record=record, protocol=VideoProtocol())
    stats = extract_statistics(
        videos,
        plan,
        detector=detector,
        config=ExtractionConfig(use_cache=False, batch_size=batch_size),
    )
    return stats.features, start.read()


class StandIn(I3DDetector):
    """I3D's input and a feature of its size, without its arithmetic."""

    def extract(self, batch):
        return batch[:, :, :, ::56, ::56].flatten(1).repeat(1, 2)[:, :400]


def measure_memory(folder):
    """Print peak memory in MB before and after 2,048 clips went through all but the network."""
    videos = open_videos(folder)
    detector = StandIn(
        torch.nn.Identity(), record=DetectorRecord(name="stand-in"), protocol=VideoProtocol()
    )
    rng = np.random.default_rng(0)
    idxs = rng.integers(len(videos.entries), size=NUM_MEMORY_CLIPS)
    starts = [rng.integers(videos.entries[i].num_frames - 15) for i in idxs]
    clips = np.stack([idxs, np.array(starts)], axis=1)
    peaks = []
    for count in (16, NUM_MEMORY_CLIPS):
        plan = ClipPlan(clips[:count], num_frames=16, frame_stride=1)
        config = ExtractionConfig(use_cache=False)
        extract_statistics(videos, plan, detector=detector, config=config)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    print(f"memory  {peaks[0]} MB after 16 clips, {peaks[1]} MB after {NUM_MEMORY_CLIPS:,}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=Path, default=DEFAULT_VIDEOS)
    parser.add_argument("--num-clips", type=int, default=12)
    parser.add_argument("--num-threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--memory-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.num_threads)
    if args.memory_only:
        measure_memory(args.videos)
        return
    videos = open_videos(args.videos)
    plan = plan_clips(
        videos.num_frames, name="videos", choice="random", num_frames=16, count=args.num_clips
    )
    torch.manual_seed(0)
    network = I3D().eval().requires_grad_(False)
    plain = pool_plainly(copy.deepcopy(network))
    expected, loop = run_loop(plain, videos, plan)
    found, ours = run_ours(network, videos, plan, args.batch_size)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    n = len(plan)
    for name, (wall, cpu) in (("loop", loop), ("ours", ours)):
        print(f"{name}    {n / wall:.2f} clips/s, {cpu / n:.3f} s of processor time a clip")
    print(f"ratio   {loop[0] / ours[0]:.2f} on the wall, {loop[1] / ours[1]:.2f} of processor time")
    print(f"error   {error:.1e} of the largest feature")
    print(f"peak    {peak} MB with batches of {args.batch_size}, {args.num_threads} threads")


if __name__ == "__main__":
    main()
