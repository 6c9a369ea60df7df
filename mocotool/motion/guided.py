"""A motion generator conditioned on the first latent at every step, and pulled back to it."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mocotool.motion.generator import MotionGenerator, step_latent

DEFAULT_PULL = 0.03
REACH_UNIT = 4.0  # squeezes distances from the start before the decoder sees them


class GuidedMotion(MotionGenerator):
    """The reference form, with four changes that learning from trajectories needs.

    The decoder sees the first latent at every step, and how far the walk has come. The first
    frame's noise is a code of the whole motion, which it sees at every step too; the later ones'
    stir each step as before. Each step is pulled back towards the first latent, so that long walks
    stay near whom they began with.

    Args:
        latent_dim: Size of the latents it moves.
        noise_dim: Size of the noise each frame brings, and of the code.
        hidden_dim: Size of the LSTM state.
        components: Basis directions, unit rows [k, latent_dim].
        stdev: Standard deviation of the latents along each of them, [k].
        mean: Mean of the latents, [latent_dim].
        step_size: How far one frame may move, in units of the basis rows.
        pull: Which share of the way from the first latent each step goes back.
        gain: Factor on every step in latents; the decoder does not see it.
    """

    kind = "guided"
    mean: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        noise_dim: int,
        hidden_dim: int,
        components: Tensor,
        stdev: Tensor,
        mean: Tensor | None = None,
        step_size: float,
        pull: float = DEFAULT_PULL,
        gain: float = 1.0,
    ) -> None:
        super().__init__(
            latent_dim=latent_dim,
            noise_dim=noise_dim,
            hidden_dim=hidden_dim,
            components=components,
            stdev=stdev,
            step_size=step_size,
        )
        k = len(components)
        self.pull, self.gain = pull, gain
        self.register_buffer("mean", torch.zeros(latent_dim) if mean is None else mean.clone())
        self.encoder = nn.LSTMCell(k + noise_dim, hidden_dim)
        self.decoder = nn.LSTMCell(2 * k + 2 * noise_dim, hidden_dim)
        self.reset_parameters()

    @property
    def arch(self) -> dict[str, Any]:
        """The keyword arguments, besides the basis and the mean, that build this network again."""
        return {
            "latent_dim": self.latent_dim,
            "noise_dim": self.noise_dim,
            "hidden_dim": self.hidden_dim,
            "step_size": self.step_size,
            "pull": self.pull,
            "gain": self.gain,
        }

    def to_coords(self, latent: Tensor) -> Tensor:
        """Return latents [..., latent_dim] in standard deviations along the basis, [..., k]."""
        return ((latent - self.mean) @ self.components.T) / self.stdev

    def from_coords(self, coords: Tensor) -> Tensor:
        """Undo `to_coords`: [..., k] to latents [..., latent_dim]."""
        return self.mean + (coords * self.stdev) @ self.components

    def _walk(
        self, latent: Tensor, noise: Iterable[Tensor]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Walk as `MotionGenerator._walk` does, with the start in sight."""
        start = self.to_coords(latent.mean(dim=1) if latent.ndim == 3 else latent)  # [n, k]
        came = torch.zeros_like(start)
        basis, steps = self.basis, iter(noise)
        code = next(steps, None)
        if code is None:
            return
        hidden, cell = self.encoder(torch.cat([start, code], dim=1))
        stir = torch.zeros_like(code)
        while True:
            seen = torch.cat([start, came / REACH_UNIT, code, stir], dim=1)
            hidden, cell = self.decoder(seen, (hidden, cell))
            # The pull is part of the coefficients, so that one function takes every step. A walk
            # of no steps has come nowhere: there is nothing to pull back.
            coeffs = self.to_coefficients(hidden)
            if self.step_size:
                coeffs = coeffs - self.pull * came / self.step_size
            latent = step_latent(latent, self.gain * coeffs, basis=basis, step_size=self.step_size)
            came = came + self.step_size * coeffs
            yield hidden, cell, latent
            further = next(steps, None)
            if further is None:
                return
            stir = further
