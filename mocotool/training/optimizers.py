"""Optimisers: Adam, an Adam without first moments, loss scaling, and synchronised steps.

In float16 small gradients vanish, so losses are scaled up before they are differentiated and
gradients scaled down before they are used; see `build_scaler`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mocotool.training.distributed import Processes

PART_BYTES = 2**26  # of weights that one kernel moves


class SecondMomentAdam(torch.optim.Optimizer):
    """Adam with beta_1 = 0: the mean of past gradients is the gradient, so none is kept.

    Args:
        params: The weights.
        lr: Learning rate.
        beta2: Decay of the mean of squared gradients.
        eps: Added to its root.

    Source:
        Paper: Kingma and Ba, arXiv:1412.6980, Algorithm 1.
    """

    def __init__(self, params: Iterable[Tensor], *, lr: float, beta2: float, eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": (0.0, beta2), "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            moving = [param for param in group["params"] if param.grad is not None]
            for steps, params in self._count_steps(moving).items():
                for part in _split(params):
                    self._move(part, steps, group)

    def _count_steps(self, params: list[Tensor]) -> dict[float, list[Tensor]]:
        """Count one more step for each weight; return the weights by the number of their steps."""
        by_steps: dict[float, list[Tensor]] = {}
        for param in params:
            state = self.state[param]
            if not state:
                state["step"] = torch.zeros([])  # a tensor, as torch's own keep it
                state["exp_avg_sq"] = torch.zeros_like(param)
            state["step"] += 1
            by_steps.setdefault(float(state["step"]), []).append(param)
        return by_steps

    def _move(self, params: list[Tensor], steps: float, group: dict[str, Any]) -> None:
        """Move weights that have all taken as many steps, in one kernel each line."""
        beta2 = group["betas"][1]
        grads = [param.grad for param in params if param.grad is not None]
        mean_squares = [self.state[param]["exp_avg_sq"] for param in params]
        torch._foreach_mul_(mean_squares, beta2)
        torch._foreach_addcmul_(mean_squares, grads, grads, value=1 - beta2)
        scales = torch._foreach_sqrt(mean_squares)
        torch._foreach_div_(scales, math.sqrt(1 - beta2**steps))
        torch._foreach_add_(scales, group["eps"])
        torch._foreach_addcdiv_(params, grads, scales, value=-group["lr"])


def _split(params: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield weights in parts: one by one on the CPU, which gains nothing from more at once.

    The roots of a part's mean squares are extra memory while it moves.
    """
    part: list[Tensor] = []
    for param in params:
        is_full = sum(x.nbytes for x in part) + param.nbytes > PART_BYTES
        if part and (is_full or param.device.type == "cpu"):
            yield part
            part = []
        part.append(param)
    if part:
        yield part


def build_adam(
    network: nn.Module, *, lr: float, beta1: float = 0.5, eps: float = 1e-8
) -> torch.optim.Optimizer:
    """Return an Adam for a network; with `beta1` 0 the one that keeps no mean of gradients."""
    if beta1 == 0.0:
        return SecondMomentAdam(network.parameters(), lr=lr, beta2=0.999, eps=eps)
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(beta1, 0.999), eps=eps, fused=True)


def build_scaler(precision: torch.dtype, device: torch.device) -> torch.amp.GradScaler:
    """Return what scales one network's losses: by ones, and not at all but in float16.

    Its scale halves when a gradient is infinite, and that step is left out; after 2,000 good steps
    it doubles. Each network has its own, since gradients differ by orders of magnitude.

    Args:
        precision: What convolutions compute in.
        device: Where.

    Source:
        Follows: Micikevicius et al., "Mixed Precision Training", 2018 (Sec. 3.2).
    """
    return torch.amp.GradScaler(device.type, enabled=precision is torch.float16)


def restore_scaler(scaler: torch.amp.GradScaler, state: dict[str, Any] | None) -> None:
    """Go on from a saved scale; a run that had none, of another precision, leaves it at first."""
    if state:
        scaler.load_state_dict(state)


def move_weights(
    parameters: Iterable[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    processes: Processes,
) -> None:
    """Average the gradients of a scaled loss over processes and move the weights.

    Infinite ones, of any process, move nothing.
    """
    processes.average_gradients(parameters)
    _move(optimizer, scaler)


def _move(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    # A fused update goes past the count of changes by which kept values (`generators.kept`) know.
    moved = [p for group in optimizer.param_groups for p in group["params"]]
    torch.autograd.graph.increment_version(moved)


def take_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    processes: Processes,
) -> Tensor:
    """Do what `move_weights` does; return the norm of the gradients, 0 where they are infinite."""
    parameters = [p for p in network.parameters() if p.grad is not None]
    processes.average_gradients(parameters)
    scaler.unscale_(optimizer)
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    _move(optimizer, scaler)
    # What an infinite gradient moved is nothing, and the run goes on.
    return norm.nan_to_num(0.0, 0.0, 0.0) if scaler.is_enabled() else norm
