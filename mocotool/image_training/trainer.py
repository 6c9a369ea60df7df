"""Trainer of a StyleGAN2 on images, the part of the pipeline that the paper takes as given.

Follows Karras et al. 2020 ("Analyzing and improving the image quality of StyleGAN" and "Training
generative adversarial networks with limited data"): non-saturating loss, lazy R1, averaged weights.
Path-length regularisation is left out; docs/decisions.md says why.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.configs.train_image import TrainImageConfig
from mocotool.devices import measured_convolutions, to_device
from mocotool.errors import ConfigError, DivergedError
from mocotool.generators.stylegan2 import StyleGAN2, draw_noise_maps
from mocotool.image_training.augment import (
    MAX_PROBABILITY,
    AdaptiveProbability,
    augment_images,
    flip_half,
)
from mocotool.image_training.projected_discriminator import ProjectedDiscriminator
from mocotool.image_training.start import build_generator, check_start, freeze_below
from mocotool.image_training.stylegan2_discriminator import StyleGAN2Discriminator
from mocotool.layouts import to_frames_u8, to_unit_range
from mocotool.training.distributed import Processes
from mocotool.training.networks import has_finite_weights, input_gradients_only
from mocotool.training.optimizers import build_scaler, move_weights, restore_scaler
from mocotool.training.randomness import derive_rng
from mocotool.training.run_folder import RunFolder

W_AVG_BETA = 0.995  # running mean of w, Karras et al. 2019
ADAM_BETAS = (0.0, 0.99)
PREVIEW_IMAGES = 64
PREVIEW_COLUMNS = 8  # of a class's row
PREVIEW_CLASSES = 32
HEAD_START = 6_400  # images of the discriminator alone, where the generator has learnt already
GENERATOR_NAME = "generator.safetensors"
DIVERGED_HINT = (
    f"start another run with --generator RUN/{GENERATOR_NAME}, which is from before, and a lower "
    "--learning-rate or a larger --r1-gamma"
)


class ImageBatches(Protocol):
    """An endless iterator over this process's real images whose position can be restored."""

    def __next__(self) -> Tensor | tuple[Tensor, Tensor]:
        """Return the next batch, uint8 [n, 3, h, w] RGB; with classes, also those, int64 [n]."""

    def state_dict(self) -> dict[str, Any]:
        """Return the iterator's position."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved position."""


class ImageTrainer:
    """Generator, discriminator, their optimisers and the averaged generator.

    Args:
        config: Settings.
        precision: What convolutions compute in; weights, losses and R1 stay float32.
        processes: This process among those that train together, and its device.
        initial: A StyleGAN2 to start from, or `None` for random weights.
        class_counts: How many real images each class has, for `config.cond`; generated images are
            of classes drawn in these shares.

    Raises:
        MismatchError: `initial` is not the network that the settings describe.
        ConfigError: Classes are missing or too many.
    """

    def __init__(
        self,
        config: TrainImageConfig,
        *,
        precision: torch.dtype = torch.float32,
        processes: Processes | None = None,
        initial: StyleGAN2 | None = None,
        class_counts: Sequence[int] = (),
    ) -> None:
        c_dim = len(class_counts)
        if config.cond != (c_dim > 1):
            raise ConfigError(f"cond is {config.cond}, but there are {c_dim} classes")
        if initial is not None:
            check_start(config, initial, c_dim=c_dim)
        elif config.freeze_below is not None:
            raise ConfigError(
                f"freeze_below {config.freeze_below}: random weights would stay random",
                hint="name a StyleGAN2 to start from with --generator",
            )
        self.config = config
        self.class_counts = torch.tensor(class_counts, dtype=torch.float64)
        self.precision = precision
        self.processes = processes or Processes()
        self.device = device = self.processes.device
        self.rows = self.processes.rows(config.batch_size)
        self.step_idx = 0
        self.augment = AdaptiveProbability(target=config.augment_target)
        if config.effective_augment == "geometric":
            self.augment.p = MAX_PROBABILITY
        # A head on normalised features hardly minds a tint that half of the real images have.
        self._colour = config.effective_augment == "adaptive"
        head_start = HEAD_START if initial is not None else 0
        self.head_start = head_start if config.head_start is None else config.head_start
        self.best_kid = float("inf")

        # networks: the seed alone decides their weights, and the caller's random state stays
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            generator = (
                build_generator(config, c_dim=c_dim) if initial is None else copy.deepcopy(initial)
            )
            discriminator = _build_discriminator(config, generator, precision)
        self.generator = generator.to(device).train().requires_grad_(True)
        if config.freeze_below is not None:
            self._structure_size = freeze_below(self.generator, config.freeze_below)
        self.averaged = copy.deepcopy(self.generator).freeze()
        self._start: StyleGAN2 | None = None
        if config.freeze_below is not None and config.structure_weight:
            self._start = copy.deepcopy(self.averaged)
            self._start.set_precision(precision)
        self.discriminator = discriminator.to(device)
        self.generator.set_precision(precision)
        self.averaged.set_precision(precision)
        self.discriminator.compute_dtype = precision

        self._g_parameters = [p for p in self.generator.parameters() if p.requires_grad]
        self._d_parameters = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.g_optimizer = _adam(self._g_parameters, config.learning_rate)
        # Lazy regularisation: the penalty's steps stand for the others as well.
        interval = config.r1_interval
        ratio = interval / (interval + 1) if self.discriminator.has_penalty else 1.0
        self.d_optimizer = _adam(self._d_parameters, config.learning_rate * ratio, ratio)
        self._learning_rates = {
            self.g_optimizer: config.learning_rate,
            self.d_optimizer: config.learning_rate * ratio,
        }
        self.g_scaler = build_scaler(precision, device)
        self.d_scaler = build_scaler(precision, device)

    def step(self, real_u8: Tensor, labels: Tensor | None = None) -> dict[str, float]:
        """Train the discriminator and the generator once.

        Args:
            real_u8: This process's real images, uint8 [n, 3, h, w].
            labels: Their classes, int64 [n] on the CPU; `None` where there are none.

        Returns:
            Losses and scores of this step, as floats; those of the generator where it learnt.

        Raises:
            DivergedError: A loss is NaN or infinite.
            MismatchError: There are classes and the generator has none.
            ConfigError: There are none, and the generator has classes.
        """
        real = to_unit_range(to_device(real_u8, self.device))
        c = self.generator.one_hot(labels, len(real))
        if self.config.flip:
            real = flip_half(real, rng=self._rng("flip"), rows=self.rows)
        with measured_convolutions(self.device, self.precision):
            found = self._discriminator_step(real, c)
            has_penalty = self.discriminator.has_penalty and self.config.r1_gamma != 0
            if has_penalty and self.step_idx % self.config.r1_interval == 0:
                found["r1"] = self._penalty_step(real, c)
            if self.images_seen >= self.head_start:
                found |= self._generator_step()
                self._update_average()
        # The device is asked once a step, for everything.
        means = self.processes.average(torch.stack(list(found.values()))).tolist()
        values = dict(zip(found, means, strict=True))
        if self.config.effective_augment == "adaptive":
            self.augment.update(values["real_sign"], batch_size=self.config.batch_size)
        values["augment_p"] = self.augment.p
        self.step_idx += 1
        if not all(map(_is_finite, values.values())):
            shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            raise DivergedError(
                f"training diverged at step {self.step_idx}: {shown}", hint=DIVERGED_HINT
            )
        return values

    def check_weights(self) -> None:
        """Check that the weights are finite, before they are saved.

        Raises:
            DivergedError: One is NaN or infinite.
        """
        for network in (self.generator, self.averaged, self.discriminator):
            if not has_finite_weights(network):
                names = (
                    name for name, x in network.named_parameters() if not bool(x.isfinite().all())
                )
                raise DivergedError(
                    f"training diverged at step {self.step_idx}: {next(names)} is not finite",
                    hint=DIVERGED_HINT,
                )

    def _rng(self, *use: str) -> torch.Generator:
        return derive_rng(self.config.seed, *use, self.step_idx)

    def _draw_classes(self, use: str) -> Tensor | None:
        """Draw classes in the shares of the real images, one-hot [n, c_dim]; `None` of none."""
        if not self.generator.c_dim:
            return None
        size = self.config.batch_size
        rng = self._rng(use, "classes")
        labels = torch.multinomial(self.class_counts, size, replacement=True, generator=rng)
        labels = labels[self.rows]
        return self.generator.one_hot(labels, len(labels))

    def _draw_latents(self, use: str) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Draw latents, some mixed of two of one class, [n, num_ws, w_dim].

        Returns:
            The latents, noise maps for them, and their classes, one-hot [n, c_dim].
        """
        generator, config = self.generator, self.config
        rng = self._rng(use)
        z = torch.randn(2, config.batch_size, generator.z_dim, generator=rng)[:, self.rows]
        z = to_device(z.flatten(0, 1), self.device)
        c = self._draw_classes(use)
        w, other_w = generator.mapping(z, None if c is None else c.repeat(2, 1)).chunk(2)
        if use == "g":
            with torch.no_grad():
                mean = self.processes.average(w.detach().mean(dim=0))
                generator.mapping.w_avg.lerp_(mean, 1 - W_AVG_BETA)
        mixed = torch.rand(config.batch_size, generator=rng) < config.style_mixing
        cutoff = torch.randint(1, generator.num_ws, (config.batch_size,), generator=rng)
        cutoff = torch.where(mixed, cutoff, generator.num_ws)[self.rows]
        cutoff = to_device(cutoff, self.device)
        is_first = (
            torch.arange(generator.num_ws, device=self.device) < cutoff[:, None]
        )  # [n, num_ws]
        ws = torch.where(is_first[:, :, None], w[:, None], other_w[:, None])
        layers = generator.synthesis.layers()
        noise_rng = derive_rng(config.seed, use, "noise", self.step_idx, device=self.device)
        maps = draw_noise_maps(layers, config.batch_size, rng=noise_rng)
        return ws, [noise[self.rows] for noise in maps], c

    def _score(self, img: Tensor, c: Tensor | None, use: str) -> Tensor:
        rng = self._rng("augment", use)
        score: Tensor = self.discriminator(
            augment_images(img, self.augment.p, rng=rng, rows=self.rows, colour=self._colour), c
        )
        return score

    def _discriminator_step(self, real: Tensor, c: Tensor | None) -> dict[str, Tensor]:
        with torch.no_grad():
            ws, maps, fake_c = self._draw_latents("d")
            fake = self.generator.synthesis(ws, noise=maps)
        real_score = self._score(real, c, "real")
        fake_score = self._score(fake, fake_c, "fake")
        judge = self.discriminator
        loss = judge.fake_loss(fake_score) + judge.real_loss(real_score)
        self._update_discriminator(loss)
        return {
            "d_loss": loss.detach(),
            "real_score": real_score.detach().mean(),
            "fake_score": fake_score.detach().mean(),
            "real_sign": real_score.detach().sign().mean(),
        }

    def _penalty_step(self, real: Tensor, c: Tensor | None) -> Tensor:
        """Return the R1 gradient penalty at real images (Mescheder et al. 2018)."""
        self.discriminator.compute_dtype = torch.float32
        real = real.detach().requires_grad_(True)
        score = self._score(real, c, "real").sum()
        with input_gradients_only():
            (slope,) = torch.autograd.grad(score, real, create_graph=True)
        penalty = slope.square().sum(dim=(1, 2, 3)).mean()
        weight = self.config.effective_r1_gamma / 2 * self.config.r1_interval
        self._update_discriminator(penalty * weight)
        self.discriminator.compute_dtype = self.precision
        return penalty.detach()

    def _generator_step(self) -> dict[str, Tensor]:
        _require_gradients(self._d_parameters, False)
        ws, maps, c = self._draw_latents("g")
        img = self.generator.synthesis(ws, noise=maps)
        loss = g_loss = self.discriminator.generator_loss(self._score(img, c, "g"))
        values = {"g_loss": g_loss}
        if self._start is not None:
            with torch.no_grad():
                before = self._start.synthesis(ws, noise=maps)
            values["structure"] = structure_loss(img, before, size=self._structure_size)
            loss = loss + self.config.structure_weight * values["structure"]
        self.g_scaler.scale(loss).backward()
        move_weights(self._g_parameters, self.g_optimizer, self.g_scaler, self.processes)
        _require_gradients(self._d_parameters, True)
        return {name: value.detach() for name, value in values.items()}

    def _update_discriminator(self, loss: Tensor) -> None:
        self.d_scaler.scale(loss).backward()
        move_weights(self._d_parameters, self.d_optimizer, self.d_scaler, self.processes)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the averaged generator towards the trained one."""
        seen = (self.step_idx + 1) * self.config.batch_size
        half_life = min(self.config.effective_ema_images, seen * self.config.ema_rampup)
        beta = 0.5 ** (self.config.batch_size / max(half_life, 1e-8))
        averaged: list[Tensor] = list(self.averaged.parameters())
        trained: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(averaged, trained, 1 - beta)
        for target, source in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
            target.copy_(source)

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Render fixed latents with the averaged generator, uint8 [64, h, w, 3].

        With classes it is the same eight latents in each of the first `PREVIEW_CLASSES`, uint8
        [8 * classes, h, w, 3].
        """
        z = torch.randn(
            PREVIEW_IMAGES, self.averaged.z_dim, generator=derive_rng(self.config.seed, "preview")
        )
        c = None
        if self.averaged.c_dim:
            rows = min(self.averaged.c_dim, PREVIEW_CLASSES)
            z = z[:PREVIEW_COLUMNS].repeat(rows, 1)
            labels = torch.arange(rows).repeat_interleave(PREVIEW_COLUMNS)
            c = self.averaged.one_hot(labels, len(z))
        w = self.averaged.mapping(z.to(self.device), c)
        parts = [self.averaged.synthesis(part, noise_mode="const") for part in w.split(16)]
        return to_frames_u8(torch.cat(parts)).cpu()

    @property
    def images_seen(self) -> int:
        """Real images shown so far, over all processes."""
        return self.step_idx * self.config.batch_size

    def resume(self, run: RunFolder, images: ImageBatches, *, warn: Callable[[str], None]) -> None:
        """Resume from the newest state in a run's folder.

        Args:
            run: The folder.
            images: Put back to where it was.
            warn: Called with a damaged state that was skipped.

        Raises:
            FileFormatError: There are states, but none can be read.
            MismatchError: The images are not those the run began with.
        """

        def load(state: dict[str, Any]) -> None:
            images.load_state_dict(state["images"])
            self.load_state_dict(state)

        run.restore(load, warn=warn)
        run.drop_log_after(self.step_idx)

    def save(self, run: RunFolder, images: ImageBatches, *, is_best: bool = False) -> None:
        """Write the state that `resume` reads."""
        state = self.state_dict() | {"images": images.state_dict()}
        run.save_state(state, step=self.step_idx, is_best=is_best)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that an exact resume needs."""
        return {
            "step_idx": self.step_idx,
            "augment_p": self.augment.p,
            "best_kid": self.best_kid,
            "generator": self.generator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "g_optimizer": self.g_optimizer.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
            "g_scaler": self.g_scaler.state_dict(),
            "d_scaler": self.d_scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step_idx = state["step_idx"]
        self.augment.p = state["augment_p"]
        self.best_kid = state.get("best_kid", self.best_kid)  # older runs measured nothing
        for name in ("generator", "averaged", "discriminator", "g_optimizer", "d_optimizer"):
            getattr(self, name).load_state_dict(state[name])
        # An optimiser's state brings the rate of then along; a resumed run may have another.
        for optimizer, rate in self._learning_rates.items():
            optimizer.param_groups[0]["lr"] = rate
        for name in ("g_scaler", "d_scaler"):
            restore_scaler(getattr(self, name), state.get(name))


def _build_discriminator(
    config: TrainImageConfig, generator: StyleGAN2, precision: torch.dtype
) -> StyleGAN2Discriminator | ProjectedDiscriminator:
    height, width = generator.arch.get("first_size", (4, 4))
    first_size = (height, width)
    if config.discriminator == "projected":
        return ProjectedDiscriminator(
            img_resolution=config.resolution,
            precision=precision,
            c_dim=generator.c_dim,
            first_size=first_size,
        )
    return StyleGAN2Discriminator(
        img_resolution=config.resolution,
        channels=generator.arch["channels"],
        c_dim=generator.c_dim,
        first_size=first_size,
    )


def structure_loss(img: Tensor, before: Tensor, *, size: int) -> Tensor:
    """Mean square difference of pictures [n, c, h, w], averaged down to `size` pixels.

    Source:
        Follows: Back, "Fine-Tuning StyleGAN2 for Cartoon Face Generation", 2021 (structure loss),
            with the whole picture in place of the image layers of each resolution.
    """
    return F.adaptive_avg_pool2d(img - before, size).square().mean()


def _require_gradients(parameters: Iterable[nn.Parameter], wanted: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(wanted)


def _adam(
    parameters: Iterable[nn.Parameter], learning_rate: float, ratio: float = 1.0
) -> torch.optim.Adam:
    betas = (ADAM_BETAS[0] ** ratio, ADAM_BETAS[1] ** ratio)
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, eps=1e-8, fused=True)


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")
