"""The start of a motion run: random weights, a motion model, or a run of the authors'."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import AUTO, TrainMotionConfig
from mocotool.errors import ConfigError
from mocotool.files import check_input_file
from mocotool.generators.base import Generator
from mocotool.motion.checkpoint import load_motion, read_motion_record
from mocotool.motion.compilation import Compilation
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.official_run import LATEST, OfficialRun, read_official_run
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.distributed import Processes


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Where a run begins; with random weights where nothing is named."""

    path: Path | None = None
    motion: MotionGenerator | None = None
    official: OfficialRun | None = None

    def settle(
        self, config: TrainMotionConfig, *, note: Callable[[str], None]
    ) -> TrainMotionConfig:
        """Take over the sizes, the form and the step size that the files settle; see `adopt`.

        Raises:
            ConfigError: An option asks for something else.
        """
        if self.motion is None or self.path is None:
            return config
        found = describe_start(self.motion)
        if self.official is not None:
            self.official.check_recipe(config)
            found |= self.official.settings
        return adopt(config, found, source=self.path, note=note)

    def make_trainer(
        self,
        generator: Generator,
        basis: PCABasis,
        config: TrainMotionConfig,
        *,
        processes: Processes | None = None,
        compilation: Compilation | None = None,
        note: Callable[[str], None],
    ) -> MotionTrainer:
        """Return a trainer with the weights that were named; the rest is as `MotionTrainer` says.

        Raises:
            FileFormatError: A tensor is missing.
            MismatchError: One has another shape.
        """
        trainer = MotionTrainer(
            generator,
            basis,
            config,
            processes=processes,
            initial=self.motion,
            compilation=compilation,
        )
        if self.official is not None:
            self.official.load_discriminators(trainer)
            note("the authors' files hold no optimiser states: those start new")
        return trainer


def find_start(
    motion: Path | str | None,
    *,
    init_run: Path | str | None = None,
    epoch: str = LATEST,
    pca: Path | str | None = None,
) -> Start:
    """Return what a run starts from.

    Args:
        motion: Our own file, which holds its basis, or the authors', which needs `pca`.
        init_run: A folder of the authors' program, in its place.
        epoch: Which of its epochs.
        pca: The `--pca` value.

    Raises:
        FileFormatError: A file is missing, or is not what it should be.
        ConfigError: The authors' files came without their basis, or both starts were named.
    """
    if motion is not None and init_run is not None:
        raise ConfigError("--motion and --init-run both name a start, expected only one")
    if init_run is not None:
        init_run = Path(init_run)
        official = read_official_run(init_run, epoch=epoch, pca=pca)
        return Start(path=init_run, motion=official.motion, official=official)
    if motion is None:
        return Start()
    motion = Path(motion)
    holds_basis = read_motion_record(check_input_file(motion)) is not None
    return Start(path=motion, motion=load_motion(motion, pca=None if holds_basis else pca))


def describe_start(start: MotionGenerator) -> dict[str, Any]:
    """Return what a motion model to start from settles, as fields of `TrainMotionConfig`."""
    return {
        "step_size": start.step_size,
        "form": start.form,
        "basis_rows": start.basis_rows,
        "residual": start.residual,
        "hidden_dim": start.hidden_dim,
        "noise_dim": start.noise_dim,
        "num_components": len(start.components),
    }


def adopt(
    config: TrainMotionConfig,
    found: Mapping[str, Any],
    *,
    source: Path,
    note: Callable[[str], None],
) -> TrainMotionConfig:
    """Take over what the files to start from settle, and say so.

    A step size of one's own is kept, and the difference is told; the authors' files hold none.

    Args:
        config: What was asked for.
        found: Fields that the files settle.
        source: The files, for messages.
        note: Called with every change.

    Raises:
        ConfigError: An option asks for something else.
    """
    plain = TrainMotionConfig.from_recipe(config.recipe, cross_domain=config.cross_domain)
    changes = {}
    for name, value in found.items():
        asked, spoken = getattr(config, name), name.replace("_", " ")
        if asked == value:
            continue
        if asked in (getattr(plain, name), AUTO):
            changes[name] = value
            note(f"{spoken} {value} (not {asked}): that of {source}")
        elif name == "step_size":
            note(f"step size {asked}, where {source} has {value}")
        else:
            raise ConfigError(
                f"{spoken} {asked}: {source}, which the run starts from, has {value}",
                hint="leave the option out",
            )
    return dataclasses.replace(config, **changes)
