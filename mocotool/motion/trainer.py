"""One training step of the motion generator: several updates of its own, then one per game.

Everything random follows from the seed and the step's number, drawn for the whole batch and then
cut to this process's rows. So a resumed run, and one over several processes, take the same steps.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.devices import measured_convolutions, to_device
from mocotool.errors import DivergedError, MismatchError
from mocotool.generators.base import Generator
from mocotool.layouts import to_frames_u8, to_unit_range
from mocotool.motion.building import adopt_initial, build_games, build_motion
from mocotool.motion.compilation import Compilation
from mocotool.motion.context import TrainingContext
from mocotool.motion.games import Game, Metrics
from mocotool.motion.generator import MotionGenerator, MotionRollout
from mocotool.motion.image_discriminator import update_average
from mocotool.motion.losses import LossWeights, mutual_information_loss, total_generator_loss
from mocotool.motion.render_budget import build_renderer, settle_graph_mb
from mocotool.motion.rendering import check_frame_size
from mocotool.motion.step_head import StepHead, measure_steps
from mocotool.motion.walk_figures import NUM_CONTENTS, measure_walks
from mocotool.training.distributed import Processes
from mocotool.training.networks import has_finite_weights
from mocotool.training.optimizers import build_adam, build_scaler, restore_scaler, take_step
from mocotool.training.randomness import derive_seed
from mocotool.training.run_folder import RunFolder

PREVIEW_CONTENTS = 4
PREVIEW_MOTIONS = 2


class Clips(Iterator[Tensor], Protocol):
    """Where real clips come from: uint8 or float [n, t, 3, h, w], this process's share."""

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the order of clips."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a position that `state_dict` returned."""


@dataclasses.dataclass(frozen=True, slots=True)
class GeneratedClips:
    """Clips of this process's part of a batch."""

    rollout: MotionRollout
    noise: Tensor
    """What moved them, [n, t-1, noise_dim]."""
    frames: Tensor
    """[n, t, c, frame_size, frame_size]."""


class MotionTrainer:
    """The motion generator, its average, its games and their optimisers.

    Args:
        generator: The frozen image generator, in the precision to render in.
        basis: PCA basis of its latents.
        config: Settings.
        processes: This process among those that train together.
        initial: A motion model to start from, or `None` for random weights.
        compilation: How to compile the generator and the discriminators; `None` does not.

    Raises:
        ConfigError: A size does not fit the generator.
        MismatchError: `initial` is of another size.
        UnavailableError: Nothing can be compiled on this machine.
    """

    def __init__(
        self,
        generator: Generator,
        basis: PCABasis,
        config: TrainMotionConfig,
        *,
        processes: Processes | None = None,
        initial: MotionGenerator | None = None,
        compilation: Compilation | None = None,
    ) -> None:
        check_frame_size(config.frame_size, min(generator.img_size))
        self.compilation = compilation
        if compilation is not None:  # before its memory is measured
            compilation.compile_generator(generator)
        self.generator = generator
        self.basis = basis
        own = (processes or Processes()).rows(config.batch_size)
        config = settle_graph_mb(generator, config, num_clips=own.stop - own.start)
        self.config = config
        self.device = generator.device
        self.processes = processes or Processes()
        self.context = TrainingContext(
            config,
            device=self.device,
            precision=generator.synthesis.compute_dtype,
            processes=self.processes,
        )

        self.step_idx = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(config.seed, "weights"))
            motion = build_motion(generator, basis, config)
            self.games: dict[str, Game] = build_games(self.context)
        if compilation is not None:
            compilation.compile_discriminators(game.network for game in self.games.values())
        if initial is not None:
            motion = adopt_initial(motion, initial)

        self.motion = motion.to(self.device).train()
        self.averaged = copy.deepcopy(self.motion).requires_grad_(False).eval()
        self.optimizer = build_adam(self.motion, lr=config.learning_rate)
        self.step_head: StepHead | None = None
        if config.has_mutual_info and config.mutual_info_loss != "state":
            head = StepHead(self.motion, loss=config.mutual_info_loss, seed=config.seed)
            self.step_head = head.to(self.device)
            # It does regression and plays no game: Adam's usual memory.
            self.optimizer.add_param_group(
                {"params": list(head.parameters()), "betas": (0.9, 0.999)}
            )
        self.scaler = build_scaler(self.context.precision, self.device)
        self.weights = LossWeights(
            video=config.video_weight,
            image=config.image_weight,
            mutual_info=config.mutual_info_weight,
            feature=config.feature_weight,
        )
        self.renderer = build_renderer(generator, config, num_clips=self._num_rows())

    def _num_rows(self) -> int:
        return len(range(self.config.batch_size)[self.context.rows])

    def step(self, real: Tensor) -> dict[str, float]:
        """Take one step of the whole recipe.

        Args:
            real: This process's part of the batch, [n, t, c, frame_size, frame_size], uint8 or
                float in [-1, 1].

        Returns:
            Losses and figures, as floats, averaged over processes.

        Raises:
            DivergedError: A loss or a gradient is NaN or infinite.

        Source:
            Official code: train.py; train_func_in_domain.py and train_func_cross_domain.py.
            Deviation: what is saved for use is a running average of the motion weights, which
                swing less; the program saves the weights themselves.
        """
        real = self._to_video(real)
        with measured_convolutions(self.device, self.context.precision):
            values = self._take_turns(real)
        values |= measure_motion(real, "real")
        decay = min(self.config.ema_decay, (1 + self.step_idx) / (10 + self.step_idx))
        update_average(self.averaged, self.motion, decay=decay)
        self.step_idx += 1
        return self._to_floats(values)

    def _take_turns(self, real: Tensor) -> Metrics:
        """Let the motion generator and then every game learn; return what they report."""
        for game in self.games.values():
            game.begin(real)
        values: Metrics = {}
        if self.step_idx >= self.config.head_start:
            for g_step in range(self.config.num_g_steps):
                values = self.generator_step(g_step)
        return self.discriminator_step() | values

    def _to_video(self, real: Tensor) -> Tensor:
        size = self.config.frame_size
        expected = (self._num_rows(), self.config.num_frames, 3, size, size)
        if tuple(real.shape) != expected:
            raise MismatchError(f"clips have shape {list(real.shape)}, expected {list(expected)}")
        real = to_device(real, self.device)
        return to_unit_range(real) if real.dtype == torch.uint8 else real

    def draw(self, *path: int | str) -> tuple[Tensor, Tensor | None, Tensor]:
        """Draw this process's z [n, z_dim], classes [n] on the CPU and motion noise for one use."""
        config, rows = self.config, self.context.rows
        rng = self.context.rng("clips", *path)
        z = torch.randn(config.batch_size, self.generator.z_dim, generator=rng)[rows]
        labels = None
        if self.generator.c_dim:
            classes = torch.randint(self.generator.c_dim, (config.batch_size,), generator=rng)
            labels = classes[rows]
        noise = torch.randn(
            config.batch_size, config.num_frames - 1, config.noise_dim, generator=rng
        )[rows]
        return to_device(z, self.device), labels, to_device(noise, self.device)

    def generate(self, *path: int | str) -> GeneratedClips:
        """Draw latents and noise for one use, move and render them."""
        rows = self.context.rows
        z, labels, noise = self.draw(*path)
        with torch.no_grad():
            latent = self.generator.mapping(z, self.generator.one_hot(labels, len(z)))
        rollout = self.motion.rollout(latent, noise)
        seeds = [
            derive_seed(self.config.seed, "pixel noise", *path, row)
            for row in range(rows.start, rows.stop)
        ]
        maps = self.renderer.draw_noise(seeds)
        frames = self.renderer.render(rollout.trajectory, noise=maps, labels=labels)
        return GeneratedClips(rollout, noise, frames)

    def generator_step(self, g_step: int) -> Metrics:
        """Update the motion generator once; return its losses.

        Source:
            Deviation: discriminators get no gradients here. The program leaves some at their
                weights, and clears them unused.
        """
        self._begin_move()
        path = ("g", self.step_idx, g_step)
        clips = self.generate(*path)
        terms: dict[str, Tensor | None] = {"video": None, "image": None, "feature": None}
        for game in self.games.values():
            terms |= game.generator_losses(clips.frames, *path)
        mutual_info = self._ask_for_noise(clips, *path) if self.config.has_mutual_info else None
        loss = total_generator_loss(
            video=terms["video"],
            image=terms["image"],
            feature=terms["feature"],
            mutual_info=mutual_info,
            weights=self.weights,
        )
        self.scaler.scale(loss).backward()
        networks = self._networks()
        norm = take_step(networks, self.optimizer, self.scaler, self.context.processes)
        terms["mutual_info"] = mutual_info
        values = {f"g_{name}": x.detach() for name, x in terms.items() if x is not None}
        values |= {"g_loss": loss.detach(), "g_grad": norm}
        return values | measure_motion(clips.frames.detach(), "generated")

    def _ask_for_noise(self, clips: GeneratedClips, *path: int | str) -> Tensor:
        """Return the mutual information term, of the decoder's states or of the steps."""
        if self.step_head is None:
            return mutual_information_loss(noise_pred=clips.rollout.noise_pred, noise=clips.noise)
        steps = measure_steps(self.motion, clips.rollout.trajectory)
        shape = (self.config.batch_size, *steps.shape[1:])
        drawn = torch.randn(shape, generator=self.context.rng("term", *path))[self.context.rows]
        return self.step_head.mutual_information_loss(
            steps,
            noise=clips.noise,
            blur=self.config.step_noise * to_device(drawn, self.device),
            processes=self.processes,
        )

    def _networks(self) -> nn.ModuleList:
        """Return what the motion generator's optimiser moves."""
        heads = [] if self.step_head is None else [self.step_head]
        return nn.ModuleList([self.motion, *heads])

    def discriminator_step(self) -> Metrics:
        """Let every game learn from fresh clips; return what they report.

        Source:
            Deviation: clips are rendered without a graph. The program builds one and keeps it,
                though its frames are detached.
        """
        self._begin_move()
        path = ("d", self.step_idx)
        with torch.no_grad():
            frames = self.generate(*path).frames
        values: Metrics = {}
        for game in self.games.values():
            values |= game.update(frames, *path)
        return values | measure_motion(frames, "generated")

    def _begin_move(self) -> None:
        if self.compilation is not None:
            self.compilation.begin_move()

    def _to_floats(self, values: Metrics) -> dict[str, float]:
        means = self.processes.average(torch.stack([x.to(torch.float32) for x in values.values()]))
        floats = dict(zip(values, means.tolist(), strict=True))
        wrong = [name for name, value in floats.items() if not math.isfinite(value)]
        if wrong:
            raise self._diverged(", ".join(wrong))
        return floats

    def check_weights(self) -> None:
        """Check that all weights are finite, before they are saved.

        Raises:
            DivergedError: One is NaN or infinite.
        """
        networks: dict[str, nn.Module] = {"motion": self._networks()}
        networks |= {name: game.network for name, game in self.games.items()}
        for name, network in networks.items():
            if not has_finite_weights(network):
                raise self._diverged(f"a weight of the {name} network")

    def _diverged(self, what: str) -> DivergedError:
        hint = "start another run with a lower --learning-rate"
        if self.step_idx > self.config.save_every:  # something was saved
            hint += (
                "; what was saved last is good, and --motion RUN/motion.safetensors begins with it"
            )
        return DivergedError(
            f"training diverged at step {self.step_idx}: {what} is not finite", hint=hint
        )

    @torch.no_grad()
    def measure_walks(self) -> dict[str, float]:
        """Measure the averaged motion model's walks, without rendering; see `measure_walks`."""
        rng = self.context.rng("walks")
        z = torch.randn(NUM_CONTENTS, self.generator.z_dim, generator=rng).to(self.device)
        labels = None
        if self.generator.c_dim:
            labels = torch.arange(len(z)) % self.generator.c_dim
        first = self.generator.mapping(z, self.generator.one_hot(labels, len(z)))
        return measure_walks(self.averaged, first, num_frames=self.config.num_frames, rng=rng)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Render fixed seeds with the averaged motion model.

        Returns:
            uint8 [n, t, frame_size, frame_size, 3]: each content with each motion, contents first.
        """
        config = self.config
        n = PREVIEW_CONTENTS * PREVIEW_MOTIONS
        rng = self.context.rng("preview")
        z = torch.randn(PREVIEW_CONTENTS, self.generator.z_dim, generator=rng)
        noise = torch.randn(
            PREVIEW_MOTIONS, config.num_frames - 1, config.noise_dim, generator=rng
        ).repeat(PREVIEW_CONTENTS, 1, 1)
        labels = None
        if self.generator.c_dim:
            labels = torch.arange(PREVIEW_CONTENTS) % self.generator.c_dim
        c = self.generator.one_hot(labels, len(z))
        latent = self.generator.mapping(z.to(self.device), c)
        latent = latent.repeat_interleave(PREVIEW_MOTIONS, dim=0)
        labels = None if labels is None else labels.repeat_interleave(PREVIEW_MOTIONS)
        trajectory = self.averaged(latent, noise.to(self.device))
        seeds = [derive_seed(config.seed, "preview", i // PREVIEW_MOTIONS) for i in range(n)]
        frames = self.renderer.render(
            trajectory, noise=self.renderer.draw_noise(seeds), labels=labels
        )
        return to_frames_u8(frames).cpu()

    def resume(self, run: RunFolder, clips: Clips, *, warn: Callable[[str], None]) -> None:
        """Resume from the newest state in a run's folder, or begin anew where none was saved.

        Args:
            run: The folder.
            clips: Put back to where it was.
            warn: Called with a damaged state that was skipped, or that the run begins anew.

        Raises:
            FileFormatError: There are states, but none can be read.
            MismatchError: The clips are not those the run began with.
        """

        def load(state: dict[str, Any]) -> None:
            clips.load_state_dict(state["clips"])
            self.load_state_dict(state["trainer"])

        run.restore(load, warn=warn)
        run.drop_log_after(self.step_idx)

    def save(self, run: RunFolder, clips: Clips, *, is_best: bool = False) -> None:
        """Write the state that `resume` reads."""
        state = {"trainer": self.state_dict(), "clips": clips.state_dict()}
        run.save_state(state, step=self.step_idx, is_best=is_best)

    def state_dict(self) -> dict[str, Any]:
        """Return everything an exact resume needs, beside the clips' own place."""
        state = {
            "step_idx": self.step_idx,
            "motion": self.motion.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "games": {name: game.state_dict() for name, game in self.games.items()},
        }
        if self.step_head is not None:
            state["step_head"] = self.step_head.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step_idx = state["step_idx"]
        self.motion.load_state_dict(state["motion"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_scaler(self.scaler, state.get("scaler"))
        if self.step_head is not None:
            self.step_head.load_state_dict(state["step_head"])
        for name, game in self.games.items():
            game.load_state_dict(state["games"][name])


@torch.no_grad()
def measure_motion(video: Tensor, name: str) -> Metrics:
    """Return how much a video [n, t, c, h, w] in [-1, 1] changes.

    Returns:
        Mean absolute difference of neighbouring frames, and of the first and the last one.
    """
    video = video.clamp(-1, 1)
    return {
        f"motion_{name}": video.diff(dim=1).abs().mean(),
        f"drift_{name}": (video[:, -1] - video[:, 0]).abs().mean(),
    }
