"""Both kinds of training runs, so that what holds for both is tested with both."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mocotool as moco

CLIPS = Path(moco.__file__).parent / "bundled" / "clips"
RHYTHM = {"save_every": 2, "log_every": 1, "preview_every": 4}
MOTION_SIZES = RHYTHM | {
    "num_steps": 4,
    "batch_size": 2,
    "num_frames": 4,
    "frame_size": 16,
    "hidden_dim": 10,
    "noise_dim": 6,
    "num_components": 8,
    "video_width": 2,
    "pair_width": 2,
    "num_g_steps": 1,
    "step_size": 0.2,
}
IMAGE_SIZES = RHYTHM | {
    "num_images": 16,
    "resolution": 8,
    "batch_size": 4,
    "channel_base": 64,
    "channel_max": 8,
    "z_dim": 6,
    "w_dim": 6,
    "num_mapping_layers": 2,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunKind:
    """A kind of training, small enough for a test: four steps."""

    command: str
    sizes: dict[str, Any]
    config: Any
    run: Callable[..., Any]
    plan: Callable[..., dict[str, Any]]
    unit: str
    """What its progress counts."""
    per_step: int
    """How many of them are a step."""
    inputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What else it reads, by the names of arguments."""

    def train(self, videos, out, **options):
        """Call it on the CPU."""
        options = {"config": self.config, "device": "cpu", "precision": "fp32"} | options
        return self.run(videos, out=out, **(self.inputs | options))

    def stop_after(self, num_steps):
        """Return listeners that stop a run."""
        done = []

        def listen(told):
            if told.stage == self.unit:
                done.append(told.done)

        return {"progress": listen, "stop": lambda: done[-1] == num_steps * self.per_step}


@pytest.fixture(scope="session")
def few_clips(tmp_path_factory):
    """Two of the bundled clips."""
    folder = tmp_path_factory.mktemp("clips")
    for path in sorted(CLIPS.glob("*.mp4"))[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="session")
def motion_kind(toy_generator_path, toy_pca_path):
    return RunKind(
        command="train-motion",
        sizes=MOTION_SIZES,
        config=moco.TrainMotionConfig(**MOTION_SIZES),
        run=moco.train_motion_run,
        plan=moco.plan_motion_run,
        unit="steps",
        per_step=1,
        inputs={"generator": toy_generator_path, "pca": toy_pca_path},
    )


@pytest.fixture(scope="session")
def image_kind():
    return RunKind(
        command="train-image",
        sizes=IMAGE_SIZES,
        config=moco.TrainImageConfig(**IMAGE_SIZES),
        run=moco.train_image_run,
        plan=moco.plan_image_run,
        unit="images",
        per_step=4,
    )
