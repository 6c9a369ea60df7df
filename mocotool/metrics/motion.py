"""Metrics of motion over several seeds, compared with baselines."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.configs.eval_motion import MotionProtocol
from mocotool.configs.sample import SampleConfig
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.metrics.motion_baselines import (
    HeldFirstFrame,
    borrow_steps,
    choose_others,
    move_untrained,
    take_steps_of,
    walk_autoregressively,
    walk_randomly,
    walk_with_return,
)
from mocotool.metrics.motion_figures import (
    Interval,
    compare_motion,
    correlate_energy,
)
from mocotool.metrics.motion_sample import MotionSample, sample_motion
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import name_source
from mocotool.metrics.sources import RenderedLatents, VideoSource
from mocotool.motion.displacement import split_displacement
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import sample_trajectory

METRIC = "frechet distance (motion features)"
REAL_ROW = "real, other places"
OTHERS_ROW = "steps of other contents"
NUM_RENDERED = 8  # contents and motions of a design that are rendered for their energy over time
OTHER_PLACES = 100_003  # added to seeds, for other positions in the real videos
FEW_CLIPS = 100

Order = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MotionSubject:
    """Something whose motion is measured."""

    name: str
    draw: Callable[[int], VideoSource]
    """Returns the videos of a seed."""
    stride: int = 1
    """Take every n-th frame."""
    anywhere: bool = False
    """Whether clips begin at random positions."""
    is_real: bool = False
    """Whether its videos are the real reference."""
    design: Callable[[int], Trajectory] | None = None
    """Returns latents of every content with every motion seed, for the shares of displacement."""
    generator: Generator | None = None
    """Renders the design."""


def compute_motion(
    real: VideoSource,
    subjects: Sequence[MotionSubject],
    *,
    protocol: MotionProtocol | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Measure motion against real clips, in memory for one clip and a few kilobytes per clip.

    Args:
        real: The real videos.
        subjects: What to measure; the first is the main result. Other positions of the real
            videos are always added for comparison.
        protocol: Clips, strides and seeds; `None` for the defaults.
        progress: Called with the number of clips done since the last call.

    Returns:
        The motion distance of the first subject, and in `details["rows"]` all figures of all
        subjects: name -> figure -> {"mean", "half_width", "values"}; see `FIGURES`.

    Raises:
        FileFormatError: All videos of a side are too short, or one cannot be decoded.
        MismatchError: A side has fewer than two clips.
    """
    protocol = MotionProtocol() if protocol is None else protocol
    stands_by = MotionSubject(
        REAL_ROW, lambda _: real, stride=protocol.real_stride, anywhere=True, is_real=True
    )
    compared = dataclasses.replace(stands_by, anywhere=protocol.real_places == "random")
    everything = [*subjects, stands_by]

    # every seed draws its own reference, and all subjects are compared with that
    found: dict[str, dict[str, list[float]]] = {subject.name: {} for subject in everything}
    count = 0
    for seed in range(protocol.seed, protocol.seed + protocol.num_seeds):
        reference = _sample(real, compared, protocol, seed=seed, progress=progress)
        count = len(reference)
        for subject in everything:
            figures = _measure(subject, reference, protocol, seed=seed, progress=progress)
            for figure, value in figures.items():
                found[subject.name].setdefault(figure, []).append(value)

    rows = {
        name: {figure: Interval.of(values) for figure, values in figures.items()}
        for name, figures in found.items()
    }
    distance = rows[subjects[0].name]["distance"]
    return MetricResult(
        metric=METRIC,
        value=distance.mean,
        std=float(np.std(distance.values)) if len(distance.values) > 1 else None,
        protocol=dataclasses.asdict(protocol) | {"num_real": count},
        inputs={
            "real": {"path": name_source(real.name), **real.describe()},
            "fake": {"path": name_source(subjects[0].name)},
        },
        details={"rows": {name: _as_json(figures) for name, figures in rows.items()}},
        warnings=_find_warnings(count),
    )


def _sample(
    videos: VideoSource,
    subject: MotionSubject,
    protocol: MotionProtocol,
    *,
    seed: int,
    progress: Callable[[int], None] | None,
) -> MotionSample:
    return sample_motion(
        videos,
        num_frames=protocol.num_frames,
        stride=subject.stride,
        lengths=protocol.lengths,
        count=protocol.num_clips,
        seed=seed,
        anywhere=subject.anywhere,
        progress=progress,
    )


def _measure(
    subject: MotionSubject,
    reference: MotionSample,
    protocol: MotionProtocol,
    *,
    seed: int,
    progress: Callable[[int], None] | None,
) -> dict[str, float]:
    drawn = seed + OTHER_PLACES if subject.is_real else seed
    sample = _sample(subject.draw(seed), subject, protocol, seed=drawn, progress=progress)
    figures = compare_motion(reference, sample, exclude_self=subject.is_real, seed=seed)
    if subject.design is None:
        return figures
    design = subject.design(seed)
    moves = _as_grid(design)[:, :, [0, protocol.num_frames - 1]]  # [a, b, 2, d]
    figures |= split_displacement(moves[:, :, 1] - moves[:, :, 0])
    if subject.generator is not None:
        figures |= _render_design(design, subject.generator, protocol, progress)
    return figures


def _render_design(
    design: Trajectory,
    generator: Generator,
    protocol: MotionProtocol,
    progress: Callable[[int], None] | None,
) -> dict[str, float]:
    """Render a corner of the design; correlate energy over time with the seeds."""
    grid = _as_grid(design)[:NUM_RENDERED, :NUM_RENDERED]  # [a, b, t, d]
    a, b = grid.shape[:2]
    corner = dataclasses.replace(
        design,
        latents=grid.reshape(a * b, *grid.shape[2:]),
        labels=None,
        meta=dataclasses.replace(design.meta, seeds=None, motion_seeds=None),
    )
    sample = sample_motion(
        RenderedLatents(corner, generator), num_frames=protocol.num_frames, progress=progress
    )
    return correlate_energy(sample.curves.unflatten(0, (a, b)))


def has_design(trajectory: Trajectory) -> bool:
    """Return whether latents hold every content with every motion seed, at least two of each."""
    seeds, motions = trajectory.meta.seeds, trajectory.meta.motion_seeds
    if seeds is None or motions is None or trajectory.latents.ndim != 3:
        return False
    pairs = set(zip(seeds, motions, strict=True))
    a, b = len(set(seeds)), len(set(motions))
    return len(pairs) == len(seeds) == a * b and min(a, b) > 1


def _as_grid(trajectory: Trajectory) -> npt.NDArray[np.float32]:
    """Return latents [contents, motions, t, d] of a design, in ascending order of both seeds."""
    if not has_design(trajectory):
        raise MismatchError("latents do not hold every content with every motion seed")
    seeds, motions = trajectory.meta.seeds, trajectory.meta.motion_seeds
    assert seeds is not None
    assert motions is not None
    order = np.lexsort((motions, seeds))
    return trajectory.latents[order].reshape(len(set(seeds)), -1, *trajectory.latents.shape[1:])


def describe_model(
    motion: MotionGenerator,
    generator: Generator,
    *,
    name: str,
    num_videos: int,
    protocol: MotionProtocol,
    baselines: bool = False,
    real: Trajectory | None = None,
    start: Trajectory | None = None,
) -> list[MotionSubject]:
    """Return a motion model as subjects: itself first, then the baselines.

    Args:
        motion: The motion model.
        generator: Its generator.
        name: Name of the model in the result.
        num_videos: Videos to sample per seed.
        protocol: Lengths, and numbers of contents and motions.
        baselines: Whether to add baselines.
        real: Latents of real clips, frame by frame, for the baselines that use them.
        start: Latents whose first frames replace sampled contents; overrides `num_videos`.
    """
    sampler = _Sampler(motion, generator, num_videos=num_videos, start=start)
    num_frames, longest = protocol.num_frames, protocol.lengths[-1]

    def draw(seed: int) -> VideoSource:
        return RenderedLatents(sampler.sample(seed, longest), generator)

    def design(seed: int) -> Trajectory:
        return sampler.sample_design(seed, protocol)

    subjects = [
        MotionSubject(name, draw, design=None if generator.c_dim else design, generator=generator)
    ]
    if not baselines:
        return subjects
    rows = {OTHERS_ROW: lambda seed: sampler.exchange_steps(seed, longest)}
    rows |= _walks(lambda seed: sampler.sample(seed, num_frames), generator, protocol, real=real)
    rows["untrained"] = lambda seed: move_untrained(
        sampler.sample(seed, 2), motion, seed=seed, num_frames=num_frames
    )
    return subjects + _render(rows, generator)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Sampler:
    """Samples a motion model; no two seeds share a content or a motion."""

    motion: MotionGenerator
    generator: Generator
    num_videos: int
    start: Trajectory | None

    def sample(self, seed: int, num_frames: int, order: Order | None = None) -> Trajectory:
        """Return the videos of a seed, their contents in another order [n] if one is given."""
        if self.start is not None:
            n = self.start.num_videos
            config = SampleConfig(
                motion_seeds=tuple(range(seed * n, seed * n + n)),
                num_frames=num_frames,
                start_frame=0,
            )
            begun = self.start if order is None else _reorder(self.start, order)
            return sample_trajectory(self.motion, self.generator, config=config, start=begun)
        videos = np.arange(self.num_videos) + seed * self.num_videos
        contents = videos if order is None else videos[order]
        return self._sample_seeds(contents, videos, num_frames)

    def exchange_steps(self, seed: int, num_frames: int) -> Trajectory:
        """Move each content as the model moves another by the same motion seed."""
        own = self.sample(seed, num_frames)
        order = choose_others(own.num_videos, seed=seed)
        return take_steps_of(own, self.sample(seed, num_frames, order))

    def sample_design(self, seed: int, protocol: MotionProtocol) -> Trajectory:
        """Return every content with every motion, a * b videos of a contents and b motions."""
        a, b = protocol.num_contents, protocol.num_motions
        contents = np.arange(a).repeat(b) + seed * a  # 0 0 0 1 1 1 ...
        motions = np.tile(np.arange(b), a) + seed * b  # 0 1 2 0 1 2 ...
        return self._sample_seeds(contents, motions, protocol.num_frames)

    def _sample_seeds(self, contents: Order, motions: Order, num_frames: int) -> Trajectory:
        config = SampleConfig(
            seeds=tuple(contents.tolist()),
            motion_seeds=tuple(motions.tolist()),
            num_frames=num_frames,
        )
        return sample_trajectory(self.motion, self.generator, config=config)


def describe_latents(
    videos: RenderedLatents,
    *,
    protocol: MotionProtocol,
    baselines: bool = False,
    real: Trajectory | None = None,
) -> list[MotionSubject]:
    """Return latents from a file as subjects; see `describe_model`."""
    trajectory, stride = videos.trajectory, protocol.fake_stride
    subjects = [
        MotionSubject(
            videos.name,
            lambda _: videos,
            stride=stride,
            anywhere=True,
            design=(lambda _: trajectory) if has_design(trajectory) and stride == 1 else None,
            generator=videos.generator,
        )
    ]
    if not baselines:
        return subjects
    last = (protocol.num_frames - 1) * stride + 1
    clips = dataclasses.replace(trajectory, latents=trajectory.latents[:, :last:stride])

    def exchange(seed: int) -> Trajectory:
        return take_steps_of(clips, _reorder(clips, choose_others(clips.num_videos, seed=seed)))

    rows = {OTHERS_ROW: exchange}
    rows |= _walks(lambda _: clips, videos.generator, protocol, real=real)
    return subjects + _render(rows, videos.generator)


def describe_videos(
    videos: VideoSource, *, protocol: MotionProtocol, baselines: bool = False
) -> list[MotionSubject]:
    """Return videos as subjects: themselves, and as baseline their first frames held still."""
    stride = protocol.fake_stride
    subjects = [MotionSubject(videos.name, lambda _: videos, stride=stride, anywhere=True)]
    if baselines:
        held = HeldFirstFrame(videos)
        subjects.append(MotionSubject("static", lambda _: held, stride=stride, anywhere=True))
    return subjects


def _walks(
    sample: Callable[[int], Trajectory],
    generator: Generator,
    protocol: MotionProtocol,
    *,
    real: Trajectory | None,
) -> dict[str, Callable[[int], Trajectory]]:
    """Return baselines as functions from a seed to latents."""

    def hold(seed: int) -> Trajectory:
        clips = sample(seed)
        held = np.repeat(clips.latents[:, :1], clips.num_frames, axis=1)
        return dataclasses.replace(clips, latents=held)

    rows: dict[str, Callable[[int], Trajectory]] = {
        "static": hold,
        "random walk": lambda seed: walk_randomly(sample(seed), generator, seed=seed),
        "AR(1) with offset": lambda seed: walk_autoregressively(sample(seed), seed=seed),
        "AR(1) with return": lambda seed: walk_with_return(sample(seed), seed=seed),
    }
    if real is not None:
        stride = protocol.real_stride // (real.meta.frame_stride or 1)
        rows["look-alike's real steps"] = lambda seed: borrow_steps(
            sample(seed), real, generator, stride=stride, num_frames=protocol.num_frames
        )
        rows["real, inverted"] = lambda _: dataclasses.replace(
            real, latents=real.latents[:, ::stride]
        )
    return rows


def _reorder(trajectory: Trajectory, order: Order) -> Trajectory:
    """Return a trajectory's videos in another order [n]."""
    labels = None if trajectory.labels is None else trajectory.labels[order]
    return dataclasses.replace(trajectory, latents=trajectory.latents[order], labels=labels)


def _render(
    rows: Mapping[str, Callable[[int], Trajectory]], generator: Generator
) -> list[MotionSubject]:
    return [
        MotionSubject(name, lambda seed, draw=draw: RenderedLatents(draw(seed), generator))  # type: ignore[misc]
        for name, draw in rows.items()
    ]


def _as_json(figures: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: dataclasses.asdict(interval) for name, interval in figures.items()}


def _find_warnings(num_clips: int) -> tuple[str, ...]:
    if num_clips >= FEW_CLIPS:
        return ()
    return (f"{num_clips} real clips; below {FEW_CLIPS} the distance is large for want of samples",)


def choose_num_videos(real: VideoSource, protocol: MotionProtocol) -> int:
    """Return the number of videos to sample from a motion model: that of the real clips."""
    span = (protocol.num_frames - 1) * protocol.real_stride + 1
    usable = max(2, int((real.num_frames >= span).sum()))
    return usable if protocol.num_clips is None else min(usable, protocol.num_clips)
