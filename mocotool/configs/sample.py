"""Settings of `moco sample`."""

import dataclasses
from collections.abc import Mapping

from mocotool.configs.render import DEFAULT_FPS
from mocotool.errors import ConfigError

MAX_SEED = 2**32 - 1
MAX_VIDEOS = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VideoPlan:
    """Which seeds and class each video has."""

    seeds: list[int] | None
    """Content seed of each video; `None` where the videos begin from given latents."""
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
    """What `sample_trajectory` draws."""

    num_videos: int | None = None
    """How many; `None` is as many as the longest list of seeds, labels or starts asks for."""
    seeds: tuple[int, ...] | None = None
    """Content seeds; `None` counts up from `seed`. One serves all videos, several pair up."""
    motion_seeds: tuple[int, ...] | None = None
    """Motion seeds, by the same rule."""
    labels: tuple[int, ...] | None = None
    """Classes, for a generator that has them; one serves all videos, several pair up."""
    num_frames: int | None = None
    """Frames a video; `None` is the number the motion model was trained with."""
    truncation_psi: float = 1.0
    """1 leaves the first frame's latent as drawn, 0 takes the most average one."""
    start_frame: int = -1
    """Which frame of a given trajectory to begin from; -1 is its last."""
    fps: float = DEFAULT_FPS
    """Frames a second that the trajectory is meant to be played at."""
    seed: int = 0
    """Where seeds that were left out begin."""
    batch_size: int = 64
    """Videos unrolled at once."""

    def __post_init__(self) -> None:
        for name, count in (("num_videos", self.num_videos), ("num_frames", self.num_frames)):
            if count is not None and count < 1:
                raise ConfigError(f"{name.replace('_', ' of ')}: got {count}, expected 1 at least")
        if self.batch_size < 1:
            raise ConfigError(f"a batch of {self.batch_size} videos, expected 1 at least")
        if not 0.0 < self.fps < 1e4:
            raise ConfigError(f"{self.fps} frames a second, expected more than 0", hint="--fps 12")
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
            raise ConfigError(f"{n} videos, expected {MAX_VIDEOS:,} at most in one call")
        check_lengths(given, n)
        counted = tuple(range(self.seed, self.seed + n))
        return VideoPlan(
            seeds=None if num_starts is not None else broadcast(self.seeds or counted, n),
            motion_seeds=broadcast(self.motion_seeds or counted, n),
            labels=None if self.labels is None else broadcast(self.labels, n),
        )


def broadcast(values: tuple[int, ...], n: int) -> list[int]:
    """Return `n` values: those given, or one of them `n` times."""
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
                "lists of equal length pair up",
            )
