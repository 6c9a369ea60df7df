"""Learning motion from latents: a variational autoencoder of steps, held to what steps are like.

A step costs a few milliseconds, because nothing is rendered. Three terms pull at once. A code of
the motion must lead back to the very steps it was read from. What is drawn must have the moments of
real steps and displacements, or its energy collapses. And a critic must not tell it from real
steps of the person whom it is shown beside; somebody else's real steps count as fakes.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.basis import PCABasis
from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.errors import DivergedError
from mocotool.generators.base import Generator
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.image_discriminator import update_average
from mocotool.motion.latent_clips import LatentClips
from mocotool.training.networks import has_finite_weights
from mocotool.training.randomness import derive_rng, derive_seed
from mocotool.training.run_folder import RunFolder

CRITIC_WIDTH = 128
DISPLACEMENT_WEIGHT = 0.1
PENALTY_EVERY = 4
LONG_EVERY = 4  # steps of which one looks at longer walks
POOL = 8192  # drawn first latents


class StepReader(nn.Module):
    """Reads steps beside the first latent: the posterior of codes, and the critic.

    Args:
        num_components: Size of a step.
        num_outputs: What it gives.
        width: Size of its state.
    """

    def __init__(self, num_components: int, num_outputs: int, *, width: int = CRITIC_WIDTH) -> None:
        super().__init__()
        inputs = 3 * num_components
        self.body = nn.Sequential(
            nn.Conv1d(inputs, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, width, 3, padding=1, stride=2),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, width, 3, padding=1, stride=2),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Linear(width, num_outputs)

    def forward(self, start: Tensor, steps: Tensor) -> Tensor:
        """Read [n, k] and steps [n, t-1, k], both of about unit size; return [n, num_outputs]."""
        way = steps.cumsum(dim=1) / math.sqrt(steps.shape[1])
        seen = torch.cat([start[:, None].expand_as(steps), steps, way], dim=2)
        outputs: Tensor = self.head(self.body(seen.transpose(1, 2)).mean(dim=2))
        return outputs


class LatentMotionTrainer:
    """A guided motion generator that learns from latents of real clips.

    Args:
        generator: Draws first latents.
        basis: Of its latents, cut to the directions in use.
        clips: The real clips, in the basis.
        metric: From `measure_metric`.
        config: Settings.
    """

    def __init__(
        self,
        generator: Generator,
        basis: PCABasis,
        clips: LatentClips,
        metric: Tensor,
        config: TrainLatentMotionConfig,
    ) -> None:
        self.config, self.clips = config, clips
        steps = clips.seen.diff(dim=1)
        shown = steps @ metric
        self.metric = metric / shown.square().mean().sqrt()  # real steps have unit energy
        self.step_idx = 0
        rms = float(steps.square().mean().sqrt())
        k = basis.num_components
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(config.seed, "weights"))
            self.motion = GuidedMotion(
                latent_dim=basis.latent_dim,
                noise_dim=config.noise_dim,
                hidden_dim=config.hidden_dim,
                components=torch.from_numpy(basis.components),
                stdev=torch.from_numpy(basis.stdev),
                mean=None if basis.mean is None else torch.from_numpy(basis.mean),
                step_size=config.step_reach * rms,
                pull=config.pull,
            )
            self.posterior = StepReader(k, 2 * config.noise_dim)
            self.critic = StepReader(k, 1)
        self.motion.num_frames = config.num_frames
        self.motion.generator_record = generator.origin.file if generator.origin else None
        self.averaged = copy.deepcopy(self.motion).requires_grad_(False).eval()
        with torch.no_grad():
            z = torch.randn(POOL, generator.z_dim, generator=derive_rng(config.seed, "pool"))
            pool = generator.mapping(z.to(generator.device)).float().cpu()
        self.pool = self.motion.to_coords(pool)  # [POOL, k]
        learners = [*self.motion.parameters(), *self.posterior.parameters()]
        self.optimizer = torch.optim.Adam(learners, lr=config.learning_rate, betas=(0.9, 0.99))
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), lr=config.learning_rate, betas=(0.5, 0.99)
        )

    def step(self) -> dict[str, float]:
        """Take one step of all networks; return losses and figures.

        Raises:
            DivergedError: A loss is NaN or infinite.
        """
        config = self.config
        rng = derive_rng(config.seed, "step", self.step_idx)
        rate = config.learning_rate * self._schedule()
        for optimizer in (self.optimizer, self.critic_optimizer):
            optimizer.param_groups[0]["lr"] = rate
        window = self.clips.draw(config.batch_size, config.num_frames, rng=rng)
        start, real = self._prepare(window, rng)

        # The motion generator and the posterior.
        guess, divergence = self._reconstruct(start, real, rng)
        drawn_start, drawn = self._imagine(window, rng)
        rebuilt = self._compare(guess, real)
        moments = self._compare_moments(drawn, real)
        score = self.critic(drawn_start, (drawn @ self.metric)[:, : real.shape[1]])
        loss = (
            rebuilt
            + config.kl_weight * divergence
            + config.moment_weight * moments
            - config.critic_weight * score.mean()
        )
        self._update(loss, self.optimizer)

        # The critic.
        values = {
            "loss": loss,
            "rebuilt": rebuilt,
            "divergence": divergence,
            "moments": moments,
            "energy": (drawn @ self.metric).square().mean(),
        }
        values |= self._play(start, real, drawn_start, drawn.detach(), rng)
        decay = min(config.ema_decay, (1 + self.step_idx) / (10 + self.step_idx))
        update_average(self.averaged, self.motion, decay=decay)
        self.step_idx += 1
        floats = {name: float(value.detach()) for name, value in values.items()}
        if not all(math.isfinite(value) for value in floats.values()):
            raise self._diverged()
        return floats

    def check_weights(self) -> None:
        """Check that no weight is broken, before they are saved.

        Raises:
            DivergedError: One is NaN or infinite.
        """
        if not all(map(has_finite_weights, (self.motion, self.posterior, self.critic))):
            raise self._diverged()

    def _diverged(self) -> DivergedError:
        return DivergedError(
            f"training diverged at step {self.step_idx}", hint="lower --learning-rate"
        )

    def _schedule(self) -> float:
        return 0.5 * (1 + math.cos(math.pi * self.step_idx / self.config.num_steps))

    def _prepare(self, window: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return first latents [n, k], moved about so that none is learnt by heart, and steps."""
        start, steps = window[:, 0], window.diff(dim=1)
        if self.config.shuffle_contents:
            start = start[torch.randperm(len(start), generator=rng)]
        start = start + self.config.start_noise * torch.randn(start.shape, generator=rng)
        kept = torch.rand(start.shape, generator=rng) >= self.config.start_dropout
        return start * kept, steps

    def _reconstruct(
        self, start: Tensor, steps: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the steps [n, t-1, k] of the code that was read, and what the code tells."""
        mean, spread = self.posterior(start, steps @ self.metric).chunk(2, dim=1)
        spread = spread.clamp(-8, 4)
        code = mean + (spread / 2).exp() * torch.randn(mean.shape, generator=rng)
        noise = torch.zeros(*steps.shape[:2], self.config.noise_dim)
        noise = torch.cat([code[:, None], noise[:, 1:]], dim=1)
        divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(dim=1).mean()
        return self._walk(start, noise), divergence

    def _imagine(self, window: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return first latents, real ones and drawn ones, and steps from drawn noise."""
        config = self.config
        n = len(window)
        idx = torch.randint(len(self.pool), (n,), generator=rng)
        is_drawn = torch.rand(n, 1, generator=rng) < 0.5
        start = torch.where(is_drawn, self.pool[idx], window[:, 0])
        is_long = self.step_idx % LONG_EVERY == 0
        num_frames = config.long_frames if is_long else config.num_frames
        noise = torch.randn(n, num_frames - 1, config.noise_dim, generator=rng)
        return start, self._walk(start, noise)

    def _walk(self, start: Tensor, noise: Tensor) -> Tensor:
        """Walk from coordinates [n, k]; return steps in coordinates [n, t-1, k]."""
        motion = self.motion
        return motion.to_coords(motion(motion.from_coords(start), noise)).diff(dim=1)

    def _compare(self, guess: Tensor, real: Tensor) -> Tensor:
        rest = (guess - real) @ self.metric
        return rest.square().mean() + DISPLACEMENT_WEIGHT * rest.cumsum(dim=1).square().mean()

    def _compare_moments(self, drawn: Tensor, real: Tensor) -> Tensor:
        """Compare mean, spread and memory of steps, and mean and spread of displacements."""
        a, b = drawn @ self.metric, real @ self.metric
        t = b.shape[1]
        terms = [self._moments(a[:, :t], b)]
        if a.shape[1] > t:  # later frames of a long walk are like earlier ones
            terms.append(self._moments(a[:, -t:], b))
        return torch.stack(terms).mean()

    @staticmethod
    def _moments(a: Tensor, b: Tensor) -> Tensor:
        ways = [x.cumsum(dim=1)[:, -1] for x in (a, b)]
        energy = [(x.square().mean(dim=2) + 1e-4).log() for x in (a, b)]  # [n, t-1]
        parts = [
            (a.mean(dim=(0, 1)) - b.mean(dim=(0, 1))).square().mean(),
            (_spread(a, (0, 1)) - _spread(b, (0, 1))).square().mean(),
            (_memory(a) - _memory(b)).square(),
            (ways[0].mean(dim=0) - ways[1].mean(dim=0)).square().mean() / a.shape[1],
            (_spread(ways[0], 0) - _spread(ways[1], 0)).square().mean() / a.shape[1],
            (energy[0].mean() - energy[1].mean()).square(),
            (energy[0].mean(dim=1).std() - energy[1].mean(dim=1).std()).square(),
            (energy[0].std(dim=1).mean() - energy[1].std(dim=1).mean()).square(),
        ]
        return torch.stack(parts).sum()

    def _play(
        self, start: Tensor, real: Tensor, drawn_start: Tensor, drawn: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Let the critic learn: real steps beside their person, against drawn or others' steps."""
        config = self.config
        shown = (real @ self.metric).requires_grad_()
        right = self.critic(start, shown)
        faked = self.critic(drawn_start, (drawn @ self.metric)[:, : real.shape[1]])
        loss = F.relu(1 - right).mean() + (1 - config.mismatch_share) * F.relu(1 + faked).mean()
        if config.mismatch_share:
            others = start[torch.randperm(len(start), generator=rng)]
            wrong = self.critic(others, shown.detach())
            loss = loss + config.mismatch_share * F.relu(1 + wrong).mean()
        if self.step_idx % PENALTY_EVERY == 0:
            (slope,) = torch.autograd.grad(right.sum(), shown, create_graph=True)
            penalty = slope.square().sum(dim=(1, 2)).mean()
            loss = loss + PENALTY_EVERY * config.penalty_weight / 2 * penalty
        self._update(loss, self.critic_optimizer)
        return {"critic": loss, "score_real": right.mean(), "score_drawn": faked.mean()}

    @staticmethod
    def _update(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        parameters = optimizer.param_groups[0]["params"]
        loss.backward(inputs=parameters)
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()

    def resume(self, run: RunFolder, *, warn: Callable[[str], None]) -> None:
        """Go on from the newest state in a run's folder, or begin anew where none was saved.

        Raises:
            FileFormatError: There are states, but none can be read.
        """
        run.restore(lambda state: self.load_state_dict(state["trainer"]), warn=warn)
        run.drop_log_after(self.step_idx)

    def save(self, run: RunFolder) -> None:
        """Write what `resume` goes on from."""
        run.save_state({"trainer": self.state_dict()})

    @torch.no_grad()
    def measure_held_out(self) -> float:
        """Return the error of held-out clips that are rebuilt from the mean of their codes.

        It is in units of the energy of real steps; 1 is what standing still would have, and NaN
        where no clips are held out.
        """
        clips = self.clips.held_out[:, : self.config.num_frames]
        if not len(clips):
            return math.nan
        steps = clips.diff(dim=1)
        code = self.posterior(clips[:, 0], steps @ self.metric).chunk(2, dim=1)[0]
        noise = torch.zeros(*steps.shape[:2], self.config.noise_dim)
        noise = torch.cat([code[:, None], noise[:, 1:]], dim=1)
        rest = (self._walk(clips[:, 0], noise) - steps) @ self.metric
        return float(rest.square().mean())

    def state_dict(self) -> dict[str, Any]:
        """Return everything an exact resume needs."""
        return {"step_idx": self.step_idx} | {
            name: part.state_dict() for name, part in self._parts().items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.step_idx = state["step_idx"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "motion": self.motion,
            "averaged": self.averaged,
            "posterior": self.posterior,
            "critic": self.critic,
            "optimizer": self.optimizer,
            "critic_optimizer": self.critic_optimizer,
        }


def _spread(x: Tensor, dim: Any) -> Tensor:
    return (x.var(dim=dim) + 1e-6).sqrt()


def _memory(x: Tensor) -> Tensor:
    """Return the correlation of successive steps, a number."""
    centred = x - x.mean(dim=(0, 1))
    return (centred[:, 1:] * centred[:, :-1]).mean() / centred.square().mean().clamp(min=1e-6)
