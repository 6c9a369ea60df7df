"""Gauss-Newton steps that finish a search, where Adam is slow in narrow valleys.

The loss is a sum of squares, all of which can reach zero for a generator's own pictures; near that
the curvature follows from first derivatives alone. Each step is solved by conjugate gradients,
which need products with the Jacobian but never the Jacobian itself: a step costs as much as about
two dozen of Adam's, whatever the size of the latent.
"""

import dataclasses
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

NUM_PRODUCTS = 20  # with the curvature, in each step
FIRST_DAMPING = 1e-3  # as a share of the curvature along the gradient
DAMPING_RANGE = (1e-7, 1e3)
DAMPING_DOWN, DAMPING_UP = 0.25, 8.0  # after accepted and rejected steps
SHORTER = (1.0, 0.3, 0.1)  # shares of a step that are tried, longest first
# Derivatives along a direction are differences: the frozen layers have no forward mode. In units of
# standard deviations of the latent; float32 renders leave them exact to about a thousandth.
PROBE = 0.01
TINY = 1e-30  # lower bound of denominators

Residuals = Callable[[Tensor], Tensor]
"""Maps coordinates [n, d] to residuals [n, p]; each row depends on its own coordinates only."""


@dataclasses.dataclass(kw_only=True, slots=True)
class GaussNewtonRows:
    """State of the final steps, one row per image."""

    coords: Tensor
    """Coordinates, [n, d]."""
    damping: Tensor
    """Damping [n], as a fraction of the curvature along the gradient."""
    loss: Tensor
    """Sum of squared residuals [n]."""

    @classmethod
    def begin(cls, coords: Tensor, residuals: Residuals) -> Self:
        """Start at `coords` [n, d]."""
        with torch.no_grad():
            loss = residuals(coords).square().sum(dim=1)
        return cls(coords=coords, damping=torch.full_like(loss, FIRST_DAMPING), loss=loss)

    def select(self, mask: Tensor) -> Self:
        """Return the rows where `mask` [n] is true."""
        rows = {field.name: getattr(self, field.name)[mask] for field in dataclasses.fields(self)}
        return type(self)(**rows)

    def step(self, residuals: Residuals) -> None:
        """Step to the minimum of the loss with linearised residuals, unless the loss would rise.

        Source:
            Follows: Marquardt 1963 (damping), Steihaug 1983 (conjugate gradients, cut short).
        """
        direction = find_direction(residuals, self.coords, damping=self.damping)
        lower = torch.zeros_like(self.loss, dtype=torch.bool)
        for share in SHORTER:
            tried = self.coords + share * direction
            with torch.no_grad():
                loss = residuals(tried).square().sum(dim=1)
            better = (loss < self.loss) & ~lower
            self.coords = torch.where(better[:, None], tried, self.coords)
            self.loss = torch.where(better, loss, self.loss)
            if share == 1.0:
                factor = torch.where(better, DAMPING_DOWN, DAMPING_UP)
                self.damping = (self.damping * factor).clamp(*DAMPING_RANGE)
            lower |= better
            if lower.all():
                break


def find_direction(residuals: Residuals, coords: Tensor, *, damping: Tensor) -> Tensor:
    """Solve (J'J + damping) x = -J'r approximately, for each row.

    Args:
        residuals: The function r, whose derivative at `coords` is J.
        coords: [n, d].
        damping: As a fraction of the curvature along the gradient [n].

    Returns:
        x [n, d].
    """
    # J' times a vector is a backward pass through this graph; J times a vector is a difference
    leaf = coords.detach().requires_grad_()
    with torch.enable_grad():
        value = residuals(leaf)
    (slope,) = torch.autograd.grad(value, leaf, value.detach(), retain_graph=True)

    def curve(x: Tensor) -> Tensor:
        """Multiply by J'J."""
        unit = PROBE / _norm(x)
        with torch.no_grad():
            along = (residuals(coords + unit * x) - value) / unit
        return torch.autograd.grad(value, leaf, along, retain_graph=True)[0]

    # conjugate gradients from x = 0, where the residual is the right-hand side
    found = torch.zeros_like(coords)
    rest = -slope
    way, size = rest, _dot(rest, rest)
    scale = torch.zeros_like(size)
    for i in range(NUM_PRODUCTS):
        curved = curve(way)
        if i == 0:
            scale = damping[:, None] * _dot(way, curved) / _above_zero(size)
        curved = curved + scale * way
        length = size / _above_zero(_dot(way, curved))
        found = found + length * way
        rest = rest - length * curved
        way, size = _turn(rest, way, size)
    return found


def _turn(rest: Tensor, way: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next conjugate direction, and the squared norm of the residual."""
    new_size = _dot(rest, rest)
    return rest + new_size / _above_zero(size) * way, new_size


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=1, keepdim=True)


def _norm(x: Tensor) -> Tensor:
    return _above_zero(x.square().sum(dim=1, keepdim=True)).sqrt()


def _above_zero(x: Tensor) -> Tensor:
    return x.clamp(min=TINY)
