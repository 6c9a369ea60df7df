"""`moco train-image` as one call: images or videos -> a folder with a StyleGAN2."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mocotool.configs.train_image import TrainImageConfig
from mocotool.image_training.plan import PLANNED, fit_budget, plan_training
from mocotool.image_training.start import adopt_network, load_start
from mocotool.image_training.trainer import GENERATOR_NAME, PREVIEW_COLUMNS, ImageTrainer
from mocotool.image_training.training import train_image
from mocotool.metrics.held_out import HeldOutDistance
from mocotool.plots import CAPTION_MARGIN, draw_line
from mocotool.provenance import FileRecord
from mocotool.runs.beginning import Beginning, joined_beginning, load_share, open_run
from mocotool.training.listeners import Listeners, RunProgress, ignore
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import catch_stop_signals
from mocotool.video.classes import Classes, find_classes
from mocotool.video.cutting import Size
from mocotool.video.listing import VideoListing, list_videos
from mocotool.video.loading import BatchLoader, LabelledLoader, load_images
from mocotool.video.pictures import tile_frames, write_png

MAX_LISTED = 8
"""Most classes named in the note."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainedGenerator:
    """Result of `train_image_run`."""

    generator: Path
    """The averaged generator, for `load_generator`."""
    steps: int
    """Steps taken, those of the runs that were resumed included."""
    images: int
    """Real images shown in them."""


def train_image_run(
    videos: Path | str,
    out: Path | str,
    *,
    config: TrainImageConfig | None = None,
    generator: Path | str | None = None,
    asked: Collection[str] | None = None,
    resume: bool = False,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[RunProgress], None] = ignore,
    note: Callable[[str], None] = ignore,
    warn: Callable[[str], None] = ignore,
    stop: Callable[[], bool] | None = None,
) -> TrainedGenerator:
    """Train a StyleGAN2 on images or on the frames of videos: all of `moco train-image`.

    Everything goes into the run's folder: the generator, previews, metrics, and the state that
    `resume=True` goes on from, to the last bit. Ctrl-C and SIGTERM, where this is the main thread,
    and `stop` let the run save before it ends. Under `torchrun` all processes train together.

    Args:
        videos: Folder of videos, numbered frames or images.
        out: Folder of the run; created if it does not exist.
        config: Settings; `None` for the defaults.
        generator: StyleGAN2 to start from, in any format; the run takes its size, or twice its
            resolution where that is asked for.
        asked: Names of settings that the generator and `config.budget` must not change; `None` for
            all that differ from their defaults.
        resume: Continue the run in `out`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What convolutions compute in: "auto", "fp32", "tf32", "bf16" or "fp16".
        progress: Called with the progress of each stage and the values of each step.
        note: Called with the settings that were chosen automatically.
        warn: Called with warnings, such as unreadable videos.
        stop: Called after each step; true stops the run.

    Returns:
        Path of the generator, and numbers of steps and images.

    Raises:
        ConfigError: `out` holds a run and `resume` is off, or holds none and it is on.
        FileFormatError: A file is missing, damaged or of another kind, or no video can be used.
        MismatchError: The generator does not fit, or the run was begun with other settings.
        UnavailableError: The device is not available.
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss or a weight is NaN or infinite; the last saved state stays.
    """
    config = config or TrainImageConfig()
    heard = Listeners(progress=progress, note=note, warn=warn)
    with joined_beginning(heard, budget=config.budget, asked=asked, device=device) as joined:
        run, beginning = joined.take_folder(out, resume=resume)
        heard, deadline = beginning.heard, beginning.deadline
        prepared = _prepare(beginning, config, videos, generator, precision=precision)
        trainer = prepared.trainer

        open_run(
            run,
            beginning,
            trainer.config,
            videos=videos,
            counted=prepared.counted,
            generator=prepared.start,
            precision=trainer.precision,
        )

        # the real images stay open for as long as training reads them
        with (
            contextlib.closing(run),
            contextlib.closing(_load(prepared, run, heard)) as images,
        ):
            measure = _load_distance(prepared) if run.writes else None
            if beginning.resumes:
                trainer.resume(run, images, warn=heard.warn)
            tell = heard.follow("images", trainer.config.num_images, begun=trainer.images_seen)
            with catch_stop_signals(stop) as request:
                train_image(
                    trainer,
                    images,
                    run,
                    save_preview=functools.partial(_write_preview, run, prepared.class_names),
                    measure=measure,
                    on_step=lambda values: tell(trainer.images_seen, values),
                    stop=request,
                    deadline=deadline,
                    class_names=prepared.class_names,
                )
            deadline.tell_cut(heard.note, reached=f"{trainer.images_seen} images")
        return TrainedGenerator(
            generator=run.path / GENERATOR_NAME,
            steps=trainer.step_idx,
            images=trainer.images_seen,
        )


def plan_image_run(
    videos: Path | str,
    *,
    config: TrainImageConfig | None = None,
    generator: Path | str | None = None,
    asked: Collection[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    note: Callable[[str], None] = ignore,
    warn: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Return what `train_image_run` would do, without writing anything; arguments as there.

    Returns:
        Name -> value: numbers of videos, images and parameters, and time and memory estimated from
        two steps on noise; see `moco train-image --dry-run`.

    Raises:
        MocoError: As `train_image_run`.
    """
    config = config or TrainImageConfig()
    heard = Listeners(progress=ignore, note=note, warn=warn)
    with joined_beginning(heard, budget=config.budget, asked=asked, device=device) as beginning:
        prepared = _prepare(beginning, config, videos, generator, precision=precision)
        found = {"videos": len(prepared.listing.entries)} | prepared.counted
        return found | plan_training(prepared.trainer)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """Everything a run needs before its first step."""

    listing: VideoListing
    held_out: VideoListing | None
    trainer: ImageTrainer
    start: FileRecord | None
    """The generator that training starts from."""
    classes: Classes | None
    """The pictures' classes, for `cond`."""

    @property
    def img_size(self) -> Size:
        """Side of the images, or height and width of those that are not square."""
        height, width = self.trainer.generator.img_size
        return height if height == width else (height, width)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; empty without classes."""
        return self.classes.names if self.classes else ()

    @property
    def counted(self) -> dict[str, Any]:
        """Numbers of images to train on, in all and of each class."""
        found: dict[str, Any] = {"images": self.listing.num_frames}
        if self.classes is not None:
            counts = self.classes.count(self.listing)
            found["classes"] = dict(zip(self.class_names, counts, strict=True))
        return found


def _prepare(
    beginning: Beginning,
    config: TrainImageConfig,
    videos: Path | str,
    generator: Path | str | None,
    *,
    precision: str,
) -> _Prepared:
    """Find the videos, and build the trainer with settings that fit the start."""
    heard, processes = beginning.heard, beginning.processes
    asked = beginning.list_asked(config)
    if config.budget is not None and beginning.resumes:
        taken = beginning.take_planned(PLANNED, asked=asked)
        config = dataclasses.replace(config, **taken)
        asked = [*asked, *taken]
    dtype = beginning.choose_precision(precision)

    # the real images: classes, and those held out
    found = list_videos(videos, warn=heard.warn, advance=heard.count("videos"))
    classes = find_classes(found) if config.cond else None
    listing, held_out = found.hold_out(config.held_out)
    counts = [] if classes is None else classes.count(listing)
    if classes is not None:
        heard.note(_describe_classes(classes.names, counts))

    # the StyleGAN2 to start from, whose size the run takes
    start = None
    if generator is not None:
        resolution = config.resolution if "resolution" in asked else None
        start = load_start(
            Path(generator), resolution=resolution, c_dim=len(counts), seed=config.seed
        )
        config = adopt_network(config, start, asked=asked)

    budget = config.budget
    if budget is not None and not beginning.resumes:
        config = fit_budget(
            config,
            beginning.deadline,
            asked=asked,
            start=start,
            precision=dtype,
            processes=processes,
            class_counts=counts,
        )
        heard.note(
            f"{budget / 60:.3g} minutes: {config.num_images} images of {config.resolution} "
            f"pixels, {config.batch_size} at a time, channels of {config.channel_base}"
        )

    trainer = ImageTrainer(
        config, precision=dtype, processes=processes, initial=start, class_counts=counts
    )
    return _Prepared(
        listing=listing,
        held_out=held_out,
        trainer=trainer,
        start=start.origin.file if start and start.origin else None,
        classes=classes,
    )


def _describe_classes(names: Sequence[str], counts: Sequence[int]) -> str:
    """Describe the classes, and how many images each has."""
    shown = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)][:MAX_LISTED]
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"{len(names)} classes of images: {', '.join(shown)}{more}"


def _load(prepared: _Prepared, run: RunFolder, heard: Listeners) -> BatchLoader | LabelledLoader:
    config = prepared.trainer.config
    load = functools.partial(
        load_images,
        resolution=prepared.img_size,
        batch_size=config.batch_size,
        seed=config.seed,
    )
    batches = load_share(load, prepared.listing, run, heard)
    if prepared.classes is None:
        return batches
    return LabelledLoader(batches, prepared.classes.label(prepared.listing))


def _load_distance(prepared: _Prepared) -> HeldOutDistance | None:
    """Return the metric against held-out images, if there are any."""
    held_out, classes, trainer = prepared.held_out, prepared.classes, prepared.trainer
    if held_out is None:
        return None
    return HeldOutDistance(
        held_out,
        resolution=prepared.img_size,
        seed=trainer.config.seed,
        device=trainer.device,
        labels=None if classes is None else classes.label(held_out),
    )


def _write_preview(
    run: RunFolder, class_names: tuple[str, ...], frames_u8: Tensor, step: int
) -> None:
    """Write images [n, h, w, 3] as a grid, or a row of each class under its name."""
    tiles = list(frames_u8.numpy())
    if not class_names:
        sheet = tile_frames(tiles)
    else:
        rows = [tiles[i : i + PREVIEW_COLUMNS] for i in range(0, len(tiles), PREVIEW_COLUMNS)]
        strips = []
        for name, row in zip(class_names, rows, strict=False):  # the first classes only
            strips.append(draw_line([(CAPTION_MARGIN, name)], width=len(row) * row[0].shape[1]))
            strips.append(tile_frames(row, columns=PREVIEW_COLUMNS))
        sheet = np.concatenate(strips)
    write_png(run.sample_path(step, ".png"), sheet)
