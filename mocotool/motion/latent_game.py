"""Learning of motion from latents, by scores that match the distribution of real walks.

A step costs a fraction of a second, because nothing is rendered: walks are compared as latents, and
as what a small network in place of the generator says they look like. For first latents of real
clips two walks are drawn and scored against the real one, so that where it goes, how much and how
variously is learnt for each person; walks from drawn first latents, which nothing really followed,
shall be like real walks as a crowd. No critic and no encoder of motion is needed.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mocotool.basis import PCABasis
from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.errors import DivergedError
from mocotool.generators.base import Generator
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.image_discriminator import update_average
from mocotool.motion.latent_clips import LatentClips
from mocotool.motion.step_scores import (
    compare_crowds,
    score_numbers,
    score_pairs,
    view_pictures,
    view_steps,
)
from mocotool.motion.surrogate import Surrogate
from mocotool.training.networks import has_finite_weights
from mocotool.training.randomness import derive_rng, derive_seed
from mocotool.training.run_folder import RunFolder

LONG_EVERY = 4  # steps of which one looks at longer walks
POOL = 8192  # drawn first latents
WARMUP_STEPS = 30
NUM_JUDGED = 256  # windows of held-out clips
GRADIENT_LIMIT = 5.0


class LatentMotionTrainer:
    """A guided motion generator that learns from latents of real clips.

    Args:
        generator: Draws first latents.
        basis: Of its latents, cut to the directions in use.
        clips: The real clips, in the basis.
        metric: From `measure_metric`.
        config: Settings.
        surrogate: Guesses pictures of latents, in the values that `clips` hold; `None` compares
            latents alone.
    """

    def __init__(
        self,
        generator: Generator,
        basis: PCABasis,
        clips: LatentClips,
        metric: Tensor,
        config: TrainLatentMotionConfig,
        *,
        surrogate: Surrogate | None = None,
    ) -> None:
        self.config, self.clips, self.surrogate = config, clips, surrogate
        # In both views real steps have unit energy.
        steps = clips.seen.coords.diff(dim=1)
        shown = steps @ metric
        self.metric = metric / shown.square().mean().sqrt()
        self.picture_scale = 1.0
        if surrogate is not None:
            assert clips.seen.pictures is not None
            changes = clips.seen.pictures.diff(dim=1)
            self.picture_scale = float(changes.square().mean().sqrt().clamp(min=1e-6))
            self.view_spreads = self._measure_spreads()

        self.step_idx = 0
        longest = config.long_frames if clips.seen.is_loop.any() else clips.seen.coords.shape[1]
        self.long_frames = min(config.long_frames, longest)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(config.seed, "weights"))
            self.motion = GuidedMotion(
                latent_dim=basis.latent_dim,
                noise_dim=config.noise_dim,
                hidden_dim=config.hidden_dim,
                components=torch.from_numpy(basis.components),
                stdev=torch.from_numpy(basis.stdev),
                mean=None if basis.mean is None else torch.from_numpy(basis.mean),
                step_size=config.step_reach * float(steps.square().mean().sqrt()),
                pull=config.pull,
            )
        self.motion.num_frames = config.num_frames
        self.motion.generator_record = generator.origin.file if generator.origin else None
        self.averaged = copy.deepcopy(self.motion).requires_grad_(False).eval()

        with torch.no_grad():
            z = torch.randn(POOL, generator.z_dim, generator=derive_rng(config.seed, "pool"))
            pool = generator.mapping(z.to(generator.device)).float().cpu()
        self.pool = self.motion.to_coords(pool)  # [POOL, k]
        self.optimizer = torch.optim.Adam(
            self.motion.parameters(), lr=config.learning_rate, betas=(0.9, 0.99)
        )

    def step(self) -> dict[str, float]:
        """Take one step; return losses and figures.

        Raises:
            DivergedError: A loss is NaN or infinite.
        """
        config = self.config
        rng = derive_rng(config.seed, "step", self.step_idx)
        is_long = self.step_idx % LONG_EVERY == LONG_EVERY - 1
        num_frames = self.long_frames if is_long else config.num_frames
        window = self.clips.seen.draw(config.batch_size, num_frames, rng=rng)

        # Two walks for each real first latent, and one for each drawn one.
        start = self._prepare(window.coords[:, 0], rng)
        picked = self.pool[torch.randint(len(self.pool), (len(start),), generator=rng)]
        walks = self._draw(self.motion, torch.cat([start, start, picked]), num_frames, rng)

        # Each view of them beside the same of what really followed.
        views, steps = self._see(self.motion.to_coords(walks), self._picture(walks))
        firsts, seconds, crowd_views = zip(*(view.chunk(3) for view in views), strict=True)
        real_views, real_steps = self._see(window.coords, window.pictures)
        first, second, drawn = steps.chunk(3)
        paired = score_pairs(firsts, seconds, real_views) + score_numbers(first, second, real_steps)
        crowd = compare_crowds(crowd_views, real_views)
        loss = paired + config.crowd_weight * crowd
        self._update(loss)

        energy = drawn.square().mean()
        values = {"loss": loss, "paired": paired, "crowd": crowd, "energy": energy}
        floats = {name: float(value.detach()) for name, value in values.items()}
        self.step_idx += 1
        if not all(math.isfinite(value) for value in floats.values()):
            raise self._diverged()
        return floats

    def check_weights(self) -> None:
        """Check that no weight is broken, before they are saved.

        Raises:
            DivergedError: One is NaN or infinite.
        """
        if not has_finite_weights(self.motion):
            raise self._diverged()

    def _diverged(self) -> DivergedError:
        return DivergedError(
            f"training diverged at step {self.step_idx}", hint="lower --learning-rate"
        )

    def _prepare(self, start: Tensor, rng: torch.Generator) -> Tensor:
        """Perturb first latents [n, k], so that none is memorised."""
        if self.config.shuffle_contents:
            start = start[torch.randperm(len(start), generator=rng)]
        start = start + self.config.start_noise * torch.randn(start.shape, generator=rng)
        return start * (torch.rand(start.shape, generator=rng) >= self.config.start_dropout)

    def _draw(
        self, motion: GuidedMotion, start: Tensor, num_frames: int, rng: torch.Generator
    ) -> Tensor:
        """Draw walks from coordinates [n, k]; return latents [n, t, latent_dim]."""
        noise = motion.draw_noise(len(start), num_frames, rng=rng)
        walks: Tensor = motion(motion.from_coords(start), noise)
        return walks

    def _picture(self, walks: Tensor) -> Tensor | None:
        """Guess the reduced pictures [n, t, p] of latents [n, t, latent_dim]."""
        return None if self.surrogate is None else self.surrogate(walks)

    def _see(self, coords: Tensor, pictures: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """Compute the views of walks, of their pictures and of their latents.

        Args:
            coords: In standard deviations along the basis, [n, t, k].
            pictures: What they look like, [n, t, p], if it is known.

        Returns:
            Views [n, d], and the steps of what is seen, of unit energy in real clips.
        """
        steps = coords.diff(dim=1) @ self.metric
        if pictures is None or self.surrogate is None:
            return view_steps(steps), steps
        changes = pictures.diff(dim=1) / self.picture_scale
        seen = zip(self._see_pictures(pictures), self.view_spreads, strict=True)
        # A score is of degree one in what it looks at, so a factor on a view is its weight.
        views = [
            *view_steps(changes),
            *(view / spread for view, spread in seen),
            *(self.config.latent_weight * view for view in view_steps(steps)),
        ]
        return views, changes

    def _see_pictures(self, pictures: Tensor) -> list[Tensor]:
        assert self.surrogate is not None
        shape, num_values = self.surrogate.picture_shape, pictures.shape[-1]
        scale = self.picture_scale * self.surrogate.scale * (num_values / math.prod(shape)) ** 0.5
        return view_pictures(self.surrogate.draw(pictures), scale=float(scale))

    def _measure_spreads(self) -> list[float]:
        """Return how far real windows are spread in each view of pictures."""
        num_frames = self.config.num_frames
        rng = derive_rng(self.config.seed, "spreads")
        pictures = self.clips.seen.draw(NUM_JUDGED, num_frames, rng=rng).pictures
        assert pictures is not None
        return [
            float(view.var(dim=0).sum().sqrt().clamp(min=1e-3))
            for view in self._see_pictures(pictures)
        ]

    @torch.no_grad()
    def measure_energy(self, walks: Tensor) -> float:
        """Return the mean square of steps of walks [n, t, latent_dim], in units of real ones'."""
        _, steps = self._see(self.motion.to_coords(walks), self._picture(walks))
        return float(steps.square().mean())

    def _update(self, loss: Tensor) -> None:
        config, step = self.config, self.step_idx
        warmth = min(1.0, (step + 1) / WARMUP_STEPS)
        fall = 0.5 * (1 + math.cos(math.pi * step / config.num_steps))
        self.optimizer.param_groups[0]["lr"] = config.learning_rate * warmth * fall
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.motion.parameters(), GRADIENT_LIMIT)
        self.optimizer.step()
        decay = min(config.ema_decay, (1 + step) / (10 + step))
        update_average(self.averaged, self.motion, decay=decay)

    def resume(self, run: RunFolder, *, warn: Callable[[str], None]) -> None:
        """Resume from the newest state in a run's folder, or begin anew where none was saved.

        Raises:
            FileFormatError: There are states, but none can be read.
        """
        run.restore(lambda state: self.load_state_dict(state["trainer"]), warn=warn)
        run.drop_log_after(self.step_idx)

    def save(self, run: RunFolder, *, is_best: bool = False) -> None:
        """Write the state that `resume` reads."""
        state = {"trainer": self.state_dict()}
        run.save_state(state, step=self.step_idx, is_best=is_best)

    @torch.no_grad()
    def measure_held_out(self) -> dict[str, float]:
        """Score walks from held-out first latents against what really followed.

        Returns:
            "held_out", the score; and "content_gain", by which share it is better than that of
            walks from somebody else's first latents. Both NaN where fewer than two clips are held
            out.
        """
        config, clips = self.config, self.clips.held_out
        if len(clips) < 2:
            return {"held_out": math.nan, "content_gain": math.nan}
        rng = derive_rng(config.seed, "held out windows")
        window = clips.draw(NUM_JUDGED, config.num_frames, rng=rng)
        real_views, real_steps = self._see(window.coords, window.pictures)
        start = window.coords[:, 0]

        scores = []
        for first in (start, start.roll(1, dims=0)):
            twice = self._draw(self.averaged, first.repeat(2, 1), config.num_frames, rng)
            views, steps = self._see(self.averaged.to_coords(twice), self._picture(twice))
            one, other = zip(*(view.chunk(2) for view in views), strict=True)
            first_steps, second_steps = steps.chunk(2)
            numbers = score_numbers(first_steps, second_steps, real_steps)
            scores.append(float(score_pairs(one, other, real_views) + numbers))
        own, blind = scores
        return {"held_out": own, "content_gain": (blind - own) / blind}

    def state_dict(self) -> dict[str, Any]:
        """Return everything an exact resume needs."""
        return {"step_idx": self.step_idx} | {
            name: part.state_dict() for name, part in self._parts().items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step_idx = state["step_idx"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {"motion": self.motion, "averaged": self.averaged, "optimizer": self.optimizer}
