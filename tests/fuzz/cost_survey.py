"""Open every hostile file through the command: what it says, its time and its peak memory.

    PYTHONPATH=tests:. python tests/fuzz/cost_survey.py      # a table in Markdown

Each command runs in a forked child, so that the interpreter's start and imports cost it nothing.
"""

import dataclasses
import io
import os
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from reference.hostile_files import exhausting_files, hostile_files
from reference.ugly_clips import write_clip

import mocotool as moco
from mocotool.cli.app import app
from mocotool.latents import LatentsMeta, Trajectory, write_latents
from mocotool.motion.checkpoint import save_motion
from mocotool.motion.generator import MotionGenerator
from mocotool.provenance import FileRecord

OTHER_WEIGHTS = "other hostile files of weights"
MAX_SECONDS = 2.0
MAX_MEMORY_MB = 300
SIGNALS_TRACEBACK = "Traceback (most recent call last)"


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing to open."""

    name: str
    words: tuple[str, ...]
    """The command, in a folder of its own."""
    make: Callable[[Path], object] = lambda _: None
    """Puts the file into the folder."""
    stdin: str = os.devnull
    group: str | None = None
    """The row of the table where many are told of together."""
    may_succeed: bool = False


@dataclasses.dataclass(frozen=True)
class Cost:
    """What became of it."""

    exit_code: int
    said: str
    seconds: float
    """Of a processor."""
    memory_mb: float
    """Most that it held beside files, beyond what the imports take."""


def measure(case, folder):
    """Run a case in a forked child."""
    folder.mkdir()
    case.make(folder)
    said = folder.parent / f"{folder.name}.said"
    receive, report = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.chdir(folder)
            with said.open("wb") as out, open(case.stdin, "rb") as stdin:
                os.dup2(stdin.fileno(), 0)
                for number in (1, 2):
                    os.dup2(out.fileno(), number)
            sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
            torch.set_num_threads(1)
            os.write(report, run(case.words).encode())
        finally:
            os._exit(0)
    os.close(report)
    with os.fdopen(receive) as pipe:
        found = pipe.read().split()
    os.waitpid(child, 0)
    text = said.read_text(errors="replace")
    if not found:
        return Cost(-1, text or "it died", 0.0, 0.0)
    return Cost(int(found[0]), text, float(found[1]), float(found[2]))


def run(words):
    """Run a command; return its exit code, seconds and megabytes as text."""
    before, start = read_status("RssAnon"), time.process_time()
    try:
        app([*words], prog_name="moco")
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    seconds = time.process_time() - start
    sys.stdout.flush()
    sys.stderr.flush()
    peak = read_status("VmHWM") - read_status("RssFile")
    return f"{code} {seconds:.3f} {max(0.0, peak - before):.1f}"


def read_status(name):
    """Return a line of this process's status in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


# What is opened


def list_cases():
    """Return every case; the table has them in this order."""
    return [*list_weights(), *list_motion(), *list_arrays(), *list_media(), *list_others()]


def list_weights():
    """Hostile files of weights, each as a generator and as a motion model."""
    cases, exhausting = [], exhausting_files()
    for name, (make, _) in hostile_files().items():
        for words in (("convert", "weights.pkl", "-o", "g.safetensors"), ("sample", "weights.pkl")):
            cases.append(
                Case(
                    name if name in exhausting else f"{name} ({words[0]})",
                    (*words, *(("-o", "out.npz") if words[0] == "sample" else ())),
                    lambda folder, make=make: (folder / "weights.pkl").write_bytes(make()),
                    group=name if name in exhausting else OTHER_WEIGHTS,
                )
            )
    return cases


def list_motion():
    """Motion models that claim other sizes than they have, or hold no numbers."""

    def make(folder, size):
        motion = MotionGenerator(
            latent_dim=12, noise_dim=4, hidden_dim=6, components=torch.eye(12), stdev=torch.ones(12)
        )
        if size is None:
            torch.nn.init.constant_(motion.coefficient_bias, float("nan"))
        else:
            arch = motion.arch | {"hidden_dim": size}
            motion.__class__ = type("Claims", (MotionGenerator,), {"arch": arch})
        save_motion(motion, folder / "m.safetensors")

    return [
        Case(
            "motion.safetensors with NaN" if size is None else f"hidden_dim {size:,}",
            ("sample", "m.safetensors", "-o", "out.npz"),
            lambda folder, size=size: make(folder, size),
        )
        for size in (20_000, 100_000, -1, None)
    ]


NOISE = np.random.default_rng(0).bytes(1000)
HEADERS = {
    "(-1, 4)": ("<f4", "(-1, 4)"),
    "(True, 1)": ("<f4", "(True, 1)"),
    "(0, 10^30)": ("<f4", f"(0, {10**30})"),
    "71 axes": ("<f4", f"({'1, ' * 71})"),
    "<U0 x 10^12": ("<U0", f"({10**12},)"),
    "60,000 minus signs": ("<f4", "(" + "-" * 60_000 + "1,)"),
}


def list_arrays():
    """Arrays whose headers lie, torn archives, and latents that name what they like."""
    cases = []
    for name, (descr, shape) in HEADERS.items():
        header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        data = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + bytes(64)
        cases += [
            Case(
                f".npz of shape {name}" if name[0] == "(" else f".npz of {name}",
                ("render", "x.npz", "-o", "x.mp4"),
                lambda folder, data=data: write_zip(folder / "x.npz", {"latents.npy": data}),
            ),
            Case(
                f".npy of {name}",
                ("edit", "walk.npz", "--direction", "x.npy:1", "-o", "out.npz"),
                lambda folder, data=data: (
                    (folder / "x.npy").write_bytes(data),
                    write_walk(folder / "walk.npz"),
                ),
                group=".npy of the same shapes",
            ),
        ]
    return [
        *cases,
        Case(
            ".npz with torn LZMA",
            ("render", "x.npz", "-o", "x.mp4"),
            lambda folder: write_zip(
                folder / "x.npz", {"latents.npy": NOISE}, method=zipfile.ZIP_LZMA, torn=True
            ),
        ),
        Case(".npz whose header's CRC is wrong", ("render", "x.npz", "-o", "x.mp4"), write_wrong),
        *(
            Case(
                f".npz made with {path}",
                ("render", "walk.npz", "-o", "x.mp4"),
                lambda folder, path=path: write_walk(folder / "walk.npz", generator=path),
            )
            for path in ("/dev/zero", "/proc/kcore", "pipe")
        ),
    ]


def write_zip(path, members, *, method=zipfile.ZIP_STORED, torn=False):
    """Write an archive, or one whose first member has lost its end to zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    data = bytearray(file.getvalue())
    if torn:
        data[60:70] = bytes(10)
    path.write_bytes(data)


def write_wrong(folder):
    """Write an archive whose header was changed after its checksum was taken."""
    file = io.BytesIO()
    np.savez(file, latents=np.arange(4.0))
    (folder / "x.npz").write_bytes(file.getvalue().replace(b"(4,)", b"(2,)"))


def write_walk(path, *, generator=None):
    """Write latents, which say that they are of a file of that name, and a pipe beside them."""
    record = generator and FileRecord(path=generator, sha256="0" * 64, kind="stylegan2")
    meta = LatentsMeta(space="w", seeds=[0], generator=record)
    with path.open("wb") as file:
        write_latents(Trajectory(latents=np.ones((1, 2, 12), np.float32), meta=meta), file)
    if generator:
        os.mkfifo(path.parent / "pipe")


def list_media():
    """Pictures and folders of videos."""
    delay = b"!\xf9\x04\x00\x0a\x00\x00\x00\x2c" + struct.pack("<HHHH", 0, 0, 1, 1)
    canvas = struct.pack("<HH", 16_000, 16_000) + b"\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    bomb = b"GIF89a" + canvas + delay + b"\x00\x02\x02\x44\x01\x00;"

    def make_links(folder):
        (folder / "videos" / "deep").mkdir(parents=True)
        write_clip(folder / "videos" / "deep" / "clip.mkv", codec="ffv1", pix_fmt="bgr0")
        for index in range(6):
            (folder / "videos" / f"again{index}").symlink_to(folder / "videos")
            (folder / "videos" / "deep" / f"up{index}").symlink_to("..")

    small = ("--resolution", "8", "--batch-size", "2", "--channel-max", "8", "--z-dim", "6")
    train = ("train-image", "--videos", "videos", "-o", "run", "--dry-run", *small)
    return [
        Case(
            "GIF of 16000 x 16000",
            ("info", "bomb.gif"),
            lambda folder: (folder / "bomb.gif").write_bytes(bomb),
        ),
        Case(
            "the same, to invert",
            ("invert", "bomb.gif", "-o", "out.npz"),
            lambda folder: (folder / "bomb.gif").write_bytes(bomb),
        ),
        Case("a folder that links to itself", train, make_links, may_succeed=True),
    ]


def list_others():
    """Streams without an end, and numbers that no memory holds."""

    sample, many = ("sample", "-o", "out.npz"), 10**20
    return [
        Case("zeros on stdin", ("render", "-", "-o", "x.mp4"), stdin="/dev/zero"),
        Case("zeros on stdin of info", ("info", "-"), stdin="/dev/zero"),
        Case("/dev/zero by its name", ("interpolate", "/dev/zero", "-o", "x.npz")),
        Case("--num-videos 1000000000", (*sample, "--num-videos", "1000000000")),
        Case("--num-frames 10^20", (*sample, "--num-frames", str(many))),
        Case(
            "--factor 10^20",
            ("interpolate", "walk.npz", "--factor", str(many), "-o", "x.npz"),
            lambda folder: write_walk(folder / "walk.npz"),
        ),
    ]


def measure_all(folder, cases=None):
    """Return case -> cost."""
    cases = list_cases() if cases is None else cases
    warm_up(folder / "warm", cases)
    return {case: measure(case, folder / str(i)) for i, case in enumerate(cases)}


def warm_up(folder, cases):
    """Load what the commands load, here rather than in each child."""
    from typer.testing import CliRunner

    folder.mkdir()
    (folder / "no").write_bytes(b"no")
    write_clip(folder / "clip.mkv", codec="ffv1", pix_fmt="bgr0")
    for name in sorted({case.words[0] for case in cases}):
        words = next(case.words for case in cases if case.words[0] == name)
        CliRunner().invoke(app, [str(folder / "no") if "." in word else word for word in words])
    torch.optim.Adam([torch.zeros(1)])
    for name in moco.__all__:
        getattr(moco, name)


def tabulate(costs):
    """Return the table: a row for each file, of many that are alike the most."""
    rows = {}
    for case, cost in costs.items():
        rows.setdefault(case.group or case.name, []).append((case, cost))
    lines = ["| what | command | seconds | MB | what is said |", "|---|---|---|---|---|"]
    for name, found in rows.items():
        cases, most = [case for case, _ in found], [cost for _, cost in found]
        seconds, memory = max(c.seconds for c in most), max(c.memory_mb for c in most)
        commands = ", ".join(dict.fromkeys(f"`{case.words[0]}`" for case in cases))
        many = f" ({len(found)})" if len(found) > 2 else ""
        said = "each its own" if many else most[0].said.partition("\n")[0]
        said = said.removeprefix("moco: error: ")
        lines.append(f"| {name}{many} | {commands} | {seconds:.2f} | {memory:.0f} | {said} |")
    return "\n".join(lines)


def find_faults(costs):
    """Return what is wrong: no sentence, too slow, or too large."""
    faults = []
    for case, cost in costs.items():
        codes = (0, 2, 3, 4, 5) if case.may_succeed else (2, 3, 4, 5)
        if cost.exit_code not in codes or SIGNALS_TRACEBACK in cost.said:
            faults.append(f"{case.name}: exit {cost.exit_code}: {cost.said[-300:]}")
        if cost.seconds > MAX_SECONDS or cost.memory_mb > MAX_MEMORY_MB:
            faults.append(f"{case.name}: {cost.seconds:.2f} s, {cost.memory_mb:.0f} MB")
    return faults


def main():
    """Run from the command line."""
    with tempfile.TemporaryDirectory() as folder:
        costs = measure_all(Path(folder))
    print(tabulate(costs))
    for fault in (faults := find_faults(costs)):
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
