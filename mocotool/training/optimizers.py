"""An Adam that remembers less, for networks whose weights are most of a run's memory."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


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
            for param in group["params"]:
                if param.grad is not None:
                    self._move(param, group)

    def _move(self, param: Tensor, group: dict[str, Any]) -> None:
        state = self.state[param]
        if not state:
            state["step"] = torch.zeros([])  # a tensor, as torch's own keep it
            state["exp_avg_sq"] = torch.zeros_like(param)
        state["step"] += 1
        (_, beta2), grad, mean_square = group["betas"], param.grad, state["exp_avg_sq"]
        assert grad is not None
        mean_square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction = 1 - beta2 ** float(state["step"])
        scale = mean_square.sqrt().div_(math.sqrt(correction)).add_(group["eps"])
        param.addcdiv_(grad, scale, value=-group["lr"])
