"""Settings of `moco train-motion --latents`: the recipe that learns from trajectories."""

import dataclasses
import functools
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options
from mocotool.configs.running import Budget, Keep, Patience
from mocotool.errors import ConfigError

LEAST_PICTURES = 64

_Setting = functools.partial(Option, typed=False)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainLatentMotionConfig:
    """Config of `train_latent_motion`."""

    num_steps: Annotated[int, _Setting("Steps of training.", min=1)] = 1200
    batch_size: Annotated[int, _Setting("Trajectories per step.", min=1)] = 40
    num_frames: Annotated[int, _Setting("Frames of a window of real clips.", min=3)] = 16
    long_frames: Annotated[
        int, _Setting("Frames of the walks of every fourth step; loops go round.")
    ] = 32
    hidden_dim: Annotated[int, _Setting("Size of the LSTM state.", min=1)] = 160
    noise_dim: Annotated[
        int, _Setting("Size of the noise each frame brings, and of the code of a motion.", min=1)
    ] = 32
    num_components: Annotated[
        int, _Setting("Most PCA directions that motion is made of.", min=1)
    ] = 64
    step_reach: Annotated[
        float,
        _Setting(
            "Maximum step along a direction, in units of the RMS of the real clips' steps.",
            above=0,
        ),
    ] = 4.0
    pull: Annotated[
        float,
        _Setting("Fraction of the way back to the first latent per step.", min=0, below=1),
    ] = 0.1
    learning_rate: Annotated[float, _Setting("Adam's; it falls to zero.", above=0)] = 2e-3
    crowd_weight: Annotated[
        float,
        _Setting("Weight of how walks from drawn first latents compare, as a crowd.", min=0),
    ] = 1.0
    num_pictures: Annotated[
        int,
        _Setting(
            "Pictures rendered before training, from which a small network learns to stand in for "
            f"the generator, at least {LEAST_PICTURES}; 0 to compare latents alone.",
            min=0,
        ),
    ] = 32_000
    latent_weight: Annotated[
        float,
        _Setting("Weight of how walks compare as latents, beside how they look.", min=0),
    ] = 0.3
    start_noise: Annotated[
        float, _Setting("How far real first latents are moved in training, in standard deviations.")
    ] = 0.8
    start_dropout: Annotated[
        float,
        _Setting("Dropout of the first latent's directions in training.", min=0, below=1),
    ] = 0.5
    liveliness: Annotated[
        float,
        _Setting(
            "Target change of pictures, relative to that of the real clips' latents.", above=0
        ),
    ] = 1.0
    held_out: Annotated[
        float, _Setting("Share of the clips that training does not see.", min=0, below=1)
    ] = 0.1
    ema_decay: Annotated[float, _Setting("Of the averaged weights that are saved.")] = 0.995
    shuffle_contents: Annotated[
        bool,
        _Setting("Train with shuffled first latents: a control experiment, blind to content."),
    ] = False
    seed: Seed = 0
    budget: Budget = None
    patience: Patience = None
    keep: Keep = 2
    save_every: Annotated[int, _Setting("Steps between two saved states.", min=1)] = 500
    log_every: Annotated[int, _Setting("Steps between two lines of metrics.", min=1)] = 50

    def __post_init__(self) -> None:
        check_options(self)
        if 0 < self.num_pictures < LEAST_PICTURES:
            raise ConfigError(
                f"num_pictures {self.num_pictures}, expected at least {LEAST_PICTURES}, or 0"
            )
        if self.long_frames < self.num_frames:
            raise ConfigError(
                f"walks of {self.long_frames} frames, expected at least {self.num_frames}"
            )
