"""A training run of the authors' program to continue: its three files of one epoch."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.files import check_input_file, check_input_folder
from mocotool.motion.checkpoint import load_motion
from mocotool.motion.frame_game import FrameGame
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.image_discriminator import BLOCK_FACTORS
from mocotool.motion.memory_bank import MemoryBank
from mocotool.motion.official import official_names
from mocotool.motion.trainer import MotionTrainer
from mocotool.weights.reading import read_state_dict

LATEST = "latest"
FIRST_LAYER = "netD.scale0_layer0.0.weight"
FIRST_BLOCK = "modelD.blocks.0.0.conv1.weight_orig"
QUEUES = {"first": "q_real", "later": "q_fake"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OfficialRun:
    """The files of one epoch of the authors' program."""

    motion: MotionGenerator
    """modelR, with the basis it was trained with."""
    video: dict[str, Tensor]
    """modelD_3d, by the authors' names without "module."."""
    image: dict[str, Tensor]
    """modelD_img, likewise: pairs in-domain; live and averaged copy and two queues across."""
    video_path: Path
    image_path: Path

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that the files hold, as fields of `TrainMotionConfig`."""
        found: dict[str, Any] = {
            "video_width": len(self.video[FIRST_LAYER]),
        }
        if not self.cross_domain:
            return found | {"pair_width": len(self.image[FIRST_LAYER])}
        num_blocks = len({name.split(".")[2] for name in self.image if "modelD.blocks." in name})
        sizes = {len(factors): size for size, factors in BLOCK_FACTORS.items()}
        if num_blocks not in sizes:
            raise FileFormatError(
                f"{self.image_path}: a D_I of {num_blocks} blocks, expected 4 to 7"
            )
        frame_size = sizes[num_blocks]
        bank_size, embed_dim = self.image["q_real"].shape
        return found | {
            "frame_size": frame_size,
            "image_width": len(self.image[FIRST_BLOCK]) // BLOCK_FACTORS[frame_size][0],
            "embed_dim": embed_dim,
            "bank_size": bank_size,
        }

    def check_recipe(self, config: TrainMotionConfig) -> None:
        """Check that a run can go on from this one.

        Raises:
            ConfigError: It is of the other domain, or the recipe is not theirs.
        """
        folder = self.video_path.parent
        if config.recipe != "reference":
            raise ConfigError(
                f"--recipe {config.recipe}: {folder} is a run of the authors' program",
                hint="leave --recipe out",
            )
        if config.cross_domain != self.cross_domain:
            is_what, hint = (
                ("a cross-domain", "add --cross-domain")
                if self.cross_domain
                else ("an in-domain", "leave out --cross-domain and cross-domain presets")
            )
            raise ConfigError(f"{folder}: is {is_what} run of the authors' program", hint=hint)

    @property
    def cross_domain(self) -> bool:
        """Whether the run was cross-domain: only then is there a memory bank."""
        return "q_ptr" in self.image

    def load_discriminators(self, trainer: MotionTrainer) -> None:
        """Give a trainer the weights, the averaged copy and the queues; its Adams stay new.

        Raises:
            FileFormatError: A tensor is missing.
            MismatchError: The trainer's networks are of another kind or size.
        """
        if "video" in trainer.games:
            load_official(trainer.games["video"].network, self.video, self.video_path)
        game = trainer.games.get("image")
        if game is None:
            return
        if not isinstance(game, FrameGame):
            load_official(game.network, self.image, self.image_path)
            return
        load_official(game.network, _strip(self.image, "modelD."), self.image_path)
        if game.average is not None:
            load_official(game.average, _strip(self.image, "modelD_ema."), self.image_path)
        for name, bank in game.banks.items():
            assert isinstance(bank, MemoryBank)
            bank.entries.copy_(nn.functional.normalize(self.image[QUEUES[name]], dim=1))
            bank.next_idx.fill_(int(self.image["q_ptr"]) % bank.num_negatives)


def read_official_run(folder: Path, *, epoch: str, pca: Path | str | None) -> OfficialRun:
    """Read the three files that the authors' program wrote after an epoch.

    Args:
        folder: Their checkpoint folder.
        epoch: Its number, or "latest".
        pca: The basis that the run was trained with; the files hold none.

    Raises:
        FileFormatError: A file is missing or is not what its name says.
        ConfigError: No basis was named, or `epoch` is no epoch.
    """
    if epoch != LATEST and not epoch.isdecimal():
        raise ConfigError(f"--epoch {epoch}: expected a number, or {LATEST}")
    check_input_folder(folder)
    end = LATEST if epoch == LATEST else f"epoch_{int(epoch)}"
    paths = [
        check_input_file(folder / f"{name}_{end}.pth")
        for name in ("modelR", "modelD_3d", "modelD_img")
    ]
    motion = load_motion(paths[0], pca=pca)
    video, image = (_strip(read_state_dict(path), "module.") for path in paths[1:])
    if FIRST_LAYER not in video:
        raise FileFormatError(f"{paths[1]}: is not a video discriminator of the authors' program")
    is_single = FIRST_BLOCK in image and set(QUEUES.values()) <= image.keys()
    if FIRST_LAYER not in image and not is_single:
        raise FileFormatError(f"{paths[2]}: is not an image discriminator of the authors' program")
    return OfficialRun(
        motion=motion, video=video, image=image, video_path=paths[1], image_path=paths[2]
    )


def _strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Drop a prefix; names that have another one go, unless nothing is called so."""
    found = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    return found or dict(tensors)


@torch.no_grad()
def load_official(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy the authors' tensors into one of our networks.

    Raises:
        FileFormatError: One is missing.
        MismatchError: One has another shape.
    """
    state = network.state_dict()  # shares memory with the network
    for ours, theirs in official_names(network).items():
        if theirs not in tensors:
            raise FileFormatError(f"{path}: has no {theirs}")
        if tensors[theirs].shape != state[ours].shape:
            raise MismatchError(
                f"{path}: {theirs} has shape {list(tensors[theirs].shape)}, this run needs "
                f"{list(state[ours].shape)}",
                hint="leave the sizes out: they are taken from the files",
            )
        state[ours].copy_(tensors[theirs])
