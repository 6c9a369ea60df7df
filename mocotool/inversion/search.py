"""Search for the latents that render given pictures."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from mocotool.configs.invert import InvertConfig, SearchSpace
from mocotool.configs.shard import Shard
from mocotool.devices import describe_gpu, full_precision, to_device
from mocotool.errors import DivergedError, MismatchError
from mocotool.generators.base import Generator
from mocotool.inversion.descent import (
    SearchRows,
    latent_noise_levels,
    learning_rates,
    over_rows,
)
from mocotool.inversion.encoder import LatentEncoder
from mocotool.inversion.gauss_newton import GaussNewtonRows
from mocotool.inversion.objective import (
    ImageFeatures,
    PyramidFeatures,
    feature_distance,
    inversion_loss,
    inversion_residuals,
    pixel_distance,
)
from mocotool.inversion.quality import measure_quality
from mocotool.inversion.starts import (
    Starts,
    choose_space,
    choose_starts,
    map_latents,
    render_latents,
)
from mocotool.latents import LatentsMeta, LatentSpace, Trajectory
from mocotool.layouts import check_shape
from mocotool.training.distributed import Processes
from mocotool.training.randomness import derive_rng

# Rounding to 8 bits leaves 1/12 of a squared step, a step being 2/255. Below that nobody sees a
# difference, and no file holds it.
ROUNDING_MSE = (2.0 / 255.0) ** 2 / 12.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Inversion:
    """Result of an inversion, on the CPU; one row per image."""

    latents: Tensor
    """[n, latent_dim], or [n, num_ws, latent_dim] for w+."""
    space: LatentSpace
    """Space of `latents`. A search in z of a generator with a mapping gives latents in w."""
    img: Tensor
    """Their renderings, [n, c, h, w], not clamped."""
    pixel_mse: Tensor
    """Mean squared error of pixels [n], in units of [-1, 1]."""
    perceptual: Tensor
    """Feature distance [n]."""
    psnr: Tensor
    """PSNR of 8-bit RGB, in dB [n]."""
    ssim: Tensor
    """SSIM of 8-bit RGB [n]; see `measure_quality`."""
    perceptual_name: str
    """"squeezenet", "vgg16", or "none" for the multi-scale pixel and gradient distance."""
    num_steps: Tensor
    """Number of steps [n]."""
    label: int | None = None
    """Class label, for a class-conditional generator."""

    def to_trajectory(
        self,
        generator: Generator,
        *,
        as_video: bool = False,
        fps: float | None = None,
        shard: Shard | None = None,
        shard_of: str | None = None,
    ) -> Trajectory:
        """Return the latents as a trajectory.

        Args:
            generator: The generator of the latents.
            as_video: The images are the frames of one video; otherwise each is a video by itself.
            fps: Frames per second of the video.
            shard: Which part of all images these are; `None` for all.
            shard_of: Fingerprint of all images; see `fingerprint_whole`.
        """
        latents = self.latents.unsqueeze(0 if as_video else 1).numpy()
        record = generator.origin.file if generator.origin else None
        gpu = describe_gpu(generator.device) or None
        meta = LatentsMeta(
            space=self.space,
            fps=fps,
            shard=shard,
            shard_of=shard_of,
            generator=record,
            gpu=gpu,
        )
        labels = None if self.label is None else np.full(len(latents), self.label, np.int64)
        return Trajectory(latents=latents, labels=labels, meta=meta)


def invert(
    generator: Generator,
    images: Tensor,
    *,
    config: InvertConfig | None = None,
    features: ImageFeatures | None = None,
    encoder: LatentEncoder | None = None,
    processes: Processes | None = None,
    progress: Callable[[int], None] | None = None,
) -> Inversion:
    """Find the latent of each image.

    Each image starts at the prediction of an encoder, or at several candidates from sampled
    latents, and is optimised with Adam. After a tenth of the steps only the best candidate is kept;
    after Adam, Gauss-Newton steps in float32 follow. The objective is summed over a batch, and
    every image has its own schedule and stopping point, so the result of an image does not depend
    on the others.

    Args:
        generator: The frozen generator.
        images: [n, img_channels, h, w] of the size that it renders, in [-1, 1].
        config: Space, steps, weights; `None` for the defaults.
        features: Perceptual features: `SqueezeNetFeatures(load_lpips())`, the default of the
            command, or the result of `load_vgg16`; `None` for the fast `PyramidFeatures`, which
            need no network.
        encoder: Initialises the search: `find_encoder(generator)`, the default of the command, or
            the result of `train_encoder`; `None` samples and renders latents for that.
        processes: Processes that share the batches; each gets the whole.
        progress: Called with the number of steps done since the last call, polishing steps
            included: n * (`num_steps` + `num_polish_steps`) in total.

    Returns:
        Latents, renderings and distances, in the order of `images`.

    Raises:
        MismatchError: Images or encoder do not fit the generator, or it has no such space.
        ConfigError: The generator has classes and none was named; or the encoder predicts latents
            of another space.
        DivergedError: The generator renders NaN or infinity.

    Source:
        Paper: Sec. 4 (20,000 iterations; here fewer, from a nearer start).
    """
    config = InvertConfig() if config is None else config
    check_images(images, generator)
    space = choose_space(generator, config.space)
    starts = choose_starts(generator, space=space, config=config, encoder=encoder)

    search = _Search(generator, starts, space, config, features or PyramidFeatures())
    batches = images.split(config.choose_batch_size(generator.resolution))
    processes = processes or Processes()
    own = []
    for idx in processes.share(range(len(batches))):
        results = search.run(batches[idx].to(generator.device), progress or (lambda _: None))
        own.append([part.cpu() for part in results])

    # batches -> all images
    found = [results for share in processes.gather_objects(own) for results in share]
    latents, img, pixel_mse, perceptual, num_steps = map(torch.cat, zip(*found, strict=True))

    psnr, ssim = measure_quality(img, images.cpu())
    return Inversion(
        latents=latents,
        space="w+" if space == "w+" else generator.space,
        img=img,
        pixel_mse=pixel_mse,
        perceptual=perceptual,
        psnr=psnr,
        ssim=ssim,
        perceptual_name=search.features.name,
        num_steps=num_steps,
        label=config.label,
    )


def check_images(images: Tensor, generator: Generator) -> None:
    """Check that images have the shape and range of the generator's.

    Raises:
        MismatchError: They do not.
    """
    if images.ndim == 4 and images.shape[1] != generator.img_channels:
        raise MismatchError(
            f"the images have {images.shape[1]} channels, "
            f"the generator renders {generator.img_channels}"
        )
    height, width = generator.img_size
    check_shape("images", images, "n c h w", c=generator.img_channels, h=height, w=width)
    if not len(images):
        raise MismatchError("no images to invert")
    if not torch.isfinite(images).all() or images.abs().max() > MAX_VALUE:
        raise MismatchError(
            f"images have values from {images.min():.3g} to {images.max():.3g}, "
            "expected about -1 to 1"
        )


# Every image has several starts; after this share of the steps only the best one is kept.
TRIAL_SHARE = 0.1

# Relative gain of a polishing step below which a search has converged.
MIN_POLISH_GAIN = 0.01

# A generator's own pictures reach beyond [-1, 1]; bytes taken for model units reach 255.
MAX_VALUE = 32.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Search:
    generator: Generator
    starts: Starts
    space: SearchSpace
    config: InvertConfig
    features: ImageFeatures

    @property
    def perceptual_weight(self) -> float:
        chosen = self.config.perceptual_weight
        return self.features.weight if chosen is None else chosen

    def run(
        self, target: Tensor, progress: Callable[[int], None]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Search for a batch of images [n, c, h, w].

        Returns:
            Latents, renderings, pixel and feature distances, and steps taken.
        """
        with torch.no_grad():
            target_maps = self.features(target)
            coords = self.starts.units.to_units(self.starts.propose(target))  # [n, tries, d]

        # One row per try; all tries of all images are searched in parallel.
        n, num_tries, _ = coords.shape
        if self.space == "w+":
            coords = coords.unsqueeze(2).repeat(1, 1, self.generator.num_ws, 1)
        image_idx = torch.arange(n, device=target.device).repeat_interleave(num_tries)
        found = coords[:, 0].clone()  # [n, d] or [n, num_ws, d]
        num_steps = torch.zeros(n, dtype=torch.int64, device=target.device)
        rows = SearchRows.begin(
            coords.flatten(0, 1), num_steps=self.config.num_steps, image_idx=image_idx
        )

        rng = derive_rng(self.config.seed, "latent noise")
        num_trials = math.ceil(TRIAL_SHARE * self.config.num_steps)
        for step in range(self.config.num_steps):
            done, is_finite = self._step(rows, step, target, target_maps, rng)
            # One synchronisation with the device per step, for both.
            told_finite, any_done = torch.stack([is_finite, done.any()]).tolist()
            if not told_finite:
                raise DivergedError(f"step {step}: the generator renders NaN or infinity")
            if step + 1 < num_trials:
                progress(len(rows) // num_tries)
                continue
            # After the trial only the best try of each image is kept.
            if step + 1 == num_trials:
                is_lead = rows.leads()
                rows, done = rows.select(is_lead), done[is_lead]
                any_done = bool(done.any())
            progress(len(rows))
            if any_done:
                ended = rows.select(done)
                found[ended.image_idx] = ended.best_coords
                num_steps[ended.image_idx] = step + 1
                progress(len(ended) * (self.config.num_steps - step - 1))
                rows = rows.select(~done)
            if not len(rows):
                break
        if self.config.num_polish_steps:
            with full_precision():  # rounded products end these steps far too soon
                polished = self._polish(found, target, target_maps, progress)
            found = self._choose(found, polished, target, target_maps)
        return (*self._measure(found, target, target_maps), num_steps)

    def _polish(
        self,
        coords: Tensor,
        target: Tensor,
        target_maps: list[Tensor],
        progress: Callable[[int], None],
    ) -> Tensor:
        """Take the Gauss-Newton steps of all searches; return the new coordinates [n, ...]."""
        shape = coords.shape[1:]
        left = torch.arange(len(coords), device=coords.device)

        def residuals(flat: Tensor) -> Tensor:
            img = self._render(flat.unflatten(1, shape))
            maps = [maps[left] for maps in target_maps]
            return inversion_residuals(
                img=img,
                target=target[left],
                maps=self.features(img),
                target_maps=maps,
                perceptual_weight=self.perceptual_weight,
            )

        with in_float32(self.generator):
            rows = GaussNewtonRows.begin(coords.flatten(1), residuals)
            found = rows.coords.clone()
            # a search ends at the rounding of 8 bits, or where a step gains next to nothing
            ended = rows.loss < ROUNDING_MSE
            for step in range(self.config.num_polish_steps):
                progress(int(ended.sum()) * (self.config.num_polish_steps - step))
                left, rows = left[~ended], rows.select(~ended)
                if not len(left):
                    break
                loss = rows.loss
                rows.step(residuals)
                found[left] = rows.coords
                ended = (rows.loss < ROUNDING_MSE) | (rows.loss > (1.0 - MIN_POLISH_GAIN) * loss)
                progress(len(left))
        polished: Tensor = found.unflatten(1, shape)
        return polished

    @torch.no_grad()
    def _choose(self, a: Tensor, b: Tensor, target: Tensor, target_maps: list[Tensor]) -> Tensor:
        """Return the better of two coordinates per image, rendered in the search's precision."""
        losses = [self._judge(self._render(coords), target, target_maps) for coords in (a, b)]
        return torch.where(over_rows(losses[1] < losses[0], a), b, a)

    def _judge(self, img: Tensor, target: Tensor, target_maps: list[Tensor]) -> Tensor:
        return inversion_loss(
            img=img,
            target=target,
            maps=self.features(img),
            target_maps=target_maps,
            perceptual_weight=self.perceptual_weight,
        )

    def _render(self, coords: Tensor) -> Tensor:
        return render_latents(self.generator, self._to_latents(coords), self.config)

    def _step(
        self,
        rows: SearchRows,
        step: int,
        target: Tensor,
        target_maps: list[Tensor],
        rng: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Take a step for every row; return which rows are done [n], and whether all are finite."""
        rates = learning_rates(step, rows.lengths, peak=self.config.learning_rate)
        levels = latent_noise_levels(step, rows.lengths, peak=self.config.latent_noise)
        # One draw for all images, so that the noise of an image depends neither on the others nor
        # on its position.
        noise = torch.randn(rows.coords.shape[1:], generator=rng)
        noise = to_device(noise, rows.coords.device)
        coords = (rows.coords + over_rows(levels, rows.coords) * noise).requires_grad_()
        img = self._render(coords)
        wanted = target[rows.image_idx]
        loss = self._judge(img, wanted, [maps[rows.image_idx] for maps in target_maps])
        (grad,) = torch.autograd.grad(loss.sum(), coords)
        loss = loss.detach()
        is_finite = loss.isfinite().all() & grad.isfinite().all()
        rows.remember(loss, levels)
        rows.shorten_stalled(step, loss)
        rows.descend(step, grad, rates)
        is_exact = (pixel_distance(img.detach(), wanted) < ROUNDING_MSE) & (levels == 0)
        return (step + 1 >= rows.lengths) | is_exact, is_finite

    def _to_latents(self, coords: Tensor) -> Tensor:
        """Convert coordinates of the search to inputs of the synthesis network."""
        points = self.starts.units.from_units(coords)
        if self.space == "z" and self.generator.space != "z":
            return map_latents(self.generator, points, self.config)
        return points

    @torch.no_grad()
    def _measure(
        self, coords: Tensor, target: Tensor, target_maps: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        latents = self._to_latents(coords)
        img = render_latents(self.generator, latents, self.config)
        distance = feature_distance(self.features(img), target_maps)
        return latents, img, pixel_distance(img, target), distance


@contextlib.contextmanager
def in_float32(generator: Generator) -> Iterator[None]:
    """Render in float32 in the block: differences of bfloat16 pictures are mostly rounding."""
    precision = generator.synthesis.compute_dtype
    generator.set_precision(torch.float32)
    try:
        yield
    finally:
        generator.set_precision(precision)
