"""The context that all players of a motion run share: device, precision and random draws.

Every draw follows from the seed and a path of names and numbers, is made for the whole batch and
cut to this process's rows.
"""

import torch
from torch import Tensor

from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.devices import to_device
from mocotool.motion.augment import Augmentation, draw_augmentation
from mocotool.training.distributed import Processes
from mocotool.training.randomness import derive_rng


class TrainingContext:
    """What the motion generator and its games share: where they compute, and what they draw.

    Args:
        config: Settings.
        device: Where to compute.
        precision: What discriminators compute in; weights, scores and losses stay float32.
        processes: This process among those that train together.
    """

    def __init__(
        self,
        config: TrainMotionConfig,
        *,
        device: torch.device,
        precision: torch.dtype,
        processes: Processes,
    ) -> None:
        self.config = config
        self.device = device
        self.precision = precision
        self.processes = processes
        self.rows = processes.rows(config.batch_size)

    def rng(self, *path: int | str) -> torch.Generator:
        """Return the random generator of one use; all processes get the same."""
        return derive_rng(self.config.seed, *path)

    def coin(self, *path: int | str) -> bool:
        """Toss a fair coin for the whole batch."""
        return bool(torch.rand((), generator=self.rng(*path)) < 0.5)

    def later_frame(self, *path: int | str) -> int:
        """Draw one frame after the first, for the whole batch."""
        return int(torch.randint(1, self.config.num_frames, (), generator=self.rng(*path)))

    def mixture(self, *path: int | str) -> Tensor:
        """Draw how much of each generated clip a mixture holds, [n] in [0, 1)."""
        drawn = torch.rand(self.config.batch_size, generator=self.rng("mix", *path))
        return to_device(drawn[self.rows], self.device)

    def augmentation(self, size: int, *path: int | str) -> Augmentation:
        """Draw an augmentation for each picture of `size` pixels."""
        drawn = draw_augmentation(
            self.config.batch_size,
            size=size,
            augment_set=self.config.augment,
            rng=self.rng("augment", *path),
        )
        return drawn.rows(self.rows)
