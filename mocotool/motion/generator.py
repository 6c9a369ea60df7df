"""The motion generator G_M: a walk through the image generator's latents.

An LSTM encoder turns the first latent into a state, an LSTM decoder turns noise and state into
motion, and each frame's latent is the one before plus a small step along the basis directions.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mocotool.errors import ConfigError, MismatchError
from mocotool.provenance import FileRecord

MotionForm = Literal["reference", "paper"]
BasisRows = Literal["stdev", "unit"]
Rngs = torch.Generator | Sequence[torch.Generator] | None

DEFAULT_STEP_SIZE = 0.2  # the authors' w_residual; their paper says 0.5 in-domain, 0.2 cross-domain
COEFFICIENT_INIT_STD = 0.02  # Official code: models/rnn.py, `w`


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MotionRollout:
    """The result of one pass of the motion generator in training."""

    trajectory: Tensor
    """[n, t, latent_dim], or [n, t, num_ws, latent_dim]; the first frame is the start itself."""
    noise_pred: Tensor
    """The noise head's guess of the noise, [n, t-1, noise_dim]."""


class MotionGenerator(nn.Module):
    """The motion generator G_M.

    Args:
        latent_dim: Size of the latents it moves.
        noise_dim: Size of the noise each frame brings.
        hidden_dim: Size of the LSTM state.
        components: Basis directions, unit rows [k, latent_dim].
        stdev: Standard deviation of the latents along each of them, [k].
        step_size: How far one frame may move, in units of the basis rows.
        head_dim: Width of the noise head; `None` is `noise_dim`.
        form: "reference" passes the state through a linear layer and tanh to get coefficients, and
            lets the noise head see the cell state too; "paper" takes the LSTM output itself
            as coefficients (so `hidden_dim` must be k), and the noise head sees it alone.
        basis_rows: "stdev" scales each direction by its `stdev`, so that one unit of coefficient
            is one standard deviation of the latents; "unit" leaves the rows as they are.
        residual: Whether each latent is a step from the one before. Off, each latent is a linear
            image of the LSTM output (the paper's ablation).
    """

    components: Tensor
    stdev: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        noise_dim: int,
        hidden_dim: int,
        components: Tensor,
        stdev: Tensor,
        step_size: float = DEFAULT_STEP_SIZE,
        head_dim: int | None = None,
        form: MotionForm = "reference",
        basis_rows: BasisRows = "stdev",
        residual: bool = True,
    ) -> None:
        super().__init__()
        check_basis(components, stdev, latent_dim=latent_dim)
        num_components = len(components)
        if form == "paper" and residual and hidden_dim != num_components:
            raise ConfigError(
                "the paper's form takes the LSTM output as coefficients: got hidden size "
                f"{hidden_dim} and {num_components} components, expected the same number"
            )

        self.latent_dim, self.noise_dim, self.hidden_dim = latent_dim, noise_dim, hidden_dim
        self.head_dim = noise_dim if head_dim is None else head_dim
        self.step_size = step_size
        self.form: MotionForm = form
        self.basis_rows: BasisRows = basis_rows
        self.residual = residual

        # What a file says of its training
        self.num_frames = 16
        self.frame_stride: int | None = None  # of the clips it learnt from, where its file says
        self.origin: FileRecord | None = None
        self.generator_record: FileRecord | None = None

        self.register_buffer("components", components.detach().to(torch.float32).clone())
        self.register_buffer("stdev", stdev.detach().to(torch.float32).clone())
        self.encoder = nn.LSTMCell(latent_dim, hidden_dim)
        self.decoder = nn.LSTMCell(noise_dim, hidden_dim)
        if residual and form == "reference":
            self.coefficient_weight = nn.Parameter(torch.empty(hidden_dim, num_components))
            self.coefficient_bias = nn.Parameter(torch.zeros(num_components))
        if not residual:
            self.to_latent = nn.Linear(hidden_dim, latent_dim)
        head_inputs = 2 * hidden_dim if form == "reference" else hidden_dim
        self.noise_head = nn.Sequential(
            nn.Linear(head_inputs, self.head_dim), nn.ReLU(), nn.Linear(self.head_dim, noise_dim)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as the authors' program does.

        Source:
            Official code: models/rnn.py (orthogonal per gate, no forget-gate bias, N(0, 0.02)).
        """
        for cell in (self.encoder, self.decoder):
            for weight in (cell.weight_ih, cell.weight_hh):
                for gate in weight.detach().chunk(4):
                    nn.init.orthogonal_(gate)
            nn.init.zeros_(cell.bias_ih)
            nn.init.zeros_(cell.bias_hh)
        for layer in self.noise_head:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight)
        if hasattr(self, "coefficient_weight"):
            nn.init.normal_(self.coefficient_weight, std=COEFFICIENT_INIT_STD)

    @property
    def arch(self) -> dict[str, Any]:
        """The keyword arguments, besides the basis, that build this network again."""
        return {
            "latent_dim": self.latent_dim,
            "noise_dim": self.noise_dim,
            "hidden_dim": self.hidden_dim,
            "head_dim": self.head_dim,
            "step_size": self.step_size,
            "form": self.form,
            "basis_rows": self.basis_rows,
            "residual": self.residual,
        }

    @property
    def basis(self) -> Tensor:
        """Directions of a step, one per row [k, latent_dim]; see `basis_rows`."""
        return (
            self.components * self.stdev[:, None] if self.basis_rows == "stdev" else self.components
        )

    @property
    def device(self) -> torch.device:
        """The device the weights are on."""
        return self.components.device

    def draw_noise(self, n: int, num_frames: int, *, rng: Rngs = None) -> Tensor:
        """Draw the noise of `n` videos.

        Frames are drawn one after the other, so the noise of a longer video begins with that of a
        shorter one of the same seed.

        Args:
            n: Number of videos.
            num_frames: Frames per video; the first one takes no noise.
            rng: One random generator for all, or one per video; `None` is torch's own.

        Returns:
            N(0, 1) numbers [n, num_frames-1, noise_dim].
        """
        if num_frames < 2:
            return torch.zeros(n, 0, self.noise_dim, device=self.device)
        return torch.stack(list(self.iter_noise(n, num_frames, rng=rng)), dim=1)

    def iter_noise(self, n: int, num_frames: int, *, rng: Rngs = None) -> Iterator[Tensor]:
        """Draw what `draw_noise` draws, one frame [n, noise_dim] at a time."""
        rngs = list(rng) if isinstance(rng, Sequence) else None
        if rngs is not None and len(rngs) != n:
            raise MismatchError(f"{len(rngs)} random generators for {n} videos")
        for _ in range(num_frames - 1):
            if rngs is None:
                assert not isinstance(rng, Sequence)
                yield randn((n, self.noise_dim), rng=rng, device=self.device)
            else:
                rows = [randn((self.noise_dim,), rng=one, device=self.device) for one in rngs]
                yield torch.stack(rows)

    def to_coefficients(self, hidden: Tensor) -> Tensor:
        """Turn states [n, hidden_dim] into how far to go along each direction, [n, k]."""
        if self.form == "paper":
            return hidden
        return torch.tanh(hidden @ self.coefficient_weight + self.coefficient_bias)

    def next_latent(self, latent: Tensor, hidden: Tensor, *, basis: Tensor) -> Tensor:
        """Return the latent after `latent`, for a state [n, hidden_dim] of the decoder."""
        if self.residual:
            coeffs = self.to_coefficients(hidden)
            return step_latent(latent, coeffs, basis=basis, step_size=self.step_size)
        direct: Tensor = self.to_latent(hidden)
        return direct[:, None].expand_as(latent) if latent.ndim == 3 else direct

    def predict_noise(self, hidden: Tensor, cell: Tensor) -> Tensor:
        """Guess the noise [..., noise_dim] from the decoder's states [..., hidden_dim]."""
        seen = torch.cat([hidden, cell], dim=-1) if self.form == "reference" else hidden
        guess: Tensor = self.noise_head(seen)
        return guess

    def rollout(self, latent: Tensor, noise: Tensor) -> MotionRollout:
        """Walk from `latent` and guess the noise again; see `forward` for the arguments."""
        self._check(latent, noise)
        trajectory, hiddens, cells = [latent], [], []
        for hidden, cell, moved in self._walk(latent, noise.unbind(dim=1)):
            trajectory.append(moved)
            hiddens.append(hidden)
            cells.append(cell)
        if not hiddens:
            return MotionRollout(trajectory=latent.unsqueeze(1), noise_pred=noise)
        noise_pred = self.predict_noise(torch.stack(hiddens, dim=1), torch.stack(cells, dim=1))
        return MotionRollout(trajectory=torch.stack(trajectory, dim=1), noise_pred=noise_pred)

    def forward(self, latent: Tensor, noise: Tensor) -> Tensor:
        """Walk from `latent`.

        Args:
            latent: Where each video starts, [n, latent_dim]; or [n, num_ws, latent_dim], and then
                every layer takes the same steps.
            noise: N(0, 1), [n, t-1, noise_dim].

        Returns:
            [n, t, latent_dim] or [n, t, num_ws, latent_dim]; the first frame is `latent`.

        Raises:
            MismatchError: Latents or noise do not fit this model.
        """
        self._check(latent, noise)
        return torch.stack(list(self.unroll(latent, noise.unbind(dim=1))), dim=1)

    def unroll(self, latent: Tensor, noise: Iterable[Tensor]) -> Iterator[Tensor]:
        """Walk from `latent` in memory that does not grow with the number of frames.

        Args:
            latent: As in `forward`.
            noise: One [n, noise_dim] per further frame, as from `iter_noise`.

        Yields:
            The latents of one frame after the other, `latent` itself first.
        """
        yield latent
        for _, _, moved in self._walk(latent, noise):
            yield moved

    def _walk(
        self, latent: Tensor, noise: Iterable[Tensor]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the decoder's output and cell [n, hidden_dim], and the latent of the next frame."""
        basis = self.basis
        for hidden, cell in unroll_hidden(self.encoder, self.decoder, latent, noise):
            latent = self.next_latent(latent, hidden, basis=basis)
            yield hidden, cell, latent

    def _check(self, latent: Tensor, noise: Tensor) -> None:
        if latent.ndim not in (2, 3) or latent.shape[-1] != self.latent_dim:
            raise MismatchError(
                f"latents have shape {list(latent.shape)}, the motion model needs "
                f"[n, {self.latent_dim}] or [n, num_ws, {self.latent_dim}]"
            )
        if noise.ndim != 3 or noise.shape[0] != len(latent) or noise.shape[2] != self.noise_dim:
            raise MismatchError(
                f"motion noise has shape {list(noise.shape)}, expected "
                f"[n={len(latent)}, t-1, noise_dim={self.noise_dim}]"
            )


def unroll_hidden(
    encoder: nn.LSTMCell, decoder: nn.LSTMCell, latent: Tensor, noise: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Turn a first latent and a stream of noise into a stream of motion states.

    Args:
        encoder: Reads the first latent, from a state of zeros.
        decoder: Reads one frame's noise at a time, from the encoder's state on.
        latent: [n, latent_dim], or [n, num_ws, latent_dim], whose layers' mean the encoder reads.
        noise: One [n, noise_dim] per frame from the second on.

    Yields:
        The decoder's output (in [-1, 1]) and its cell state, both [n, hidden_dim], per frame.

    Source:
        Paper: Eq. 1, Sec. 3.1.
        Official code: models/rnn.py, RNNModule.forward.
    """
    hidden, cell = encoder(latent.mean(dim=1) if latent.ndim == 3 else latent)
    for step in noise:
        hidden, cell = decoder(step, (hidden, cell))
        yield hidden, cell


def step_latent(latent: Tensor, coeffs: Tensor, *, basis: Tensor, step_size: float) -> Tensor:
    """Move latents one frame on.

    Args:
        latent: [n, latent_dim] or [n, num_ws, latent_dim].
        coeffs: How far along each direction, [n, k] in [-1, 1].
        basis: One direction per row, [k, latent_dim].
        step_size: Factor on the whole step.

    Returns:
        Latents of the same shape.

    Source:
        Paper: Eq. 2, Sec. 3.1. It does not say how long the rows of V are.
        Official code: models/rnn.py, RNNModule.forward (rows scaled by the latents' deviation along
            them; a linear layer and tanh give the coefficients).
        Follows: official code for the rows, in both forms unless `basis_rows` is "unit".
    """
    step = step_size * (coeffs @ basis)
    return latent + (step[:, None] if latent.ndim == 3 else step)


def check_basis(components: Tensor, stdev: Tensor, *, latent_dim: int) -> None:
    """Check that basis directions fit latents of size `latent_dim`.

    Raises:
        MismatchError: They do not.
    """
    if components.ndim != 2 or components.shape[1] != latent_dim:
        raise MismatchError(
            f"the PCA basis has components of shape {list(components.shape)}, "
            f"the latents have {latent_dim} dimensions"
        )
    if stdev.shape != components.shape[:1]:
        raise MismatchError(
            f"the PCA basis has {len(components)} components, but standard deviations of shape "
            f"{list(stdev.shape)}"
        )


def randn(size: tuple[int, ...], *, rng: torch.Generator | None, device: torch.device) -> Tensor:
    """Sample N(0, 1) of shape `size` on the device of `rng`; the CPU's are the same everywhere."""
    if rng is None:
        return torch.randn(size, device=device)
    return torch.randn(size, generator=rng, device=rng.device).to(device)
