"""Training on images: `ImageTrainer` in the training loop, with its files and watched KID."""

import time
from collections.abc import Callable, Sequence

from torch import Tensor

from mocotool.devices import describe_gpu
from mocotool.generators.loading import save_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.image_training.trainer import GENERATOR_NAME, ImageBatches, ImageTrainer
from mocotool.training.best_step import BestStep
from mocotool.training.budget import Deadline
from mocotool.training.loop import Say, Training, run_training
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

BEST_NAME = "best.safetensors"


def train_image(
    trainer: ImageTrainer,
    images: ImageBatches,
    run: RunFolder,
    *,
    save_preview: Callable[[Tensor, int], None] | None = None,
    measure: Callable[[StyleGAN2], float] | None = None,
    on_step: Callable[[dict[str, float]], None] = lambda _: None,
    stop: StopRequest | None = None,
    deadline: Deadline | None = None,
    class_names: Sequence[str] = (),
) -> None:
    """Train until the configured number of images has been shown.

    Args:
        trainer: What to train; may have been resumed.
        images: The real images, at the trainer's position.
        run: Where the generator, state and losses go; opened.
        save_preview: Writes preview images, uint8 [n, h, w, 3], of a step.
        measure: Returns the averaged generator's distance (KID) from images that it never saw;
            asked where a save is due, and the nearest generator so far is kept beside the newest.
        on_step: Called with the losses after each step.
        stop: Asked after each step.
        deadline: When the run has to end.
        class_names: What the classes are called, for the generator's file to say.

    Raises:
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss or a weight is NaN or infinite; the last saved state stays.
    """
    training = ImageTraining(
        trainer,
        images,
        run,
        save_preview=save_preview,
        measure=measure,
        class_names=class_names,
    )
    run_training(
        training,
        run,
        on_step=lambda _, values: on_step(values),
        warn=lambda _: None,
        stop=stop,
        deadline=deadline,
    )


class ImageTraining(Training):
    """An image trainer, as the loop sees it; arguments as in `train_image`."""

    def __init__(
        self,
        trainer: ImageTrainer,
        images: ImageBatches,
        run: RunFolder,
        *,
        save_preview: Callable[[Tensor, int], None] | None,
        measure: Callable[[StyleGAN2], float] | None,
        class_names: Sequence[str],
    ) -> None:
        self.trainer: ImageTrainer = trainer
        self.images, self.run = images, run
        self.preview_every = trainer.config.preview_every if save_preview is not None else 0
        self._class_names = class_names
        self._write_preview = save_preview
        self._measure_distance = measure if run.writes else None
        self._best, self._is_best = BestStep(run, figure="kid"), False
        self._started, self._first = time.monotonic(), trainer.images_seen

    @property
    def is_over(self) -> bool:
        """Whether the distance from held-out images has stalled for as long as is allowed."""
        patience = self.trainer.config.patience
        # Only the first process measures; all have to end together.
        return patience is not None and self.run.processes.any(self._best.is_long_ago(patience))

    @property
    def progress(self) -> str:
        """Progress of training, in words."""
        return f"{self.trainer.images_seen} images"

    def step(self) -> dict[str, float]:
        """Train on one batch; return losses, and the number and rate of images shown."""
        self._is_best = False
        batch = next(self.images)
        values = self.trainer.step(*(batch if isinstance(batch, tuple) else (batch,)))
        images = self.trainer.images_seen
        rate = (images - self._first) / (time.monotonic() - self._started)
        return values | {"images": images, "images_per_s": rate}

    def measure(self, warn: Say) -> dict[str, float]:
        """Return the distance, and write the averaged generator if it is the best so far."""
        trainer = self.trainer
        if self._measure_distance is None:
            return {}
        kid = self._measure_distance(trainer.averaged)
        self._is_best = self._best.take(trainer.step_idx, kid)
        if kid < trainer.best_kid:
            trainer.best_kid = kid
            self._write_generator(BEST_NAME, kid=f"{kid:.6g}")
        return {"kid": kid}

    def save_preview(self) -> None:
        """Write a grid of fixed latents' images."""
        if self._write_preview is not None:
            self._write_preview(self.trainer.preview(), self.trainer.step_idx)

    def save(self) -> None:
        """Write the averaged generator, then everything an exact resume needs."""
        if self.run.writes:
            self._write_generator(GENERATOR_NAME)
        self.trainer.save(self.run, self.images, is_best=self._is_best)

    def _write_generator(self, name: str, **notes: str) -> None:
        """Write the averaged generator, with what its file says of its training."""
        trainer = self.trainer
        notes = {
            "trained_by": self.run.command,
            "images_seen": str(trainer.images_seen),
            "seed": str(trainer.config.seed),
            **describe_gpu(trainer.device),
        } | notes
        if any(name != str(i) for i, name in enumerate(self._class_names)):
            notes["classes"] = ", ".join(self._class_names)
        save_generator(trainer.averaged, self.run.path / name, notes=notes)
