"""Inversion of many clips, one after the other, in runs that can be resumed."""

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.configs.invert import InvertConfig
from mocotool.configs.invert_clips import InvertClipsConfig
from mocotool.configs.shard import Shard
from mocotool.devices import describe_gpu
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import atomic_path, make_folder
from mocotool.generators.base import Generator
from mocotool.inversion.clip_search import LatentAxes, search_clip
from mocotool.inversion.encoder import LatentEncoder
from mocotool.inversion.quality import compare_liveliness, measure_lpips, measure_quality
from mocotool.inversion.search import check_images, in_float32
from mocotool.inversion.starts import Starts, choose_starts
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.networks.lpips import LPIPS, load_lpips
from mocotool.npz import read_npz, write_npz

SETTINGS_NAME = "settings.json"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClipInversion:
    """Latents of one clip."""

    name: str
    """What the clip is called."""
    latents: Tensor
    """[t, latent_dim]."""
    psnr: float
    """Of 8-bit RGB, in dB, the mean over frames."""
    ssim: float
    """Of 8-bit RGB, the mean over frames."""
    lpips: float
    """LPIPS (SqueezeNet, Caffe weights), the mean over frames; NaN where they are not RGB."""
    liveliness: float
    """Change of the renderings from frame to frame, as a fraction of the clip's."""
    seconds: float
    """Duration of the search."""


class ClipParts:
    """A folder of finished clips, so that an interrupted inversion can be resumed.

    Args:
        folder: Created when the first clip is finished.
        settings: Everything that the latents depend on; parts with other settings are refused.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(settings))

    def check(self) -> int:
        """Return the number of finished clips.

        Raises:
            ConfigError: The folder holds clips made with other settings.
        """
        path = self.folder / SETTINGS_NAME
        if not path.exists():
            return 0
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            saved = None
        if saved != self.settings:
            raise ConfigError(
                f"{self.folder}: holds clips inverted with other settings",
                hint=f"remove it, or write elsewhere: rm -r {self.folder}",
            )
        return len(list(self.folder.glob("*.npz")))

    def load(self, name: str) -> ClipInversion | None:
        """Return a finished clip, or `None`."""
        path = self._path(name)
        if not path.exists():
            return None
        fields = read_npz(path, str(path))
        try:
            psnr, ssim, lpips, liveliness, seconds = fields["figures"].tolist()
            latents = torch.from_numpy(fields["latents"])
        except (KeyError, ValueError):
            raise FileFormatError(
                f"{path}: not a part of an inversion", hint=f"rm {path}"
            ) from None
        return ClipInversion(
            name=name,
            latents=latents,
            psnr=psnr,
            ssim=ssim,
            lpips=lpips,
            liveliness=liveliness,
            seconds=seconds,
        )

    def save(self, clip: ClipInversion) -> None:
        """Write a clip."""
        make_folder(self.folder)
        settings = self.folder / SETTINGS_NAME
        if not settings.exists():
            with atomic_path(settings) as part:
                part.write_text(json.dumps(self.settings), encoding="utf-8")
        figures = np.array([clip.psnr, clip.ssim, clip.lpips, clip.liveliness, clip.seconds])
        with atomic_path(self._path(clip.name)) as part, part.open("wb") as file:
            write_npz({"latents": clip.latents.numpy(), "figures": figures}, file)

    def remove(self) -> None:
        """Remove the folder, now that its clips are in one file."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.npz"


def invert_clips(
    generator: Generator,
    clips: Iterable[tuple[str, Callable[[], Tensor]]],
    *,
    config: InvertClipsConfig | None = None,
    encoder: LatentEncoder | None = None,
    parts: ClipParts | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[ClipInversion]:
    """Find the latents of clips, all frames of a clip together, in memory for one clip.

    Args:
        generator: The frozen generator, with the noise stored in its file.
        clips: Name, and a function that reads the clip: [t, c, h, w] of its size, in [-1, 1].
        config: Steps and weights; `None` for the defaults.
        encoder: Predicts the initial latents (`find_encoder`, `train_encoder`); `None` regresses
            them from sampled ones.
        parts: Folder of finished clips, for resuming.
        progress: Called with the number of clips done since the last call.

    Returns:
        One inversion per clip, in order.

    Raises:
        MismatchError: Clips or encoder do not fit the generator.
        ConfigError: The generator has classes, or no latents of its own (BigGAN, DCGAN).
        DivergedError: The generator renders NaN or infinity.
    """
    config = InvertClipsConfig() if config is None else config
    if generator.c_dim:
        raise ConfigError("clips cannot be inverted with a class-conditional generator")
    starts = choose_starts(
        generator,
        space=generator.space,
        config=InvertConfig(seed=config.seed),
        encoder=encoder,
    )
    axes = LatentAxes.measure(generator, count=config.num_axes, seed=config.seed)
    lpips = load_lpips(device=generator.device)

    # a clip that an earlier, killed run has saved is not searched again
    found = []
    for name, read in clips:
        clip = None if parts is None else parts.load(name)
        if clip is None:
            clip = _invert_clip(
                generator, name, read(), starts=starts, axes=axes, lpips=lpips, config=config
            )
            if parts is not None:
                parts.save(clip)
        found.append(clip)
        if progress is not None:
            progress(1)
    return found


def _invert_clip(
    generator: Generator,
    name: str,
    frames: Tensor,
    *,
    starts: Starts,
    axes: LatentAxes,
    lpips: LPIPS,
    config: InvertClipsConfig,
) -> ClipInversion:
    check_images(frames, generator)
    started = time.monotonic()
    target = frames.to(generator.device)
    with in_float32(generator):
        with torch.no_grad():
            start = starts.guess(target)
        clip = search_clip(generator, target, start=start, axes=axes, config=config)
    img, wanted = clip.img.cpu(), frames.cpu()
    psnr, ssim = measure_quality(img, wanted)
    return ClipInversion(
        name=name,
        latents=clip.latents.cpu(),
        psnr=float(psnr.mean()),
        ssim=float(ssim.mean()),
        lpips=measure_lpips(clip.img, target, lpips=lpips),
        liveliness=compare_liveliness(img, wanted),
        seconds=time.monotonic() - started,
    )


def to_trajectory(
    clips: Sequence[ClipInversion],
    generator: Generator,
    *,
    frame_stride: int = 1,
    fps: float | None = None,
    shard: Shard | None = None,
    shard_of: str | None = None,
) -> Trajectory:
    """Put clips of one length into one trajectory, with their names.

    Args:
        clips: Inverted clips of equal length.
        generator: Their generator.
        frame_stride: Frame stride of the clips.
        fps: Frames per second.
        shard: Which part of all clips these are; `None` for all.
        shard_of: Fingerprint of all clips; see `fingerprint_whole`.
    """
    latents = torch.stack([clip.latents for clip in clips]).float().numpy()
    meta = LatentsMeta(
        space=generator.space,
        fps=fps,
        names=[clip.name for clip in clips],
        liveliness=[clip.liveliness for clip in clips],
        shard=shard,
        shard_of=shard_of,
        frame_stride=frame_stride,
        generator=generator.origin.file if generator.origin else None,
        gpu=describe_gpu(generator.device) or None,
    )
    return Trajectory(latents=latents, meta=meta)
