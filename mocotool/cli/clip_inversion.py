"""Inversion of whole clips by `moco invert`: all frames of a clip are optimised together."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocotool.cli.encoder_options import EncoderOptions
from mocotool.cli.options import Computing
from mocotool.cli.report import Report, list_first
from mocotool.configs.invert_clips import LEAST_FRAMES, InvertClipsConfig
from mocotool.configs.shard import WHOLE, Shard, fingerprint_whole, take_share
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import atomic_path, check_input_file, check_output_path
from mocotool.provenance import current_command

if TYPE_CHECKING:
    import torch

    from mocotool.inversion.clips import ClipInversion
    from mocotool.inversion.encoder import LatentEncoder
    from mocotool.video.cutting import Size
    from mocotool.video.opening import VideoEntry


def holds_videos(paths: Sequence[Path]) -> bool:
    """Return whether paths stand for several videos rather than for pictures or one video."""
    from mocotool.video.archives import is_archive
    from mocotool.video.listing import list_videos

    if len(paths) == 1 and not paths[0].is_dir() and not is_archive(check_input_file(paths[0])):
        return False
    try:
        entries = [entry for path in paths for entry in list_videos(path).entries]
    except FileFormatError:
        return False
    return sum(entry.num_frames > 1 for entry in entries) == len(entries)


def invert_folder(
    paths: Sequence[Path],
    *,
    out: str | None,
    force: bool,
    generator: Path | None,
    encoder: EncoderOptions,
    config: InvertClipsConfig,
    shard: Shard,
    computing: Computing,
    report: Report,
) -> None:
    """Find the latents of all clips of some videos or folders, and write them into one file.

    Raises:
        ConfigError: The output is not a `.npz`, or it exists.
        FileFormatError: There are no videos that are long enough.
        MismatchError: The encoder does not fit the generator.
    """
    if out is None or Path(out).suffix.lower() != ".npz":
        raise ConfigError(
            f"whole clips go into a file of latents, got -o {out or 'nothing'}",
            hint="-o trajectories.npz",
        )
    target = check_output_path(Path(out), force=force)

    from mocotool.generators.loading import load_generator
    from mocotool.inversion.clips import ClipParts, invert_clips, to_trajectory
    from mocotool.latents import write_latents
    from mocotool.memory import keep_freed_memory

    with computing.joined(report) as (processes, precision):
        if processes.device.type == "cpu":
            keep_freed_memory()
        network = load_generator(generator, device=processes.device, precision=precision)
        guess = encoder.load(network, report)

        # the clips, and those of this shard and this process
        entries, num_frames = choose_clips(paths, config, report)
        settings = _describe_settings(network.origin, guess, config, num_frames)
        rate = entries[0].fps
        own = [entries[idx] for idx in processes.share(take_share(len(entries), shard))]

        parts = ClipParts(target.with_name(f"{target.name}.parts"), settings)
        done = parts.check()
        if done:
            report.note(f"{parts.folder}: {done} clips are done already")
        with report.progress("clips", len(own)) as advance:
            share = invert_clips(
                network,
                _read_clips(own, network.img_size, num_frames, config.frame_stride),
                config=config,
                encoder=guess,
                parts=parts,
                progress=advance,
            )
        found = [clip for clips in processes.gather_objects(share) for clip in clips]
        if not processes.is_first:
            return

    # [n, t, latent_dim], with what is needed to merge shards
    trajectory = to_trajectory(
        found,
        network,
        frame_stride=config.frame_stride,
        fps=None if rate is None else rate / config.frame_stride,
        shard=None if shard == WHOLE else shard,
        shard_of=None if shard == WHOLE else _fingerprint(settings, entries),
    )
    with atomic_path(target) as part, part.open("wb") as file:
        write_latents(trajectory.with_command(current_command()), file)
    parts.remove()
    report.result({"wrote": str(target)} | describe_clips(found, as_json=report.json))


def choose_clips(
    paths: Sequence[Path], config: InvertClipsConfig, report: Report
) -> "tuple[list[VideoEntry], int]":
    """Find the videos that are long enough, and say how many frames of each are taken.

    Raises:
        FileFormatError: There are none.
    """
    from mocotool.video.listing import list_videos

    stride = config.frame_stride
    least = config.num_frames or LEAST_FRAMES
    listings = [
        list_videos(path, min_frames=(least - 1) * stride + 1, warn=report.warn) for path in paths
    ]
    entries = [entry for listing in listings for entry in listing.entries]
    shortest = min((entry.num_frames - 1) // stride + 1 for entry in entries)
    return entries, config.num_frames or shortest


def _read_clips(
    entries: "Sequence[VideoEntry]", size: "Size", num_frames: int, stride: int
) -> "Iterator[tuple[str, Callable[[], torch.Tensor]]]":
    """Yield the name of each clip, and what reads it."""
    from mocotool.layouts import from_frames_u8, to_channels_last
    from mocotool.video.cutting import read_squares

    idxs = range(0, num_frames * stride, stride)
    for entry in entries:

        def read(entry: "VideoEntry" = entry) -> "torch.Tensor":
            squares = read_squares(entry, idxs, size)  # [t, 3, h, w]
            return from_frames_u8(to_channels_last(squares))

        yield str(entry.path), read


def _describe_settings(
    origin: Any, encoder: "LatentEncoder | None", config: InvertClipsConfig, num_frames: int
) -> dict[str, Any]:
    """Return what the latents of a clip depend on."""
    import dataclasses

    return {
        "generator": origin.file.sha256 if origin else None,
        "encoder": None if encoder is None else encoder.sha256,
        "config": dataclasses.asdict(config) | {"num_frames": num_frames},
    }


def _fingerprint(settings: dict[str, Any], entries: "Sequence[VideoEntry]") -> str:
    """Return what tells one inversion of clips from another."""
    clips = [(entry.path.name, entry.contents) for entry in entries]
    return fingerprint_whole([settings, clips])


def describe_clips(found: "Sequence[ClipInversion]", *, as_json: bool) -> dict[str, Any]:
    """Return what the report says: every clip for scripts, a line each for people."""
    n = len(found)
    clips = [
        {
            "name": clip.name,
            "psnr_db": round(clip.psnr, 2),
            "ssim": round(clip.ssim, 4),
            "lpips": round(clip.lpips, 4),
            "liveliness": round(clip.liveliness, 3),
            "seconds": round(clip.seconds, 2),
        }
        for clip in found
    ]

    values: dict[str, Any] = {
        "num_clips": n,
        "num_frames": len(found[0].latents),
        "psnr_db": round(sum(clip.psnr for clip in found) / n, 2),
        "ssim": round(sum(clip.ssim for clip in found) / n, 4),
        "lpips": round(sum(clip.lpips for clip in found) / n, 4),
        "liveliness": round(sum(clip.liveliness for clip in found) / n, 3),
        "seconds_per_clip": round(sum(clip.seconds for clip in found) / n, 2),
    }
    if as_json:
        return values | {"clips": clips}

    told = [
        (
            str(clip["name"]),
            f"PSNR {clip['psnr_db']:.2f} dB  SSIM {clip['ssim']:.4f}  "
            f"LPIPS {clip['lpips']:.4f}  liveliness {clip['liveliness']:.2f}",
        )
        for clip in clips
    ]
    return values | list_first(told)
