"""Mutual information that sees amplitude: noise that the steps themselves have to tell.

The paper's noise head reads the decoder's state, which can keep the noise while the steps ignore
it. The head here reads the steps, through noise of its own, so that small steps tell little.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from mocotool.errors import MismatchError
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.losses import noise_contrast_loss, noise_regression_loss
from mocotool.training.distributed import Processes

TINY = 1e-12  # keeps directions of no length from dividing by zero


class StepHead(nn.Module):
    """Guesses the motion noise from noisy steps.

    Args:
        motion: Whose steps and noise.
        loss: "step" asks for the noise itself; "infonce" for which noise of the batch it was.
        seed: Of the weights.
    """

    def __init__(
        self, motion: MotionGenerator, *, loss: Literal["step", "infonce"], seed: int
    ) -> None:
        super().__init__()
        self.loss = loss
        width = 2 * motion.hidden_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Linear(len(motion.components), width),
                nn.ReLU(),
                nn.Linear(width, motion.noise_dim),
            )

    def forward(self, steps: Tensor) -> Tensor:
        """Guess noise [n, t-1, noise_dim] from steps [n, t-1, k], as `measure_steps` has them."""
        guess: Tensor = self.layers(steps)
        return guess

    def mutual_information_loss(
        self, steps: Tensor, *, noise: Tensor, blur: Tensor, processes: Processes
    ) -> Tensor:
        """Return the loss of steps that were moved by `noise`.

        Args:
            steps: From `measure_steps`, [n, t-1, k].
            noise: What moved them, [n, t-1, noise_dim].
            blur: Added to the steps before they are read, [n, t-1, k].
            processes: Whose batches hold the other noises of "infonce".

        Raises:
            MismatchError: Steps and blur differ in shape.
        """
        if steps.shape != blur.shape:
            raise MismatchError(
                f"steps have shape {list(steps.shape)}, their noise {list(blur.shape)}"
            )
        guess = self(steps + blur)
        if self.loss == "step":
            return noise_regression_loss(noise_pred=guess, noise=noise)
        return noise_contrast_loss(noise_pred=guess, noise=noise, processes=processes)


def measure_steps(motion: MotionGenerator, trajectory: Tensor) -> Tensor:
    """Return how far walks go along each direction, in units of the longest step of one frame.

    Args:
        motion: Whose walks.
        trajectory: [n, t, latent_dim].

    Returns:
        [n, t-1, k], in [-1, 1] where the motion model has no pull.
    """
    rows = motion.basis  # [k, latent_dim], orthogonal
    along = (trajectory.diff(dim=1) @ rows.T) / rows.square().sum(dim=1).clamp(min=TINY)
    return along / (motion.step_size or 1.0)
