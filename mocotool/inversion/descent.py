"""Gradient descent for a batch of searches: Adam with a learning-rate schedule per image."""

import dataclasses
import math
from typing import Self

import torch
from torch import Tensor

WARMUP_SHARE = 0.05
DECAY_SHARE = 0.5
LATENT_NOISE_SHARE = 0.75  # StyleGAN2's projector: noise over the first three quarters
BETA_1, BETA_2 = 0.9, 0.99  # gradients change faster in a search than in training
ADAM_EPS = 1e-8
PATIENCE = 25  # steps over which losses are averaged before they are compared
MIN_GAIN = 0.01  # relative gain from one average to the next below which a search has stalled


def learning_rates(step: int, lengths: Tensor, *, peak: float) -> Tensor:
    """Return each image's learning rate [n]: linear warm-up, flat, then half a cosine to zero.

    Args:
        step: From 0.
        lengths: Total number of steps of each image [n].
        peak: Maximum learning rate.
    """
    progress = step / lengths
    warmup = ((step + 1) / (WARMUP_SHARE * lengths)).clamp(max=1.0)
    decay = ((1.0 - progress) / DECAY_SHARE).clamp(0.0, 1.0)
    return peak * warmup * (0.5 - 0.5 * torch.cos(math.pi * decay))


def latent_noise_levels(step: int, lengths: Tensor, *, peak: float) -> Tensor:
    """Return the standard deviation of each image's latent noise [n]; it decays to exactly zero.

    Source:
        Paper: Karras et al., arXiv:1912.04958, Appendix D.
    """
    left = (1.0 - step / lengths / LATENT_NOISE_SHARE).clamp(min=0.0)
    return peak * left.square()


@dataclasses.dataclass(kw_only=True, slots=True)
class SearchRows:
    """The state of running searches, one row per image; every field has n rows."""

    image_idx: Tensor
    """Index of the image in the batch, [n]."""
    coords: Tensor
    """Current coordinates, [n, ...]."""
    first_moment: Tensor
    second_moment: Tensor
    lengths: Tensor
    """Total number of steps [n], as float."""
    best_coords: Tensor
    """Coordinates with the lowest loss, among steps without latent noise."""
    best_loss: Tensor
    last_loss: Tensor
    """Loss at the last step [n]."""
    loss_sum: Tensor
    """Sum of the losses since the last average [n]."""
    last_average: Tensor

    @classmethod
    def begin(cls, coords: Tensor, *, num_steps: int, image_idx: Tensor | None = None) -> Self:
        """Start searches at `coords` [n, ...], for image 0, 1, ... or those of `image_idx` [n]."""
        n, zeros = len(coords), torch.zeros_like(coords)
        endless = torch.full((n,), math.inf, device=coords.device)
        return cls(
            image_idx=torch.arange(n, device=coords.device) if image_idx is None else image_idx,
            coords=coords.clone(),
            first_moment=zeros,
            second_moment=zeros.clone(),
            lengths=torch.full((n,), float(num_steps), device=coords.device),
            best_coords=coords.clone(),
            best_loss=endless,
            last_loss=endless.clone(),
            loss_sum=torch.zeros(n, device=coords.device),
            last_average=endless.clone(),
        )

    def __len__(self) -> int:
        """Number of running searches."""
        return len(self.image_idx)

    def select(self, mask: Tensor) -> Self:
        """Return the rows where `mask` [n] is true."""
        rows = {field.name: getattr(self, field.name)[mask] for field in dataclasses.fields(self)}
        return type(self)(**rows)

    def descend(self, step: int, grad: Tensor, rates: Tensor) -> None:
        """Take one step of Adam, with a learning rate per row.

        Adam works element by element, so a row does not depend on the others.

        Args:
            step: Step index from 0, the same for all rows.
            grad: Gradient of the summed loss, of the shape of `coords`.
            rates: Learning rates [n].
        """
        self.first_moment = torch.lerp(grad, self.first_moment, BETA_1)
        self.second_moment = torch.lerp(grad.square(), self.second_moment, BETA_2)
        mean = self.first_moment / (1.0 - BETA_1 ** (step + 1))
        scale = (self.second_moment / (1.0 - BETA_2 ** (step + 1))).sqrt() + ADAM_EPS
        self.coords = self.coords - over_rows(rates, self.coords) * mean / scale

    def remember(self, loss: Tensor, noise_levels: Tensor) -> None:
        """Store coordinates whose loss [n] is the lowest so far, at steps without latent noise."""
        self.last_loss = loss
        better = (loss < self.best_loss) & (noise_levels == 0)
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best_coords = torch.where(
            over_rows(better, self.coords), self.coords, self.best_coords
        )

    def leads(self) -> Tensor:
        """Return a mask [n] of the rows with the lowest last loss for their image."""
        is_first = torch.zeros(len(self), dtype=torch.bool, device=self.image_idx.device)
        order = self.last_loss.argsort(stable=True)
        seen: set[int] = set()
        for row, image in zip(order.tolist(), self.image_idx[order].tolist(), strict=True):
            is_first[row] = image not in seen
            seen.add(image)
        return is_first

    def shorten_stalled(self, step: int, loss: Tensor) -> None:
        """Move rows whose loss has stalled to the final phase of their schedule.

        The rest of the schedule is shortened in proportion, as if they had been given fewer steps
        from the start.
        """
        self.loss_sum = self.loss_sum + loss
        if (step + 1) % PATIENCE:
            return
        average = self.loss_sum / PATIENCE
        stalled = average > (1.0 - MIN_GAIN) * self.last_average
        shorter = torch.full_like(self.lengths, math.ceil((step + 1) / (1.0 - DECAY_SHARE)))
        self.lengths = torch.where(stalled, torch.minimum(self.lengths, shorter), self.lengths)
        self.last_average, self.loss_sum = average, torch.zeros_like(loss)


def over_rows(values: Tensor, like: Tensor) -> Tensor:
    """Reshape [n] to [n, 1, ...] of the rank of `like`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
