"""The adversarial games of the motion generator: against D_V, and against one of two D_I.

Each game holds its discriminator and optimiser, gives the generator its loss, and learns. The real
clips of a step serve all the steps of the generator, so what they score is computed once.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mocotool.motion.context import TrainingContext
from mocotool.motion.losses import (
    AdversarialLoss,
    adversarial_loss,
    gradient_penalty,
)
from mocotool.motion.patch_discriminator import (
    MultiscaleDiscriminator,
    PairDiscriminator,
    VideoDiscriminator,
    to_pair_input,
    to_video_input,
)
from mocotool.training.distributed import Processes
from mocotool.training.optimizers import build_adam, build_scaler, restore_scaler, take_step

Metrics = dict[str, Tensor]


class Game(Protocol):
    """One discriminator against the motion generator."""

    @property
    def network(self) -> nn.Module:
        """The discriminator."""

    def begin(self, real: Tensor) -> None:
        """Take the real clips [n, t, c, h, w] of this step."""

    def generator_losses(self, fake: Tensor, *path: int | str) -> Metrics:
        """Score clips [n, t, c, h, w]; return the generator's loss terms, scalars by name."""

    def update(self, fake: Tensor, *path: int | str) -> Metrics:
        """Train on generated clips [n, t, c, h, w]; return scalars to log by name."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything an exact resume needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a result of `state_dict`."""


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without computing those of its weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@torch.no_grad()
def measure_accuracy(
    real: list[Tensor],
    fake: list[Tensor],
    *,
    form: AdversarialLoss,
    processes: Processes,
    name: str,
) -> Metrics:
    """Return the accuracy of a discriminator on real and on generated patches, in [0, 1].

    A relativistic one is right if a patch is on the correct side of the mean of the other kind.

    Args:
        real: Scores of real samples, one map [n, 1, ...] per scale.
        fake: Scores of generated samples, same shapes.
        form: The adversarial loss.
        processes: Processes over whose batches means are taken.
        name: Prefix of the names.
    """
    average, is_relative = processes.average, form == "ralsgan"
    right_real, right_fake = [], []
    for r, f in zip(real, fake, strict=True):
        above = average(f.mean()) if is_relative else 0.0
        below = average(r.mean()) if is_relative else 0.0
        right_real.append((r > above).to(torch.float32).mean())
        right_fake.append((f < below).to(torch.float32).mean())
    return {
        f"{name}_right_real": torch.stack(right_real).mean(),
        f"{name}_right_fake": torch.stack(right_fake).mean(),
    }


class PatchGame:
    """Shared part of both games of patch discriminators."""

    def __init__(self, context: TrainingContext, network: MultiscaleDiscriminator) -> None:
        self.context = context
        network.compute_dtype = context.precision
        layout = torch.channels_last_3d if network.num_dims == 3 else torch.channels_last
        self.layout = layout
        self.network = network.to(context.device).to(memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = build_adam(network, lr=context.config.learning_rate)
        self.scaler = build_scaler(context.precision, context.device)
        self.real = torch.empty(0)
        self.real_scores: dict[int | bool, list[Tensor]] = {}

    def begin(self, real: Tensor) -> None:
        """Set the real clips [n, t, c, h, w] of this step.

        Source: Deviation: real clips are scored once per step for each coin or frame, not at every
            step of the motion generator; neither they nor the discriminator change in between.
        """
        self.real = real
        self.real_scores.clear()

    def score(self, x: Tensor) -> list[Tensor]:
        """Score inputs [n, c, t, h, w] or [n, c, h, w]; return a map [n, 1, ...] per scale."""
        scores: list[Tensor] = self.network(x.contiguous(memory_format=self.layout))
        return scores

    def score_twice_differentiable(self, x: Tensor) -> list[Tensor]:
        """Return the result of `score` without compilation, which supports first derivatives only.

        Not in float16, which underflows for the gradient at a single pixel.
        """
        network = self.network
        if self.context.precision is torch.float16:
            network.compute_dtype = torch.float32
        scores: list[Tensor] = network.forward(x.contiguous(memory_format=self.layout))
        network.compute_dtype = self.context.precision
        return scores

    def _take_step(self) -> Tensor:
        """Update the weights; return the norm of their gradients."""
        return take_step(self.network, self.optimizer, self.scaler, self.context.processes)

    def _play(
        self, real: list[Tensor], fake: list[Tensor], *, form: AdversarialLoss, name: str
    ) -> Metrics:
        """Add the gradients of the adversarial loss; return it as `name`, and the accuracies."""
        processes = self.context.processes
        loss = adversarial_loss(
            real=real, fake=fake, form=form, for_generator=False, processes=processes
        )
        self.scaler.scale(loss).backward()
        return {name: loss.detach()} | measure_accuracy(
            real, fake, form=form, processes=processes, name=name
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything an exact resume needs."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a result of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_scaler(self.scaler, state.get("scaler"))


class VideoGame(PatchGame):
    """D_V: do these clips move like real ones?"""

    def __init__(self, context: TrainingContext) -> None:
        self.config = context.config
        self.with_first_frame = not context.config.cross_domain
        network = VideoDiscriminator(
            with_first_frame=self.with_first_frame,
            width=context.config.video_width,
            num_scales=context.config.num_scales,
            norm=context.config.patch_norm,
        )
        super().__init__(context, network)

    def generator_losses(self, fake: Tensor, *path: int | str) -> Metrics:
        """Return {"video": loss} for generated clips [n, t, c, h, w]."""
        with frozen(self.network):
            fake_scores = self.score(self._input(fake, self._is_reversed("fake", *path)))
            loss = adversarial_loss(
                real=self._cached_real_scores(self._is_reversed("real", *path)),
                fake=fake_scores,
                form=self.config.video_loss,
                for_generator=True,
                processes=self.context.processes,
            )
        return {"video": loss}

    def update(self, fake: Tensor, *path: int | str) -> Metrics:
        """Train on clips [n, t, c, h, w]; return loss, accuracies, penalty and gradient norm."""
        real_scores = self.score(self._input(self.real, self._is_reversed("real", *path)))
        fake_scores = self.score(self._input(fake, self._is_reversed("fake", *path)))
        values = self._play(real_scores, fake_scores, form=self.config.video_loss, name="d_video")
        if self.config.penalty_weight > 0:
            values["penalty"] = self._penalise(fake, *path)
        values["d_video_grad"] = self._take_step()
        return values

    def _penalise(self, fake: Tensor, *path: int | str) -> Tensor:
        """Add the gradient penalty's gradient; one mixture of real and generated per clip."""
        mix = self.context.mixture(*path)[:, None, None, None, None]
        video = self._input(self.real, False).lerp(self._input(fake, False), mix)
        video = video.contiguous(memory_format=self.layout).requires_grad_()
        scores = self.score_twice_differentiable(video)
        penalty = gradient_penalty(scores, video, norm=self.config.penalty_norm)
        loss = self.scaler.scale(self.config.penalty_weight * penalty)
        loss.backward(inputs=list(self.network.parameters()))
        return penalty.detach()

    def _input(self, video: Tensor, is_reversed: bool) -> Tensor:
        video_ncthw = to_video_input(video, with_first_frame=self.with_first_frame)
        return video_ncthw.flip(2) if is_reversed else video_ncthw

    def _is_reversed(self, *path: int | str) -> bool:
        return self.config.time_reversal and self.context.coin("reverse", *path)

    @torch.no_grad()
    def _cached_real_scores(self, is_reversed: bool) -> list[Tensor]:
        if self.config.video_loss != "ralsgan":
            return []  # the other losses' generator side knows no real clips
        if is_reversed not in self.real_scores:
            self.real_scores[is_reversed] = self.score(self._input(self.real, is_reversed))
        return self.real_scores[is_reversed]


class PairGame(PatchGame):
    """The authors' in-domain D_I: do the first frame and a later one go together?"""

    def __init__(self, context: TrainingContext) -> None:
        self.config = context.config
        network = PairDiscriminator(
            width=context.config.pair_width,
            num_scales=context.config.num_scales,
            norm=context.config.patch_norm,
        )
        super().__init__(context, network)

    def generator_losses(self, fake: Tensor, *path: int | str) -> Metrics:
        """Return {"image": loss} for generated clips [n, t, c, h, w]."""
        frame_idx = self.context.later_frame("frame", *path)
        with frozen(self.network):
            loss = adversarial_loss(
                real=self._cached_real_scores(frame_idx),
                fake=self.score(to_pair_input(fake, frame_idx)),
                form=self.config.image_loss,
                for_generator=True,
                processes=self.context.processes,
            )
        return {"image": loss}

    def update(self, fake: Tensor, *path: int | str) -> Metrics:
        """Train on clips [n, t, c, h, w]; return loss, accuracies and gradient norm."""
        frame_idx = self.context.later_frame("frame", *path)
        real_scores = self.score(to_pair_input(self.real, frame_idx))
        fake_scores = self.score(to_pair_input(fake, frame_idx))
        values = self._play(real_scores, fake_scores, form=self.config.image_loss, name="d_image")
        values["d_image_grad"] = self._take_step()
        return values

    @torch.no_grad()
    def _cached_real_scores(self, frame_idx: int) -> list[Tensor]:
        if self.config.image_loss != "ralsgan":
            return []
        if frame_idx not in self.real_scores:
            self.real_scores[frame_idx] = self.score(to_pair_input(self.real, frame_idx))
        return self.real_scores[frame_idx]
