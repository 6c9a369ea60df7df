"""Settings of `moco train-motion`."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from mocotool.configs.motion_presets import PRESETS, choose_preset
from mocotool.configs.motion_recipes import (
    ABLATIONS,
    RECIPES,
    Ablation,
    RecipeName,
    check_effects,
)
from mocotool.configs.option import Option, Seed, check_options, list_choices, parse_number_or
from mocotool.configs.running import Budget, HeldOut, Keep, Patience
from mocotool.errors import ConfigError

__all__ = ["ABLATIONS", "AUTO", "PRESETS", "RECIPES", "TrainMotionConfig", "merge_settings"]

AUTO: Literal["auto"] = "auto"

FRAME_SIZES = (16, 32, 64, 128, 256)

_Clips = functools.partial(Option, panel="Clips")
_Size = functools.partial(Option, min=1, panel="Sizes")
_ByRecipe = functools.partial(Option, panel="Method", shown="what the recipe says")
_Running = functools.partial(Option, panel="Running")
_Further = functools.partial(Option, typed=False)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainMotionConfig:
    """How `train_motion` learns motion. Make one with `from_recipe`."""

    cross_domain: Annotated[
        bool, Option("The videos show something other than the generator does.")
    ] = False
    recipe: Annotated[
        RecipeName, Option("What the authors' program does, or their paper as printed.")
    ] = "reference"
    num_steps: Annotated[int, Option("Iterations of the whole recipe.", min=1)] = 5000
    num_epochs: Annotated[
        int | None, Option("Passes over the videos, in place of --num-steps.", min=1)
    ] = None
    batch_size: Annotated[
        int,
        Option("Clips per step, over all processes.", min=1, shown="16, or the preset's"),
    ] = 16

    num_frames: Annotated[int, _Clips("Frames per clip.", min=2)] = 16
    frame_stride: Annotated[int, _Clips("Take every n-th frame of the video.", min=1)] = 2
    frame_size: Annotated[
        int,
        _Clips(
            "Pixels the discriminators see: 16, 32, 64, 128 or 256.",
            shown="128, or the generator's",
        ),
    ] = 128

    held_out: HeldOut = 0.1

    hidden_dim: Annotated[int, _Size("Size of the LSTM state.")] = 384
    noise_dim: Annotated[int, _Size("Size of the noise each frame brings.")] = 512
    num_components: Annotated[int, _Size("Most PCA directions that motion is made of.")] = 384
    video_width: Annotated[int, _Size("Channels of D_V's first layer.")] = 64
    image_width: Annotated[int, _Size("Channels of D_I's first layer.")] = 96
    pair_width: Annotated[
        int, _Size("The same for the D_I of frame pairs (reference, in-domain).")
    ] = 64
    embed_dim: Annotated[int, _Further("Size of D_I's embedding.", min=1)] = 256
    bank_size: Annotated[int, _Size("Embeddings in the memory bank.")] = 4096
    num_scales: Annotated[int, _Further("Sizes at which the patch discriminators look.", min=1)] = 2
    patch_norm: Annotated[
        Literal["instance", "batch"],
        _Further("What the patch discriminators normalise over: each clip, or the whole batch."),
    ] = "instance"

    form: Annotated[Literal["reference", "paper"], _Further("The motion generator's form.")] = (
        "reference"
    )
    basis_rows: Annotated[Literal["stdev", "unit"], _Further("How long the basis rows are.")] = (
        "stdev"
    )
    residual: Annotated[bool, _Further("Whether each latent is a step from the one before.")] = True
    step_size: Annotated[
        float | Literal["auto"],
        Option(
            "How far one frame may move, in units of the basis rows; auto makes untrained clips "
            "change as much as real ones do.",
            min=0,
            panel="Method",
            metavar="NUMBER|auto",
            words=(AUTO,),
            parse=functools.partial(parse_number_or, words=(AUTO,)),
            shown="auto, or what --recipe, --preset or --motion says",
        ),
    ] = 0.2
    num_g_steps: Annotated[
        int, _ByRecipe("Steps of the motion generator to one of the discriminators.", min=1)
    ] = 5
    head_start: Annotated[
        int, _Further("Steps in which the discriminators learn alone, before motion does.", min=0)
    ] = 0
    video_loss: Annotated[Literal["ralsgan", "log"], _Further("D_V's game.")] = "ralsgan"
    video_weight: Annotated[
        float, _Further("Weight of it for the motion generator; 0 leaves D_V out.", min=0)
    ] = 1.0
    penalty_weight: Annotated[
        float, _Further("Weight of the gradient penalty on D_V; 0 leaves it out.", min=0)
    ] = 10.0
    penalty_norm: Annotated[
        Literal["location", "clip"], _Further("Whose slope the penalty holds at one.")
    ] = "location"
    time_reversal: Annotated[
        bool, _Further("Whether D_V sees a batch backwards half of the time.")
    ] = True
    image_disc: Annotated[
        Literal["pair", "single"],
        _Further("D_I: patches of (first, later) pairs, or single frames with an embedding."),
    ] = "pair"
    image_loss: Annotated[Literal["ralsgan", "hinge", "log"], _Further("D_I's game.")] = "ralsgan"
    image_weight: Annotated[
        float,
        _Further(
            "Weight of it for the motion generator; 0 leaves D_I out, and all that rests on it.",
            min=0,
        ),
    ] = 1.0
    head: Annotated[Literal["shared", "separate"], _Further("Where D_I's score branches off.")] = (
        "shared"
    )
    augment: Annotated[
        Literal["reference", "paper"],
        _Further("How pictures are changed for the single-frame D_I."),
    ] = "reference"
    contrastive: Annotated[
        Literal["generated", "frames", "videos"],
        _Further(
            "Positive pairs: views of generated first and later frames, of one generated frame, "
            "or two frames of a real video."
        ),
    ] = "generated"
    contrastive_weight: Annotated[
        float, _Further("Weight of the contrastive loss in D_I's.", min=0)
    ] = 0.0
    denominator: Annotated[
        Literal["reference", "paper"], _Further("What a contrastive pair is compared with.")
    ] = "reference"
    temperature: Annotated[float, _Further("Of the contrastive loss.", above=0)] = 0.07
    bank_on_g_steps: Annotated[
        bool,
        _Further("Whether the bank takes in every generator step's frames, or only D_I's own."),
    ] = True
    momentum: Annotated[
        float, _Further("Of D_I's averaged copy, which fills the memory bank.", min=0, max=1)
    ] = 0.999
    feature_weight: Annotated[
        float, _ByRecipe("Weight of feature matching (cross-domain).", min=0)
    ] = 0.0
    feature_frames: Annotated[
        Literal["one", "all"],
        _Further("Feature matching of one augmented frame's embedding, or of all frames."),
    ] = "one"
    mutual_info_weight: Annotated[float, _Further("Weight of the recoverable noise.", min=0)] = 1.0
    mutual_info_loss: Annotated[
        Literal["state", "step", "infonce"],
        _Further(
            "Where the noise shall be recoverable: in the decoder's state, as in the paper, or in "
            "the steps, noise by noise or among those of the batch."
        ),
    ] = "state"
    step_noise: Annotated[
        float,
        _Further(
            "Noise on the steps that step and infonce read, of the longest step along a direction.",
            min=0,
        ),
    ] = 0.1
    noise_mode: Annotated[
        Literal["const", "random", "none"],
        _Further('The generator\'s pixel noise; "random" stays the same within a video.'),
    ] = "random"
    ablate: Annotated[Ablation, Option("Leave a part of the method out.", panel="Method")] = "none"

    learning_rate: Annotated[
        float, Option("Adam's learning rate, of all networks.", above=0, panel="Method")
    ] = 1e-4
    image_beta1: Annotated[
        float, _Further("Adam's first moment for D_I; the others use 0.5.", min=0, below=1)
    ] = 0.5
    image_eps: Annotated[float, _Further("Adam's epsilon for D_I.", above=0)] = 1e-8
    ema_decay: Annotated[
        float,
        _Further(
            "Of the averaged weights that are saved; warms up over the first steps.", min=0, max=1
        ),
    ] = 0.999

    budget: Budget = None
    patience: Patience = None
    keep: Keep = 2
    save_every: Annotated[int, _Running("Steps between saved states.", min=1)] = 250
    preview_every: Annotated[int, _Running("Steps between preview videos; 0 for none.", min=0)] = (
        250
    )
    log_every: Annotated[int, _Running("Steps between lines of metrics.", min=1)] = 5
    seed: Seed = 0
    chunk_size: Annotated[
        int | None,
        Option(
            "Frames rendered at once; if left out, 16 on a processor, by memory on a GPU.",
            min=1,
            panel="Computing",
        ),
    ] = None
    graph_mb: Annotated[
        int | None,
        Option(
            "Megabytes a batch's graph may take to be kept; what has no room is rendered again in "
            "chunks. If left out, by --memory-share.",
            min=0,
            panel="Computing",
        ),
    ] = None
    memory_share: Annotated[
        float,
        Option(
            "Share of free memory that a batch's graph may take.", above=0, max=1, panel="Computing"
        ),
    ] = 0.4

    def __post_init__(self) -> None:
        check_options(self)
        if self.frame_size not in FRAME_SIZES:
            raise ConfigError(
                f"frame_size {self.frame_size}: expected {list_choices(FRAME_SIZES)}",
                hint="--frame-size 64",
            )
        if not self.has_video_disc and not self.has_image_disc:
            raise ConfigError("both discriminators are left out, so there is nothing to learn from")

    @property
    def known_step_size(self) -> float:
        """The step size, where it is a number.

        Raises:
            ConfigError: It is still to be measured.
        """
        if isinstance(self.step_size, str):
            raise ConfigError(
                "step_size auto: is measured by `train_motion_run`, expected a number here",
                hint="match_step_size(...) in mocotool.motion.step_size finds one",
            )
        return self.step_size

    @property
    def has_video_disc(self) -> bool:
        """Whether D_V takes part."""
        return self.video_weight > 0

    @property
    def has_penalty(self) -> bool:
        """Whether D_V's slope is held."""
        return self.has_video_disc and self.penalty_weight > 0

    @property
    def has_image_disc(self) -> bool:
        """Whether D_I takes part."""
        return self.image_weight > 0

    @property
    def has_contrastive(self) -> bool:
        """Whether D_I learns an embedding."""
        return self.has_image_disc and self.image_disc == "single" and self.contrastive_weight > 0

    @property
    def has_feature_matching(self) -> bool:
        """Whether the motion generator is held to the first frame's features."""
        return self.has_image_disc and self.image_disc == "single" and self.feature_weight > 0

    @property
    def has_mutual_info(self) -> bool:
        """Whether the noise shall be recoverable."""
        return self.mutual_info_weight > 0

    @property
    def reads_steps(self) -> bool:
        """Whether it shall be so in the steps."""
        return self.has_mutual_info and self.mutual_info_loss != "state"

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
            raise ConfigError(f"recipe {recipe!r}: expected reference or paper")
        if ablate not in ABLATIONS:
            raise ConfigError(f"ablate {ablate!r}: expected {list_choices(tuple(ABLATIONS))}")
        values = RECIPES[recipe, cross_domain] | {
            name: value for name, value in settings.items() if value is not None
        }
        whole = cls(recipe=recipe, cross_domain=cross_domain, **values)
        check_effects(whole, settings, ablate=ablate)
        return dataclasses.replace(whole, ablate=ablate, **ABLATIONS[ablate])

    def count_steps(self, num_videos: int) -> "TrainMotionConfig":
        """Return these settings with the steps that `num_epochs` passes over the videos take.

        A pass takes whole batches only, as in the authors' program, and one at least.
        """
        if self.num_epochs is None:
            return self
        steps = self.num_epochs * max(1, num_videos // self.batch_size)
        return dataclasses.replace(self, num_steps=steps)


def merge_settings(
    typed: Mapping[str, Any],
    *,
    from_file: Mapping[str, Any] | None = None,
    preset: str | None = None,
) -> TrainMotionConfig:
    """Return the settings of a command: what is typed, over a preset, over a file, over a recipe.

    A file that names its recipe, as that of a run does, counts where it differs from the recipe, so
    that another recipe can be typed over it. Where nothing says how far a frame may move, neither a
    recipe nor anything else, that is measured ("auto").

    Raises:
        ConfigError: There is no such preset, or a value is out of range.
    """
    saved = dict(from_file or {})
    named = {name: saved.pop(name) for name in ("recipe", "cross_domain") if name in saved}
    if "recipe" in named and ("recipe" in typed or "cross_domain" in typed):
        own = TrainMotionConfig.from_recipe(**named)
        saved = {name: value for name, value in saved.items() if value != getattr(own, name)}
    given = named | saved | choose_preset(preset) | dict(typed)
    if preset is None and given.keys().isdisjoint(("step_size", "recipe")):
        given["step_size"] = AUTO
    return TrainMotionConfig.from_recipe(**given)
