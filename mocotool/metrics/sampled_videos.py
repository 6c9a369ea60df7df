"""A motion model as one side of a comparison, whose videos are sampled on demand."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import MAX_SEED, SampleConfig
from mocotool.errors import ConfigError
from mocotool.frames import render_video
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import sample_trajectory

BLOCK_SIZE = 64  # videos unrolled at once, as in `moco sample`, for identical results


class SampledVideos:
    """Videos of a motion model, the same as `moco sample --num-videos N --seed S`.

    Latents are in memory for one block of videos only.

    Args:
        motion: The motion model.
        generator: Its generator.
        first_seed: Content and motion seed of the first video; the others count up from it.
        num_videos: Number of videos.
        num_frames: Frames per video.
        config: Noise and chunk size.
        name: Name in results and messages.

    Raises:
        ConfigError: The seeds are out of range, or the generator has classes.
    """

    is_threaded = False

    def __init__(
        self,
        motion: MotionGenerator,
        generator: Generator,
        *,
        first_seed: int,
        num_videos: int,
        num_frames: int,
        config: RenderConfig | None = None,
        name: str = "motion model",
    ) -> None:
        last = first_seed + num_videos - 1
        if last > MAX_SEED:
            raise ConfigError(
                f"{name}: seeds {first_seed} to {last}, expected numbers up to {MAX_SEED}",
                hint="lower --seed or --num-repeats",
            )
        if generator.c_dim:
            raise ConfigError(
                f"{name}: its generator has classes, and none was named",
                hint="moco sample --labels draws latents (.npz), which can be measured",
            )
        self.motion, self.generator, self.name = motion, generator, name
        self.config = RenderConfig() if config is None else config
        self.seeds = range(first_seed, first_seed + num_videos)
        self._num_frames = num_frames
        self._block: tuple[int, Trajectory] | None = None

    @property
    def num_frames(self) -> npt.NDArray[np.int64]:
        """Frames of each video, [n]."""
        return np.full(len(self.seeds), self._num_frames, np.int64)

    def read_clip(self, video_idx: int, frame_idx: Sequence[int]) -> FramesU8:
        """Render some frames of a video, uint8 [t, h, w, 3]."""
        block_idx, row = divmod(video_idx, BLOCK_SIZE)
        chunks = render_video(
            self.generator,
            self._draw(block_idx),
            row,
            config=self.config,
            frame_idxs=np.asarray(frame_idx, np.int64),
            noise_idx=self.seeds[video_idx],  # like the motion, the pixel noise differs per video
        )
        return np.concatenate(list(chunks))

    def describe_clip(self, video_idx: int, frame_idx: Sequence[int]) -> str:
        """Name a clip in a message."""
        return (
            f"{self.name}: seed {self.seeds[video_idx]}, frames {frame_idx[0]} to {frame_idx[-1]}"
        )

    def fingerprint(self, video_idxs: Sequence[int]) -> str:
        """Hash the model with its basis, the generator's file, the noise and the seeds."""
        digest = hashlib.sha256(b"sampled")
        for name, tensor in sorted(self.motion.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
        asked = {
            **self._sampling(),
            "seeds": [self.seeds[video_idx] for video_idx in video_idxs],
            "step_size": self.motion.step_size,
            "noise_seed": self.config.seed,
        }
        digest.update(json.dumps(asked, sort_keys=True).encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return the record of this input for a result."""
        height, width = self.generator.img_size
        return {
            "kind": "motion model",
            "num_videos": len(self.seeds),
            "sizes": {f"{width}x{height}": len(self.seeds)},
            "is_lossy": False,
            "decoding": f"seeds {self.seeds[0]} to {self.seeds[-1]}, rendered to RGB bytes",
            "sampling": self._sampling(),
            "recorded_stride": self.motion.frame_stride,
        }

    def _draw(self, block_idx: int) -> Trajectory:
        """Return the latents of a block of videos; the last block is kept."""
        if self._block is None or self._block[0] != block_idx:
            seeds = self.seeds[block_idx * BLOCK_SIZE : (block_idx + 1) * BLOCK_SIZE]
            config = SampleConfig(num_videos=len(seeds), seed=seeds[0], num_frames=self._num_frames)
            drawn = sample_trajectory(self.motion, self.generator, config=config)
            self._block = (block_idx, drawn)
        return self._block[1]

    def _sampling(self) -> dict[str, Any]:
        motion, generator = self.motion.origin, self.generator.origin
        return {
            "motion": motion.sha256 if motion else None,
            "generator": generator.file.sha256 if generator else None,
            "seeds": [self.seeds[0], self.seeds[-1]],
            "num_frames": self._num_frames,
            "noise": self.config.noise,
        }


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampledMotion:
    """A motion model as a side of a comparison; every seed gives other videos."""

    motion: MotionGenerator
    """The motion model."""
    generator: Generator
    """Its generator."""
    config: RenderConfig = dataclasses.field(default_factory=RenderConfig)
    """Noise and chunk size."""
    num_videos: int | None = None
    """Videos per seed; `None` for as many as requested."""
    name: str = "motion model"
    """Name in results and messages."""

    def draw(self, seed: int, *, num_videos: int, num_frames: int = 1) -> SampledVideos:
        """Sample the videos of a seed; two seeds share no content and no motion.

        Args:
            seed: Video i has the seeds `seed * n + i`, of n videos.
            num_videos: Number of videos, unless the side has its own.
            num_frames: Frames needed; at least as many as in training are sampled.
        """
        count = self.num_videos or num_videos
        return SampledVideos(
            self.motion,
            self.generator,
            first_seed=seed * count,
            num_videos=count,
            num_frames=self.count_frames(num_frames),
            config=self.config,
            name=self.name,
        )

    def count_frames(self, num_frames: int) -> int:
        """Return the number of frames to sample if `num_frames` are needed."""
        return max(num_frames, self.motion.num_frames)
