"""Settings of `moco sample`."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options, parse_numbers
from mocotool.configs.render import DEFAULT_FPS, Fps, TruncationPsi
from mocotool.errors import ConfigError

MAX_SEED = 2**32 - 1
MAX_VIDEOS = 1_000_000
BUNDLED_MOTION = "bundled:motion.safetensors"
"""Path that stands for the bundled motion model."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VideoPlan:
    """Seeds and class of each video."""

    seeds: list[int] | None
    """Content seed of each video; `None` if videos start from given latents."""
    motion_seeds: list[int]
    """Motion seed of each video."""
    labels: list[int] | None
    """Class of each video, or `None`."""

    @property
    def num_videos(self) -> int:
        """Number of videos."""
        return len(self.motion_seeds)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SampleConfig:
    """Config of `sample_trajectory`."""

    num_videos: Annotated[
        int | None,
        Option("Number of videos; if left out, the length of the lists below.", min=1),
    ] = None
    seeds: Annotated[
        tuple[int, ...] | None,
        Option(
            "Content seeds; if left out, consecutive from --seed.",
            metavar="0-3,9",
            parse=parse_numbers,
        ),
    ] = None
    motion_seeds: Annotated[
        tuple[int, ...] | None,
        Option(
            "Motion seeds; if left out, consecutive from --seed.",
            metavar="0-3,9",
            parse=parse_numbers,
        ),
    ] = None
    num_frames: Annotated[
        int | None, Option("Frames per video; if left out, as many as in training.", min=1)
    ] = None
    loop: Annotated[bool, Option("Sample periodic motion, for a seamless loop.")] = False
    pull: Annotated[
        float,
        Option(
            "Fraction of the way back to the first latent per frame; keeps long walks in the "
            "distribution of latents.",
            min=0,
            max=1,
        ),
    ] = 0.0
    start_frame: Annotated[int, Option("Frame of --start to start from; -1 is the last.")] = -1
    truncation_psi: TruncationPsi = 1.0
    labels: Annotated[
        tuple[int, ...] | None,
        Option("Classes, for a class-conditional generator.", metavar="0,3", parse=parse_numbers),
    ] = None
    fps: Fps = DEFAULT_FPS
    seed: Seed = 0
    batch_size: Annotated[int, Option("Videos per batch.", min=1, typed=False)] = 64

    def __post_init__(self) -> None:
        check_options(self)
        for seed in (self.seed, *(self.seeds or ()), *(self.motion_seeds or ())):
            if not 0 <= seed <= MAX_SEED:
                raise ConfigError(f"seed {seed}: expected a number from 0 to {MAX_SEED}")
        self.plan_videos()

    def plan_videos(self, *, num_starts: int | None = None) -> VideoPlan:
        """Pair up content, motion and classes.

        Each list holds one value, which serves all videos, or one for each video. A list of seeds
        that was left out counts up from `seed`.

        Args:
            num_starts: Number of latents to begin from, which take the place of content seeds.

        Raises:
            ConfigError: Two lists have different lengths, neither of them one.
        """
        lengths = {
            "--seeds": len(self.seeds) if self.seeds is not None else None,
            "--motion-seeds": len(self.motion_seeds) if self.motion_seeds is not None else None,
            "--labels": len(self.labels) if self.labels is not None else None,
            "--start": num_starts,
        }
        given = {name: length for name, length in lengths.items() if length is not None}
        n = self.num_videos or max(given.values(), default=1)
        if n > MAX_VIDEOS:
            raise ConfigError(f"{n} videos, expected at most {MAX_VIDEOS:,} in one call")
        check_lengths(given, n)
        counted = tuple(range(self.seed, self.seed + n))
        return VideoPlan(
            seeds=None if num_starts is not None else broadcast(self.seeds or counted, n),
            motion_seeds=broadcast(self.motion_seeds or counted, n),
            labels=None if self.labels is None else broadcast(self.labels, n),
        )


def broadcast(values: tuple[int, ...], n: int) -> list[int]:
    """Return `n` values; a single value is repeated."""
    return list(values) * n if len(values) == 1 else list(values)


def check_lengths(lengths: Mapping[str, int], n: int) -> None:
    """Check that each list holds one value or `n`.

    Raises:
        ConfigError: One does not.
    """
    for name, length in lengths.items():
        if length not in (1, n):
            others = ", ".join(f"{other} has {length}" for other, length in lengths.items())
            raise ConfigError(
                f"{name} has {length} values for {n} videos ({others}), expected 1 or {n}",
                hint="--seeds 0 --motion-seeds 0-3 is one content in four motions; "
                "lists of equal length are paired",
            )
