"""One good file of every kind that the program reads, and the readers that such a file may meet."""

import dataclasses
import json
import pickle
import shutil
import wave
from pathlib import Path

import av
import numpy as np
import torch
from reference.golden_files import find_golden, list_goldens
from reference.picture_files import PICTURE_CODECS, encode_picture
from reference.ugly_clips import make_ugly_clips, write_clip

from mocotool.basis import read_basis, write_basis
from mocotool.configs.chosen import read_settings
from mocotool.configs.pca import PCAConfig
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.generators.loading import load_generator, save_generator
from mocotool.info import describe_file
from mocotool.inversion.clips import ClipInversion, ClipParts
from mocotool.inversion.encoder_files import load_encoder, save_encoder
from mocotool.inversion.network_encoder import NetworkEncoder
from mocotool.latents import LatentsMeta, Trajectory, read_latents, write_latents
from mocotool.metrics.detectors import load_weights
from mocotool.metrics.sides import open_side
from mocotool.metrics.statistics import StatsAccumulator, write_statistics
from mocotool.motion.checkpoint import load_motion, save_motion
from mocotool.motion.generator import MotionGenerator
from mocotool.npz import read_npy
from mocotool.pca import fit_pca_basis
from mocotool.preference.votes import read_ballot
from mocotool.steering.directions import read_directions
from mocotool.steering.schedules import make_schedule
from mocotool.training.run_curves import draw_run_curves, read_metrics
from mocotool.training.run_folder import RunFolder
from mocotool.video.decoded import decode_all
from mocotool.video.listing import list_videos
from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image
from mocotool.video.reading import iter_frames
from mocotool.video.sound import read_sound

SETTINGS = TrainMotionConfig(num_steps=3)
CLIP_SETTINGS = {"num_steps": 4}
VOTES = {
    "schema": "moco.votes/1",
    "study": "s",
    "question": "q",
    "voter": "v",
    "sides": ["a", "b"],
    "votes": [{"trial": i, "left": i % 2, "right": 1 - i % 2, "chosen": "left"} for i in range(4)],
}
PICTURE = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)
ROTATED = (
    b"\xff\xe1\x00\x22Exif\0\0MM\x00*\x00\x00\x00\x08\x00\x01"
    b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
)
SOUND_CODECS = {"a.mp3": "libmp3lame", "a.flac": "flac", "a.ogg": "libopus", "a.m4a": "aac"}


def make_sources(folder):
    """Return name -> (bytes, the readers that such a file may meet)."""
    sources = {}
    for make in (make_networks, make_runs, make_numbers, make_pictures, make_videos, make_sounds):
        part = folder / make.__name__
        part.mkdir()
        sources |= make(part)
    return {name: (data, (*readers, describe_file)) for name, (data, readers) in sources.items()}


# Networks


def make_networks(folder):
    """Generators of every origin, motion models, an encoder and a detector."""
    golden = {name: find_golden(name) for name in list_goldens()}
    sources = {name: (path.read_bytes(), (load_generator,)) for name, path in golden.items()}
    small = load_generator(find_golden("ada-cond-32.pkl"))
    save_generator(small, folder / "g.safetensors")
    basis = fit_pca_basis(small, config=PCAConfig(num_samples=200, num_components=4))
    with (folder / "pca.npz").open("wb") as file:
        write_basis(basis, file)
    components, stdev = torch.from_numpy(basis.components), torch.from_numpy(basis.stdev)
    motion = MotionGenerator(
        latent_dim=basis.latent_dim, noise_dim=4, hidden_dim=6, components=components, stdev=stdev
    )
    save_motion(motion, folder / "m.safetensors")
    encoder = NetworkEncoder(latent_dim=8, img_channels=3, resolution=16, width=4)
    save_encoder(encoder, folder / "e.safetensors")
    torch.save({"weight": torch.ones(1, 2)}, folder / "d.pt")
    official = find_golden("motion-64-modelR_epoch_0.pth").read_bytes()
    theirs = folder / "theirs"
    theirs.mkdir()
    for name in ("pca_comp.npy", "pca_stdev.npy"):
        shutil.copy(find_golden(f"motion-64-{name}"), theirs / name)
    return sources | {
        "g.safetensors": ((folder / "g.safetensors").read_bytes(), (load_generator,)),
        "pca.npz": ((folder / "pca.npz").read_bytes(), (read_basis, read_directions)),
        "m.safetensors": ((folder / "m.safetensors").read_bytes(), (load_motion,)),
        "e.safetensors": ((folder / "e.safetensors").read_bytes(), (load_encoder,)),
        "d.pt": ((folder / "d.pt").read_bytes(), (detect,)),
        "modelR.pth": (official, (lambda path: load_motion(path, pca=theirs),)),
    }


def detect(path):
    """Read weights of a detector."""
    load_weights(lambda: torch.nn.Linear(2, 1, bias=False), path)


# Runs


def make_runs(folder):
    """The files of a run's folder, settings, and what an inversion keeps of each clip."""
    torch.save({"step": 1, "model": {"w": torch.ones(9)}, "rng": [1, (2.0, None)]}, folder / "s.pt")
    run = RunFolder(folder / "run")
    files = {"generator": {"path": "g.pkl", "sha256": "0" * 64}}
    run.open(SETTINGS, resume=False, inputs=files, machine={"device": "cpu"})
    for step in range(4):
        run.log(step, {"loss": 0.5 * step, "score": float("nan")})
    run.close()
    draw_run_curves(read_metrics(run.path))  # loads what draws once, not in each child
    parts = ClipParts(folder / "parts", CLIP_SETTINGS)
    parts.save(
        ClipInversion(
            name="c",
            latents=torch.ones(3, 4),
            psnr=9.0,
            ssim=0.5,
            lpips=0.1,
            liveliness=1.0,
            seconds=1.0,
        )
    )
    (clip,) = (folder / "parts").glob("*.npz")
    (notes,) = (folder / "parts").glob("*.json")
    text = "".join(
        f"{name} = {json.dumps(value)}\n"
        for name, value in dataclasses.asdict(SETTINGS).items()
        if value is not None
    )
    return {
        "state.pt": ((folder / "s.pt").read_bytes(), (resume,)),
        "config.json": ((folder / "run" / "config.json").read_bytes(), (go_on, choose, look)),
        "settings.toml": (text.encode(), (choose,)),
        "metrics.jsonl": ((folder / "run" / "metrics.jsonl").read_bytes(), (draw, forget, look)),
        clip.name: (clip.read_bytes(), (take_up,)),
        notes.name: (notes.read_bytes(), (take_up,)),
    } | make_frame_cache(folder)


def put_into(path, name):
    """Copy a file to where a run has such a one; return the folder."""
    folder = path.parent / f"{name}-run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder / name)
    return folder


def resume(path):
    """Go on from a run's state."""
    RunFolder(put_into(path, "state.pt")).load_state(warn=lambda _: None)


def go_on(path):
    """Go on with a run, by its configuration."""
    run = RunFolder(put_into(path, "config.json"))
    files = {"generator": {"path": "g.pkl", "sha256": "0" * 64}}
    run.open(SETTINGS, resume=True, inputs=files, machine={"device": "cpu"})
    run.close()


def choose(path):
    """Take the settings of a file or of a run."""
    TrainMotionConfig(**read_settings(path, TrainMotionConfig, run="train-motion"))


def look(path):
    """Describe a run's folder."""
    describe_file(put_into(path, path.name))


def draw(path):
    """Draw the curves of a run."""
    draw_run_curves(read_metrics(put_into(path, "metrics.jsonl")))


def forget(path):
    """Drop what was logged after the state that a run goes on from."""
    RunFolder(put_into(path, "metrics.jsonl")).drop_log_after(2)


def take_up(path):
    """Take up an inversion of clips."""
    folder = path.parent / "parts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder)
    parts = ClipParts(folder, CLIP_SETTINGS)
    parts.check()
    parts.load("c")


def make_frame_cache(folder):
    """Decoded frames on disk and their notes."""
    write_clip(folder / "clip.mkv", codec="ffv1", pix_fmt="bgr0", size=(8, 8), num_frames=3)
    entries = list_videos(folder / "clip.mkv").entries
    kept = {"size": 8, "memory_bytes": 0}
    fresh = np.array(decode_all(entries, folder=folder / "frames", **kept).array)
    good = {path.suffix: path for path in (folder / "frames").iterdir()}

    def decode(path):
        """Decode the clip beside a damaged cache: the frames are right whatever that holds."""
        frames = path.parent / "frames"
        shutil.rmtree(frames, ignore_errors=True)
        shutil.copytree(folder / "frames", frames)
        shutil.copy(path, frames / good[path.suffix].name)
        np.testing.assert_array_equal(decode_all(entries, folder=frames, **kept).array, fresh)

    return {f"frames{ending}": (path.read_bytes(), (decode,)) for ending, path in good.items()}


# Arrays, statistics, votes and schedules


def make_numbers(folder):
    """Latents, directions, statistics of ours and of others, votes, a schedule."""
    np.save(folder / "a.npy", np.arange(6.0).reshape(2, 3))
    walk = np.ones((1, 2, 8), np.float32)
    with (folder / "walk.npz").open("wb") as file:
        write_latents(Trajectory(latents=walk, meta=LatentsMeta(space="w", seeds=[3])), file)
    torch.save(torch.ones(2, 8), folder / "direction.pt")
    write_statistics_of_others(folder)
    stats = StatsAccumulator(4)
    stats.add(np.eye(4, dtype=np.float32))
    write_statistics(stats.finish(), folder / "own.npz", meta={"detector": {"name": "pixels"}})
    readers = {
        "a.npy": (read_npy, read_directions),
        "walk.npz": (read_latents, open_side),
        "direction.pt": (read_directions,),
        **dict.fromkeys(("stats.pkl", "stats.pt", "stats.npz", "own.npz"), (open_side,)),
    }
    return {name: ((folder / name).read_bytes(), found) for name, found in readers.items()} | {
        "votes.json": (json.dumps(VOTES).encode(), (read_ballot,)),
        "schedule.csv": (b"frame,strength\n0,0.5\n1,1e-3\n2,-2\n", (follow,)),
    }


def write_statistics_of_others(folder):
    """Write statistics as NVIDIA's programs, torch-fidelity and clean-fid do."""
    mean, matrix = np.ones(4), np.eye(4)
    sums = {"num_items": 9, "raw_mean": 9 * mean, "raw_cov": 9 * matrix + 9, "max_items": None}
    (folder / "stats.pkl").write_bytes(pickle.dumps(sums))
    torch.save({"mu": mean, "sigma": matrix}, folder / "stats.pt")
    np.savez(folder / "stats.npz", mu=mean, sigma=matrix)


def follow(path):
    """Read a schedule."""
    make_schedule(str(path), 3)


# Pictures, videos and sounds


def make_pictures(folder):
    """A picture of each kind that is read."""
    del folder
    sources = {f"p.{ending}": encode_picture(PICTURE, ending) for ending in PICTURE_CODECS}
    sources["p.jpg"] = sources["p.jpg"][:2] + ROTATED + sources["p.jpg"][2:]
    return {name: (data, (read_image, list_folder)) for name, data in sources.items()}


def list_folder(path):
    """Find a picture in a folder, as a clip of numbered frames."""
    list_videos(put_into(path, f"0001{path.suffix}"))


def make_videos(folder):
    """Clips as they are found in the wild, and of every container that is written."""
    sources = {path.name: path.read_bytes() for path in make_ugly_clips(folder / "ugly").iterdir()}
    for name, codec, pix_fmt in (("a.webm", "libvpx-vp9", "yuv420p"), ("a.apng", "apng", "rgb24")):
        sources[name] = write_clip(folder / name, codec=codec, pix_fmt=pix_fmt)
    return {name: (data, (watch, list_videos, listen)) for name, data in sources.items()}


def watch(path):
    """Read a video to its end."""
    for _ in iter_frames(open_video(path)):
        pass


def make_sounds(folder):
    """Half a second of a tone in each common format."""
    tone = (8000 * np.sin(np.arange(8000) / 7)).astype(np.int16)
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, len(tone), "NONE", ""))
        file.writeframes(tone.tobytes())
    for name, codec in SOUND_CODECS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=16_000)
            stream.codec_context.layout = "mono"
            frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    names = ("a.wav", *SOUND_CODECS)
    return {name: (Path(folder / name).read_bytes(), (listen,)) for name in names}


def listen(path):
    """Read a sound to its end."""
    read_sound(path, rate=16_000, num_channels=1)
