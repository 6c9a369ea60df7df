"""Settings of `moco train-motion`, and the two recipes as sets of them."""

import dataclasses
import difflib
from typing import Any, Literal

from mocotool.errors import ConfigError

RecipeName = Literal["reference", "paper"]
Ablation = Literal["none", "residual", "image-disc", "video-disc", "contrastive", "mutual-info"]

FRAME_SIZES = (16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainMotionConfig:
    """How `train_motion` learns motion. Make one with `from_recipe`."""

    recipe: RecipeName = "reference"
    """Where the choices come from: the authors' program, or their paper as printed."""
    cross_domain: bool = False
    """Whether the videos show something else than the generator does."""
    ablate: Ablation = "none"
    """What is left out of the method, for comparison."""

    num_steps: int = 5000
    """Iterations of the whole recipe."""
    num_epochs: int | None = None
    """Passes over the videos, one clip of each, in place of `num_steps`."""
    batch_size: int = 16
    """Clips a step, over all processes."""
    num_frames: int = 16
    """Frames a clip."""
    frame_stride: int = 2
    """Every how many-th frame of the video."""
    frame_size: int = 128
    """Pixels the discriminators see; not more than the generator makes."""
    seed: int = 0
    """Seed of everything random."""

    hidden_dim: int = 384
    """Size of the LSTM state."""
    noise_dim: int = 512
    """Size of the noise each frame brings."""
    num_components: int = 384
    """PCA directions that motion is made of; not more than the basis has."""
    video_width: int = 64
    """Channels of D_V's first layer."""
    image_width: int = 96
    """Channels of D_I's first layer."""
    pair_width: int = 64
    """Channels of the first layer of the D_I that judges pairs of frames."""
    embed_dim: int = 256
    """Size of D_I's embedding."""
    bank_size: int = 4096
    """Embeddings in the memory bank."""
    num_scales: int = 2
    """Sizes at which the patch discriminators look."""

    form: Literal["reference", "paper"] = "reference"
    """The motion generator's form: see `MotionGenerator`."""
    basis_rows: Literal["stdev", "unit"] = "stdev"
    """How long the basis rows are."""
    residual: bool = True
    """Whether each latent is a step from the one before."""
    step_size: float = 0.2
    """How far one frame may move, in units of the basis rows."""
    num_g_steps: int = 5
    """Steps of the motion generator to one of the discriminators."""
    video_loss: Literal["ralsgan", "log"] = "ralsgan"
    """D_V's game."""
    video_weight: float = 1.0
    """Weight of it for the motion generator; 0 leaves D_V out."""
    penalty_weight: float = 10.0
    """Weight of the gradient penalty on D_V; 0 leaves it out."""
    penalty_norm: Literal["location", "clip"] = "location"
    """Whose slope the penalty holds at one."""
    time_reversal: bool = True
    """Whether D_V sees a batch backwards half of the time."""
    image_disc: Literal["pair", "single"] = "pair"
    """D_I: patches of (first, later) pairs against real pairs, or single frames with embedding."""
    image_loss: Literal["ralsgan", "hinge", "log"] = "ralsgan"
    """D_I's game."""
    image_weight: float = 1.0
    """Weight of it for the motion generator; 0 leaves D_I out, and all that rests on it."""
    head: Literal["shared", "separate"] = "shared"
    """Where D_I's score branches off."""
    augment: Literal["reference", "paper"] = "reference"
    """How pictures are changed for the single-frame D_I."""
    contrastive: Literal["generated", "frames", "videos"] = "generated"
    """Positive pairs: two views of generated first frames and of later ones ("generated"), of one
    generated frame ("frames"), or two frames of a real video ("videos")."""
    contrastive_weight: float = 0.0
    """Weight of the contrastive loss in D_I's."""
    denominator: Literal["reference", "paper"] = "reference"
    """What a pair is compared with: see `contrastive_loss`."""
    temperature: float = 0.07
    """Of the contrastive loss."""
    bank_on_g_steps: bool = True
    """Whether the memory bank takes in every generator step's frames, or only D_I's own."""
    momentum: float = 0.999
    """Of D_I's averaged copy, which fills the memory bank."""
    feature_weight: float = 0.0
    """Weight of feature matching."""
    feature_frames: Literal["one", "all"] = "one"
    """Feature matching of one augmented frame's embedding, or of all frames' features."""
    mutual_info_weight: float = 1.0
    """Weight of the recoverable noise."""
    noise_mode: Literal["const", "random", "none"] = "random"
    """The generator's pixel noise while training; "random" stays the same within a video."""

    learning_rate: float = 1e-4
    """Adam's, for all three networks."""
    image_beta1: float = 0.5
    """Adam's first moment for D_I; the others use 0.5."""
    image_eps: float = 1e-8
    """Adam's epsilon for D_I."""
    ema_decay: float = 0.999
    """Of the averaged motion weights that are saved; warms up over the first steps."""
    chunk_size: int = 16
    """Frames rendered at once."""
    graph_mb: int = 768
    """Megabytes a batch's graph may take to be kept; else frames are rendered again in chunks."""

    save_every: int = 250
    """Steps between two saved states."""
    preview_every: int = 250
    """Steps between two preview videos; 0 for none."""
    log_every: int = 5
    """Steps between two lines of metrics."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "frame_stride", "num_g_steps", "chunk_size"):
            _check_at_least(name, getattr(self, name), 1)
        for name in ("hidden_dim", "noise_dim", "num_components", "bank_size", "embed_dim"):
            _check_at_least(name, getattr(self, name), 1)
        for name in ("video_width", "image_width", "pair_width", "num_scales"):
            _check_at_least(name, getattr(self, name), 1)
        for name in ("save_every", "log_every"):
            _check_at_least(name, getattr(self, name), 1)
        _check_at_least("num_frames", self.num_frames, 2)
        _check_at_least("preview_every", self.preview_every, 0)
        if self.num_epochs is not None:
            _check_at_least("num_epochs", self.num_epochs, 1)
        if self.frame_size not in FRAME_SIZES:
            raise ConfigError(
                f"frames of {self.frame_size} pixels, expected one of "
                f"{', '.join(map(str, FRAME_SIZES))}",
                hint="--frame-size 64",
            )
        if self.learning_rate <= 0:
            raise ConfigError(f"learning rate {self.learning_rate}, expected more than 0")
        if self.step_size < 0:
            raise ConfigError(f"step size {self.step_size}, expected 0 at least")
        if not self.has_video_disc and not self.has_image_disc:
            raise ConfigError("both discriminators are left out, so there is nothing to learn from")

    @property
    def has_video_disc(self) -> bool:
        """Whether D_V takes part."""
        return self.video_weight > 0

    @property
    def has_image_disc(self) -> bool:
        """Whether D_I takes part."""
        return self.image_weight > 0

    @property
    def has_penalty(self) -> bool:
        """Whether D_V's slope is held."""
        return self.has_video_disc and self.penalty_weight > 0

    @property
    def has_contrastive(self) -> bool:
        """Whether D_I learns an embedding."""
        return self.has_image_disc and self.image_disc == "single" and self.contrastive_weight > 0

    @property
    def has_feature_matching(self) -> bool:
        """Whether the motion generator is held to the first frame's features."""
        return self.has_image_disc and self.image_disc == "single" and self.feature_weight > 0

    @classmethod
    def from_recipe(
        cls,
        recipe: RecipeName = "reference",
        *,
        cross_domain: bool = False,
        ablate: Ablation = "none",
        **settings: Any,
    ) -> "TrainMotionConfig":
        """Return a recipe's settings, with some of them changed.

        Args:
            recipe: "reference" or "paper".
            cross_domain: Which of its two variants.
            ablate: What to leave out; wins over everything else.
            **settings: Any field; `None` means what the recipe says.

        Raises:
            ConfigError: A value is out of range.
        """
        if (recipe, cross_domain) not in RECIPES:
            raise ConfigError(f"--recipe {recipe}: expected reference or paper")
        if ablate not in ABLATIONS:
            raise ConfigError(f"--ablate {ablate}: expected one of {', '.join(ABLATIONS)}")
        values = RECIPES[recipe, cross_domain] | {
            name: value for name, value in settings.items() if value is not None
        }
        whole = cls(recipe=recipe, cross_domain=cross_domain, **values)
        _check_effects(whole, settings, ablate=ablate)
        return dataclasses.replace(whole, ablate=ablate, **ABLATIONS[ablate])

    def count_steps(self, num_videos: int) -> "TrainMotionConfig":
        """Return these settings with the steps that `num_epochs` passes over the videos take.

        A pass takes whole batches only, as in the authors' program, and one at least.
        """
        if self.num_epochs is None:
            return self
        steps = self.num_epochs * max(1, num_videos // self.batch_size)
        return dataclasses.replace(self, num_steps=steps)


def _check_effects(config: TrainMotionConfig, settings: dict[str, Any], *, ablate: str) -> None:
    """Refuse what was asked for and would change nothing.

    Raises:
        ConfigError: It names the option and the reason.
    """
    hint = "--cross-domain or --recipe paper has it, or leave the option out"
    reason = (
        "D_I judges pairs of frames here, by patches, without an embedding"
        if config.image_disc == "pair"
        else "its weight is 0 here"
    )
    plain = RECIPES[config.recipe, config.cross_domain]
    # A run's own record has the weight at 0 already.
    weight = config.contrastive_weight or plain.get("contrastive_weight", 0.0)
    if ablate == "contrastive" and (config.image_disc == "pair" or weight == 0):
        raise ConfigError(
            f"--ablate contrastive: there is no contrastive loss to leave out, {reason}", hint=hint
        )
    for name, needed in NEEDS.items() if ablate != "image-disc" else ():
        default = plain.get(name, TrainMotionConfig.__dataclass_fields__[name].default)
        asked = settings.get(name) or default  # to turn off what is off needs no refusal
        if asked != default and not getattr(config, needed):
            raise ConfigError(
                f"{name.replace('_', ' ')} {asked}: without effect, "
                f"{reason if needed != 'has_penalty' else 'the penalty is left out'}",
                hint=hint if needed != "has_penalty" else "leave the option out",
            )


NEEDS = {
    "feature_weight": "has_feature_matching",
    "feature_frames": "has_feature_matching",
    "contrastive_weight": "has_contrastive",
    "contrastive": "has_contrastive",
    "denominator": "has_contrastive",
    "temperature": "has_contrastive",
    "momentum": "has_contrastive",
    "bank_on_g_steps": "has_contrastive",
    "penalty_norm": "has_penalty",
}
"""Which part of the method a setting belongs to."""


def _check_at_least(name: str, value: float, least: float) -> None:
    if value < least:
        flag = "--" + name.replace("_", "-")
        raise ConfigError(f"{flag} {value}: expected {least} at least")


_SINGLE_FRAME_DISC: dict[str, Any] = {
    "image_disc": "single",
    "image_beta1": 0.0,
    "image_eps": 1e-6,
    "feature_weight": 1.0,
}
_PAPER: dict[str, Any] = _SINGLE_FRAME_DISC | {
    "form": "paper",
    "num_g_steps": 1,
    "video_loss": "log",
    "penalty_weight": 0.0,
    "time_reversal": False,
    "image_loss": "log",
    "head": "separate",
    "augment": "paper",
    "contrastive_weight": 1.0,
    "denominator": "paper",
    "bank_on_g_steps": False,
    "feature_frames": "all",
}

RECIPES: dict[tuple[str, bool], dict[str, Any]] = {
    ("reference", False): {},
    ("reference", True): _SINGLE_FRAME_DISC | {"image_loss": "hinge", "contrastive_weight": 2.0},
    ("paper", False): _PAPER | {"step_size": 0.5, "contrastive": "videos"},
    ("paper", True): _PAPER | {"step_size": 0.2, "contrastive": "frames"},
}
"""What each recipe says where it differs from the defaults, by name and `cross_domain`.

Source:
    Paper: Sec. 3, Sec. 4, Appendix A.
    Official code: options/train_options.py, train_func_in_domain.py, train_func_cross_domain.py.
"""

ABLATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "residual": {"residual": False},
    "image-disc": {"image_weight": 0.0},
    "video-disc": {"video_weight": 0.0},
    "contrastive": {"contrastive_weight": 0.0},
    "mutual-info": {"mutual_info_weight": 0.0},
}
"""What each ablation of the paper's Tables 4 and 5 and Appendix D changes."""


def choose_preset(name: str | None) -> dict[str, Any]:
    """Return a preset's settings; none for `None`.

    Raises:
        ConfigError: There is no such preset.
    """
    if name is None:
        return {}
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        raise ConfigError(
            f"--preset {name}: expected one of {', '.join(PRESETS)}",
            hint=f"did you mean {near[0]}?" if near else None,
        )
    return dict(PRESETS[name])


def _preset(
    *, cross_domain: bool, batch_size: int, frame_size: int = 128, **settings: Any
) -> dict[str, Any]:
    return {
        "cross_domain": cross_domain,
        "batch_size": batch_size,
        "frame_size": frame_size,
        **settings,
    }


PRESETS: dict[str, dict[str, Any]] = {
    "ucf101": _preset(cross_domain=False, batch_size=16),
    "ucf101-128": _preset(cross_domain=False, batch_size=16),
    "faceforensics": _preset(cross_domain=False, batch_size=16),
    "sky": _preset(cross_domain=False, batch_size=32),
    "ffhq-vox": _preset(cross_domain=True, batch_size=16, feature_weight=5.0),
    "ffhq1024-vox": _preset(cross_domain=True, batch_size=16, feature_weight=5.0),
    "afhq-vox": _preset(cross_domain=True, batch_size=8),
    "anime-vox": _preset(cross_domain=True, batch_size=8),
    "church-tlvdb": _preset(cross_domain=True, batch_size=16),
    "biggan-vox": _preset(cross_domain=True, batch_size=16),
    "bair": _preset(cross_domain=False, batch_size=16, frame_size=64),
}
"""What the authors' scripts set for the experiments of the paper.

There is no script for ucf101-128, biggan-vox (FFHQ at 128 pixels by BigGAN) and bair, whose batches
are the default.

Source:
    Paper: Sec. 4, Appendix E (ucf101-128, biggan-vox, bair).
    Official code: script/ (clips of 16 frames, every second one; batch sizes over all GPUs).
"""
