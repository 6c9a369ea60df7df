"""Construction of a motion trainer's parts: the motion generator and its games."""

import copy

import torch

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.generators.base import Generator
from mocotool.motion.context import TrainingContext
from mocotool.motion.frame_game import FrameGame
from mocotool.motion.games import Game, PairGame, VideoGame
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.guided import GuidedMotion


def build_motion(
    generator: Generator, basis: PCABasis, config: TrainMotionConfig
) -> MotionGenerator:
    """Return an untrained motion generator of the configured size.

    Raises:
        ConfigError: The basis has fewer components than asked for.
    """
    if basis.num_components < config.num_components:
        raise ConfigError(
            f"the PCA basis has {basis.num_components} components, "
            f"{config.num_components} were requested",
            hint=f"--num-components {basis.num_components}",
        )
    motion = MotionGenerator(
        latent_dim=generator.latent_dim,
        noise_dim=config.noise_dim,
        hidden_dim=config.hidden_dim,
        components=torch.from_numpy(basis.components[: config.num_components]),
        stdev=torch.from_numpy(basis.stdev[: config.num_components]),
        step_size=config.known_step_size,
        form=config.form,
        basis_rows=config.basis_rows,
        residual=config.residual,
    )
    motion.num_frames = config.num_frames
    motion.generator_record = generator.origin.file if generator.origin else None
    return motion


def adopt_initial(motion: MotionGenerator, initial: MotionGenerator) -> MotionGenerator:
    """Give `motion` the weights and the basis of `initial`.

    A guided model, learnt from latents, has a form of its own and is taken as it is.

    Raises:
        MismatchError: They are of different sizes.
    """
    if isinstance(initial, GuidedMotion):
        guided = copy.deepcopy(initial)
        guided.step_size, guided.num_frames = motion.step_size, motion.num_frames
        guided.generator_record = motion.generator_record
        return guided
    ours = {name: list(x.shape) for name, x in motion.state_dict().items()}
    theirs = {name: list(x.shape) for name, x in initial.state_dict().items()}
    differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    if differing:
        name = differing[0]
        raise MismatchError(
            f"the motion model to start from has {name} {theirs.get(name)}, "
            f"this run {ours.get(name)}",
            hint="set --hidden-dim, --noise-dim, --num-components and --recipe as it was trained",
        )
    motion.load_state_dict(initial.state_dict())
    return motion


def build_games(context: TrainingContext) -> dict[str, Game]:
    """Return the games that the configuration asks for, by name."""
    config = context.config
    games: dict[str, Game] = {}
    if config.has_video_disc:
        games["video"] = VideoGame(context)
    if config.has_image_disc:
        games["image"] = FrameGame(context) if config.image_disc == "single" else PairGame(context)
    return games
