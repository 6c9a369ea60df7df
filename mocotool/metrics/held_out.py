"""The distance between a generator in training and held-out images."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.layouts import to_channels_last, to_frames_u8
from mocotool.metrics.frame_detectors import load_frame_detector
from mocotool.metrics.kernel_distance import kernel_distance
from mocotool.training.randomness import derive_rng
from mocotool.video.cutting import Size
from mocotool.video.listing import VideoListing
from mocotool.video.loading import load_images

NUM_IMAGES = 1000  # of either side: an error of a few parts in a hundred, in seconds
CHUNK_SIZE = 10


class HeldOutDistance:
    """The KID between a generator's images and held-out ones, as in `moco eval kid`.

    Args:
        listing: The held-out files.
        resolution: Side of the generator's images in pixels, or height and width.
        seed: Seed of frames and latents, which are the same at every call.
        device: Device of the detector.
        num_images: Number of images per side, at least 3; fewer real ones if there are no more.
        labels: Class of each frame of the listing, for a generator with classes, whose images are
            then sampled with the same class frequencies.
    """

    def __init__(
        self,
        listing: VideoListing,
        *,
        resolution: Size,
        seed: int,
        device: torch.device | None = None,
        num_images: int = NUM_IMAGES,
        labels: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self._device = device or torch.device("cpu")
        self._detector = load_frame_detector("squeezenet").to(self._device)
        self._seed = seed
        self._num_images = num_images
        self._labels = None if labels is None else torch.from_numpy(labels)
        num_real = min(num_images, listing.num_frames)
        images = load_images(listing, resolution=resolution, batch_size=1, seed=seed, num_workers=0)
        frames_u8 = torch.cat([next(images) for _ in range(num_real)])  # [n, 3, h, w]
        self._real = self._features(list(to_channels_last(frames_u8).split(CHUNK_SIZE)))

    @torch.inference_mode()
    def __call__(self, generator: StyleGAN2) -> float:
        """Return the unbiased kernel distance; about 0 for equal distributions."""
        z = torch.randn(
            self._num_images, generator.z_dim, generator=derive_rng(self._seed, "held-out")
        ).to(self._device)
        labels = None
        if self._labels is not None:
            rng = derive_rng(self._seed, "held-out", "classes")
            labels = self._labels[torch.randint(len(self._labels), (len(z),), generator=rng)]
        w = generator.mapping(z, generator.one_hot(labels, len(z)))  # [n, w_dim]
        chunks = [to_frames_u8(generator.synthesis(part)) for part in w.split(CHUNK_SIZE)]
        return kernel_distance(self._real, self._features(chunks)).value

    @torch.inference_mode()
    def _features(self, chunks: list[Tensor]) -> npt.NDArray[np.float32]:
        """Return pooled features [n, 512] of uint8 images, each chunk [n_i, h, w, 3]."""
        detector = self._detector
        parts = [detector.extract(detector.prepare(part.to(self._device))) for part in chunks]
        features: npt.NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return features
