"""The command line that makes the video on the page."""

import dataclasses
import shlex
from typing import Self

from mocotool.configs.edit import EditConfig
from mocotool.configs.explore import ExploreView
from mocotool.configs.render import DEFAULT_FPS

STILL = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """The files and devices of `moco explore` as they were typed; `None` is left out."""

    motion: str | None = None
    """Motion model."""
    generator: str | None = None
    """Generator, where the motion model's own was not to be taken."""
    pca: str | None = None
    """PCA basis of the directions."""
    motion_needs_pca: bool = False
    """Whether the motion model holds no basis of its own, as the authors' files."""
    num_samples: int | None = None
    """Latents that the basis is computed of, where it is not the usual number."""
    device: str | None = None
    precision: str | None = None

    @classmethod
    def of_computing(cls, device: str, precision: str) -> Self:
        """Return what is named of where and in what to compute; "auto" goes without saying."""
        return cls(
            device=None if device == "auto" else device,
            precision=None if precision == "auto" else precision,
        )

    @property
    def computing(self) -> list[str]:
        """Options that every command takes."""
        return _options(device=self.device, precision=self.precision)


def make_commands(view: ExploreView, named: Named, *, has_motion: bool, out: str) -> list[str]:
    """Return the commands that make a view's video, to be joined by pipes.

    Args:
        view: Where the controls stand.
        named: What the files are called.
        has_motion: Whether motion is learnt; if not, the video is a path between two seeds.
        out: What the last of them writes.

    Returns:
        `moco sample` or `moco path`, and `moco edit` if there is a direction to go along.
    """
    commands = [_sample(view, named) if has_motion else _path(view, named)]
    moves = [(number, s) for number, s in enumerate(view.directions) if s != STILL]
    if moves:
        usual = EditConfig().num_samples
        commands.append(
            ["moco", "edit"]
            + ["--direction", ",".join(f"{number}:{shortest(s)}" for number, s in moves)]
            + _options(pca=named.pca)
            + ([] if named.pca else _options(num_samples=_unless(named.num_samples, usual)))
        )
    commands[-1] += ["-o", out]
    return [shlex.join(command + named.computing) for command in commands]


def _sample(view: ExploreView, named: Named) -> list[str]:
    return (
        ["moco", "sample"]
        + ([] if named.motion is None else [named.motion])
        + _options(generator=named.generator, pca=named.pca if named.motion_needs_pca else None)
        + _options(seeds=view.seed, motion_seeds=view.motion_seed, num_frames=view.num_frames)
        + _options(labels=view.label, truncation_psi=_unless(view.truncation_psi, 1.0))
        + _options(step_size=view.step_size, fps=_unless(view.fps, DEFAULT_FPS))
        + (["--loop"] if view.loop else [])
    )


def _path(view: ExploreView, named: Named) -> list[str]:
    return (
        ["moco", "path", f"seed:{view.seed}", f"seed:{view.motion_seed}"]
        + _options(generator=named.generator, num_frames=view.num_frames, label=view.label)
        + _options(truncation_psi=_unless(view.truncation_psi, 1.0))
        + _options(fps=_unless(view.fps, DEFAULT_FPS))
        + (["--loop"] if view.loop else [])
    )


def _unless(value: float | None, usual: float) -> float | None:
    return None if value == usual else value


def _options(**values: str | float | None) -> list[str]:
    """Return --name value for each value that is there."""
    words = []
    for name, value in values.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", shortest(value)]
    return words


def shortest(value: str | float) -> str:
    """Return a number in as few digits as bring exactly it back; text as it is."""
    return value if isinstance(value, str) else repr(value).removesuffix(".0")
