"""The two recipes of training motion, and its ablations, as sets of settings."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from mocotool.errors import ConfigError

RecipeName = Literal["reference", "paper"]
Ablation = Literal["none", "residual", "image-disc", "video-disc", "contrastive", "mutual-info"]

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
    "mutual_info_loss": "has_mutual_info",
    "step_noise": "reads_steps",
}
"""Which part of the method a setting belongs to."""

OTHER_REASONS = {
    "has_penalty": "the penalty is left out",
    "has_mutual_info": "its weight is 0 here",
    "reads_steps": "only mutual_info_loss step and infonce read steps",
}
"""Why a part may be missing that has nothing to do with D_I."""


def check_effects(config: Any, settings: Mapping[str, Any], *, ablate: str) -> None:
    """Refuse settings that were asked for and have no effect.

    Args:
        config: The whole `TrainMotionConfig`.
        settings: The settings that were asked for, by name.
        ablate: The ablation.

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
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    # A run's own record has the weight at 0 already.
    weight = config.contrastive_weight or plain.get("contrastive_weight", 0.0)
    if ablate == "contrastive" and (config.image_disc == "pair" or weight == 0):
        raise ConfigError(
            f"--ablate contrastive: there is no contrastive loss to leave out, {reason}", hint=hint
        )
    if ablate == "mutual-info" and config.mutual_info_loss != "state":
        raise ConfigError(
            f"mutual info loss {config.mutual_info_loss}: without effect, --ablate mutual-info "
            "leaves that loss out",
            hint="leave one of them out",
        )
    for name, needed in NEEDS.items() if ablate != "image-disc" else ():
        default = plain.get(name, defaults[name])
        asked = settings.get(name) or default  # to turn off what is off needs no refusal
        if asked != default and not getattr(config, needed):
            raise ConfigError(
                f"{name.replace('_', ' ')} {asked}: without effect, "
                f"{OTHER_REASONS.get(needed, reason)}",
                hint="leave the option out" if needed in OTHER_REASONS else hint,
            )
