"""The page of `moco explore`: one template, filled with what there is to explore."""

import dataclasses
from pathlib import Path
from typing import Any

from mocotool.configs.explore import ExploreConfig, ExploreView
from mocotool.configs.sample import MAX_SEED
from mocotool.explore.session import Explorer
from mocotool.gallery import load_template
from mocotool.provenance import FileRecord

MAX_PSI = 1.5
REACH = 3.0  # standard deviations that a slider goes either way
FASTEST = 3.0  # times the motion model's own step size


def render_page(explorer: Explorer, config: ExploreConfig, *, nonce: str) -> str:
    """Return the page.

    Args:
        explorer: What is explored.
        config: Where the controls stand at first, and how many directions have one.
        nonce: Marks the page's own style and program, which the browser runs alone.
    """
    text: str = load_template("explore.html").render(
        nonce=nonce, facts=describe_explorer(explorer, config)
    )
    return text


def describe_explorer(explorer: Explorer, config: ExploreConfig) -> dict[str, Any]:
    """Return what the page's program reads: what there is, and where controls begin and end."""
    generator, motion = explorer.generator, explorer.motion
    shares = explorer.basis.explained_variance_ratio
    own_step = explorer.own_step_size
    height, width = generator.img_size
    start = ExploreView(
        seed=config.seed,
        # Where the second seed is where the way leads, it leads to somebody else.
        motion_seed=config.seed if motion else min(config.seed + 1, MAX_SEED),
        num_frames=min(config.num_frames, explorer.max_frames),
        label=0 if generator.c_dim > 1 else None,
    )
    return {
        "generator": _name(generator.origin.file if generator.origin else None),
        "motion": None if motion is None else _name(motion.origin),
        "width": width,
        "height": height,
        "num_classes": generator.c_dim,
        "max_seed": MAX_SEED,
        "max_frames": explorer.max_frames,
        "min_frames": 1 if motion else 2,
        "max_psi": MAX_PSI,
        "step_size": own_step,
        "max_step_size": None if own_step is None else round(max(FASTEST * own_step, 0.1), 2),
        "reach": REACH,
        "directions": [
            {"number": number, "share": None if shares is None else float(shares[number])}
            for number in range(min(config.num_directions, explorer.basis.num_components))
        ],
        "start": dataclasses.asdict(start),
    }


def _name(record: FileRecord | None) -> str:
    return "a generator without a file" if record is None else Path(record.path).name
