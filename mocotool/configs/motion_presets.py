"""Presets: the settings of the authors' scripts for the paper's experiments, by name."""

import difflib
from typing import Any

from mocotool.errors import ConfigError


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
        "held_out": 0.0,  # the experiments learnt from all videos
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
"""Settings of the authors' scripts for the experiments of the paper.

There is no script for ucf101-128, biggan-vox (FFHQ at 128 pixels by BigGAN) and bair, whose batches
are the default.

Source:
    Paper: Sec. 4, Appendix E (ucf101-128, biggan-vox, bair).
    Official code: script/ (clips of 16 frames, every second one; batch sizes over all GPUs).
"""
