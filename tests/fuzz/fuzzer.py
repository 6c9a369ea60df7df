"""Open mutated files of every kind, each in a forked child: our own errors, and nothing else.

    PYTHONPATH=tests:. python tests/fuzz/fuzzer.py --count 20000     # or --seconds 120, --seed 7

A file that ends in a traceback, takes too long or too much memory is kept in --keep.
"""

import argparse
import json
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from fuzz.mutations import mutate
from reference.golden_files import find_golden, list_goldens
from reference.ugly_clips import make_ugly_clips, write_clip

from mocotool.basis import read_basis, write_basis
from mocotool.configs.pca import PCAConfig
from mocotool.errors import MocoError, MocoWarning
from mocotool.generators.loading import load_generator, save_generator
from mocotool.info import describe_file
from mocotool.latents import LatentsMeta, Trajectory, read_latents, write_latents
from mocotool.metrics.sides import open_side
from mocotool.motion.checkpoint import load_motion, save_motion
from mocotool.motion.generator import MotionGenerator
from mocotool.npz import read_npy
from mocotool.pca import fit_pca_basis
from mocotool.preference.votes import read_ballot
from mocotool.training.run_folder import RunFolder
from mocotool.video.listing import list_videos
from mocotool.video.pictures import read_image, write_png
from mocotool.video.reading import iter_frames, open_video

MAX_SECONDS = 5
MAX_MEMORY_BYTES = 1 << 30  # beyond what the parent has
BATCH = 25  # files a child opens before the next is forked


def watch(path):
    """Read a video to its end."""
    for _ in iter_frames(open_video(path)):
        pass


def resume(path):
    """Go on from a run's state."""
    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "state.pt")
    RunFolder(folder).load_state(warn=lambda _: None)


VOTES = {
    "schema": "moco.votes/1",
    "study": "s",
    "question": "q",
    "voter": "v",
    "sides": ["a", "b"],
    "votes": [{"trial": i, "left": i % 2, "right": 1 - i % 2, "chosen": "left"} for i in range(4)],
}


def write_statistics_of_others(folder):
    """Write statistics as NVIDIA's programs, torch-fidelity and clean-fid do."""
    mean, matrix = np.ones(4), np.eye(4)
    sums = {"num_items": 9, "raw_mean": 9 * mean, "raw_cov": 9 * matrix + 9, "max_items": None}
    (folder / "stats.pkl").write_bytes(pickle.dumps(sums))
    torch.save({"mu": mean, "sigma": matrix}, folder / "stats.pt")
    np.savez(folder / "stats.npz", mu=mean, sigma=matrix)


def make_sources(folder):
    """Return name -> (bytes, the readers that such a file may meet)."""
    golden = {name: find_golden(name) for name in list_goldens()}
    sources = {
        name: (path.read_bytes(), (load_generator, describe_file)) for name, path in golden.items()
    }
    small = load_generator(find_golden("ada-cond-32.pkl"))
    save_generator(small, folder / "g.safetensors")
    sources["g.safetensors"] = ((folder / "g.safetensors").read_bytes(), (load_generator,))
    basis = fit_pca_basis(small, config=PCAConfig(num_samples=200, num_components=4))
    with (folder / "pca.npz").open("wb") as file:
        write_basis(basis, file)
    sources["pca.npz"] = ((folder / "pca.npz").read_bytes(), (read_basis, describe_file))
    np.save(folder / "a.npy", np.arange(6.0).reshape(2, 3))
    sources["a.npy"] = ((folder / "a.npy").read_bytes(), (read_npy,))
    walk = np.ones((1, 2, basis.latent_dim), np.float32)
    with (folder / "walk.npz").open("wb") as file:
        write_latents(Trajectory(latents=walk, meta=LatentsMeta(space="w", seeds=[3])), file)
    sources["walk.npz"] = ((folder / "walk.npz").read_bytes(), (read_latents, describe_file))
    components, stdev = torch.from_numpy(basis.components), torch.from_numpy(basis.stdev)
    motion = MotionGenerator(
        latent_dim=basis.latent_dim, noise_dim=4, hidden_dim=6, components=components, stdev=stdev
    )
    save_motion(motion, folder / "m.safetensors")
    sources["m.safetensors"] = ((folder / "m.safetensors").read_bytes(), (load_motion,))
    official = find_golden("motion-64-modelR_epoch_0.pth").read_bytes()
    sources["modelR.pth"] = (official, (lambda path: load_motion(path, pca=folder / "pca.npz"),))
    torch.save({"step": 1, "model": motion.state_dict(), "rng": [1, (2.0, None)]}, folder / "s.pt")
    sources["state.pt"] = ((folder / "s.pt").read_bytes(), (resume,))
    write_statistics_of_others(folder)
    for name in ("stats.pkl", "stats.pt", "stats.npz"):
        sources[name] = ((folder / name).read_bytes(), (open_side,))
    sources["votes.json"] = (json.dumps(VOTES).encode(), (read_ballot,))
    write_png(folder / "p.png", np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3))
    sources["p.png"] = ((folder / "p.png").read_bytes(), (read_image, describe_file))
    for path in make_ugly_clips(folder / "ugly").iterdir():
        sources[path.name] = (path.read_bytes(), (watch, list_videos))
    for name, codec, pix_fmt in (("a.webm", "libvpx-vp9", "yuv420p"), ("a.apng", "apng", "rgb24")):
        sources[name] = (write_clip(folder / name, codec=codec, pix_fmt=pix_fmt), (watch,))
    return sources


def make_file(sources, seed, index):
    """Return the name, bytes and reader of one mutated file."""
    rng = random.Random(f"{seed} {index}")
    name = rng.choice(sorted(sources))
    data, readers = sources[name]
    return name, mutate(data, rng), rng.choice(readers)


def try_file(path, read):
    """Return "opened", "refused", or the traceback."""
    try:
        with warnings.catch_warnings():
            # One unknown tensor is told of and left out; pytest would make an error of our warning.
            warnings.simplefilter("ignore", MocoWarning)
            read(path)
    except MocoError as error:
        return "refused" if str(error).strip() else "an error without words"
    except BaseException:
        return traceback.format_exc()
    return "opened"


def open_some(sources, seed, indices, folder, report):
    """Open some files in this process, which ends with the first failure; write a line for each."""
    torch.set_num_threads(1)  # the others did not come along when this process was forked
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + MAX_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for index in indices:
        name, data, read = make_file(sources, seed, index)
        path = folder / name
        path.write_bytes(data)
        os.write(report, f"{index} started\n".encode())
        signal.alarm(4 * MAX_SECONDS)  # other work on the machine is not our hang
        start = time.process_time()
        result = try_file(path, read)
        signal.alarm(0)
        if time.process_time() - start > MAX_SECONDS:
            result = f"{time.process_time() - start:.1f} s"
        os.write(report, f"{index} {result!r}\n".encode())
        path.unlink(missing_ok=True)


def fuzz(folder, *, count=None, seconds=None, seed=0, keep=None):
    """Open mutated files until the count or the time is reached.

    Returns:
        (results counted, index -> what went wrong).
    """
    sources = make_sources(folder)
    counts, failures = Counter(), {}
    work = folder / "work"
    work.mkdir()
    began, index = time.monotonic(), 0
    while index < (count or 1 << 62) and time.monotonic() - began < (seconds or 1e9):
        indices = range(index, min(index + BATCH, count or index + BATCH))
        receive, report = os.pipe()
        child = os.fork()
        if not child:
            os.close(receive)
            with open(os.devnull, "w") as nothing:
                os.dup2(nothing.fileno(), 2)  # FFmpeg complains of every file
            try:
                open_some(sources, seed, indices, work, report)
            finally:
                os._exit(0)
        os.close(report)
        with os.fdopen(receive) as lines:
            results = dict(line.rstrip("\n").split(" ", 1) for line in lines)
        _, status = os.waitpid(child, 0)
        index = indices.stop
        for place, result in results.items():
            if result in ("'opened'", "'refused'"):
                counts[result.strip("'")] += 1
                continue
            if result == "started":
                index = int(place) + 1  # the others of this child have not been opened
            failures[int(place)] = (
                f"ended by {os.waitstatus_to_exitcode(status)}" if result == "started" else result
            )
            counts["failed"] += 1
            if keep is not None:
                name, data, _ = make_file(sources, seed, int(place))
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{place}-{name}").write_bytes(data)
    return counts, failures


def main():
    """Run from the command line."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    asked = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        counts, failures = fuzz(Path(folder), **asked)
    for index, result in failures.items():
        print(index, result.replace("\\n", "\n"))
    print(", ".join(f"{number} {result}" for result, number in sorted(counts.items())))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
