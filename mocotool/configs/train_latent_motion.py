"""Settings of `moco train-motion --latents`: the recipe that learns from trajectories."""

import dataclasses

from mocotool.configs.evaluate import check_positive
from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainLatentMotionConfig:
    """How `train_latent_motion` learns motion from latents of real clips."""

    num_steps: int = 3000
    """Steps of training."""
    batch_size: int = 64
    """Trajectories a step."""
    num_frames: int = 16
    """Frames of a window of real clips."""
    long_frames: int = 32
    """Frames of the walks that moments are taken of in every fourth step."""
    hidden_dim: int = 192
    """Size of the LSTM state."""
    noise_dim: int = 32
    """Size of the noise each frame brings, and of the code of a motion."""
    num_components: int = 96
    """PCA directions that motion is made of, at most."""
    step_reach: float = 4.0
    """Longest step along a direction, in root mean squares of the real clips' steps."""
    pull: float = 0.03
    """Which share of the way from the first latent each step goes back."""
    learning_rate: float = 1e-3
    """Adam's, for all networks; it falls to zero."""
    kl_weight: float = 0.02
    """Weight of what a code may tell."""
    moment_weight: float = 1.0
    """Weight of the moments of steps and of displacements."""
    critic_weight: float = 0.3
    """Weight of the critic's game."""
    penalty_weight: float = 1.0
    """Weight of the critic's gradient penalty on real steps."""
    mismatch_share: float = 0.5
    """Share of the critic's fakes that are real steps of somebody else."""
    start_noise: float = 0.5
    """How far real first latents are moved in training, in standard deviations."""
    start_dropout: float = 0.3
    """Share of directions of the first latent that are hidden in training."""
    held_out: float = 0.1
    """Share of the clips that training does not see."""
    ema_decay: float = 0.995
    """Of the averaged weights that are saved."""
    shuffle_contents: bool = False
    """Whether steps are learnt with other clips' first latents: a control, blind to content."""
    seed: int = 0
    """Seed of everything random."""
    patience: int | None = None
    """Saved steps without a lower error of held-out clips after which training ends; `None` goes on
    to the last step."""
    save_every: int = 500
    """Steps between two saved states."""
    log_every: int = 50
    """Steps between two lines of metrics."""

    def __post_init__(self) -> None:
        for name in (
            *("num_steps", "batch_size", "hidden_dim", "noise_dim", "num_components"),
            *("save_every", "log_every"),
        ):
            check_positive(name, getattr(self, name))
        if self.patience is not None:
            check_positive("patience", self.patience)
        if self.num_frames < 3:
            raise ConfigError(f"windows of {self.num_frames} frames, expected at least 3")
        if self.long_frames < self.num_frames:
            raise ConfigError(
                f"walks of {self.long_frames} frames, expected at least {self.num_frames}"
            )
        for name in ("step_reach", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("pull", "mismatch_share", "start_dropout", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected from 0 to below 1")
        for name in ("kl_weight", "moment_weight", "critic_weight", "penalty_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 0")
