"""The loop around the trainer: saving, previews, warnings, stopping."""

import json
import signal

import pytest
import torch
from reference.toy_clips import ToyClips
from same_runs import assert_same_state
from test_motion_trainer import make_config

from mocotool.basis import read_basis
from mocotool.errors import DivergedError, StoppedError
from mocotool.motion.plan import plan_training
from mocotool.motion.trainer import MotionTrainer
from mocotool.motion.training import MotionWatch, train_motion
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest


class Session:
    """A run and everything it told."""

    def __init__(self, generator, basis, folder, *, resume=False, **settings):
        self.config = make_config(**({"num_steps": 4, "save_every": 2, "log_every": 1} | settings))
        self.trainer = MotionTrainer(generator, basis, self.config)
        self.clips = ToyClips(batch_size=2)
        self.run = RunFolder(folder)
        self.run.open(self.config, resume=resume)
        if resume:
            self.trainer.resume(self.run, self.clips, warn=self.note("warned"))
        self.stop = StopRequest()
        self.told = []

    def note(self, kind):
        return lambda *parts: self.told.append((kind, *parts))

    def go(self, on_step=None, **judged):
        train_motion(
            self.trainer,
            self.clips,
            self.run,
            save_motion=lambda motion, step: self.told.append(("saved", step)),
            save_preview=lambda frames, step: self.told.append(("preview", step, frames.shape)),
            on_step=on_step or (lambda step, values: None),
            warn=self.note("warned"),
            stop=self.stop,
            **judged,
        )

    def log(self):
        lines = (self.run.path / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def start(toy_generator, toy_pca_path, tmp_path):
    def make(folder="run", **settings):
        return Session(toy_generator, read_basis(toy_pca_path), tmp_path / folder, **settings)

    return make


def test_a_run_saves_logs_and_previews(start):
    session = start(preview_every=3)

    session.go()

    assert [note[:2] for note in session.told] == [
        ("saved", 2),
        ("preview", 3),
        ("preview", 4),
        ("saved", 4),
    ]
    assert [row["step"] for row in session.log()] == [1, 2, 3, 4]
    assert {"g_loss", "d_video", "motion_generated", "seconds", "memory_mb", "g_grad"} <= set(
        session.log()[0]
    )
    assert (session.run.path / "state.pt").exists()


def test_a_killed_run_goes_on_exactly_where_it_saved(start):
    whole = start("whole", num_steps=5)
    whole.go()
    killed = start("killed", num_steps=5)

    def die(step, values):
        if step == 3:
            raise KeyboardInterrupt  # as good as SIGKILL: nothing is saved on the way

    with pytest.raises(KeyboardInterrupt):
        killed.go(on_step=die)
    resumed = start("killed", num_steps=5, resume=True)
    at_resume = resumed.trainer.step_idx
    resumed.go()

    assert at_resume == 2
    assert_same_state(resumed.trainer.state_dict(), whole.trainer.state_dict())
    timeless = [
        [{k: v for k, v in row.items() if k not in ("seconds", "memory_mb")} for row in s.log()]
        for s in (resumed, whole)
    ]
    assert timeless[0] == timeless[1]


def test_a_stopped_run_saves_and_says_how_to_go_on(start):
    session = start()

    def ask(step, values):
        session.stop.signal = signal.SIGTERM

    with pytest.raises(StoppedError, match="saved after 1 steps") as error:
        session.go(on_step=ask)

    assert "--resume" in error.value.hint
    assert ("saved", 1) in session.told


def test_a_diverged_run_keeps_its_last_good_state(start):
    session = start()
    good = next(ToyClips(batch_size=2))
    session.clips = _Listed([good, good, good.float() * torch.nan])

    with pytest.raises(DivergedError, match="step 3") as error:
        session.go()

    assert "motion.safetensors" in error.value.hint
    state = session.run.load_state(warn=session.note("warned"))
    assert state["trainer"]["step_idx"] == 2


def test_broken_weights_are_not_saved(start):
    session = start(save_every=1)

    def break_one(step, values):
        if step == 3:
            session.trainer.motion.coefficient_bias.data[0] = torch.inf

    with pytest.raises(DivergedError, match="a weight of the motion network"):
        session.go(on_step=break_one)

    assert session.run.load_state(warn=session.note("warned"))["trainer"]["step_idx"] == 2
    assert session.told[-1] == ("saved", 2)


def test_the_best_step_is_written_beside_the_newest_and_patience_ends_the_run(start):
    session = start(num_steps=9, save_every=1, patience=2)
    found, best = iter([5.0, 3.0, 4.0, 3.5, 1.0]), []

    session.go(
        judge=lambda motion: {"held_out": next(found), "own": 0.3},
        save_best=lambda motion, step: best.append(step),
    )

    assert best == [1, 2]
    assert [row["held_out"] for row in session.log()] == [5.0, 3.0, 4.0, 3.5]
    assert torch.load(session.run.path / "state-best.pt")["trainer"]["step_idx"] == 2
    warned = [note[1] for note in session.told if note[0] == "warned"]
    assert sum("turned into somebody else" in text for text in warned) == 1


def test_a_resumed_run_knows_how_long_ago_the_best_step_was(start):
    first = start("run", num_steps=3, save_every=1, patience=2)
    figures = iter([5.0, 6.0, 4.5])
    first.go(judge=lambda motion: {"held_out": next(figures)})

    resumed = start("run", num_steps=9, save_every=1, patience=2, resume=True)
    later, best = iter([4.6, 4.7, 1.0]), []
    resumed.go(
        judge=lambda motion: {"held_out": next(later)},
        save_best=lambda motion, step: best.append(step),
    )

    assert (resumed.trainer.step_idx, best) == (5, [])


class _Listed(ToyClips):
    def __init__(self, clips):
        super().__init__(batch_size=2)
        self.clips = clips

    def __next__(self):
        return self.clips.pop(0)


@pytest.mark.parametrize(("motion", "what"), [(1e-5, "almost stopped"), (5.0, "too strong")])
def test_collapse_is_said_once(motion, what):
    watch = MotionWatch()
    values = {"motion_generated": motion, "motion_real": 0.05}

    warnings = [watch.update(step, values) for step in range(1, 100)]

    (told,) = [warning for warning in warnings if warning]
    assert what in told
    assert "step 50" in told


@pytest.mark.parametrize(
    ("ratio", "is_told"), [(0.0199, True), (0.0201, False), (9.99, False), (10.01, True)]
)
def test_the_watch_speaks_below_two_hundredths_and_above_ten_times(ratio, is_told):
    watch = MotionWatch()
    values = {"motion_generated": ratio * 0.05, "motion_real": 0.05}

    assert any(watch.update(step, values) for step in range(1, 100)) == is_told


def test_motion_like_the_real_clips_is_no_news():
    watch = MotionWatch()
    values = {"motion_generated": 0.03, "motion_real": 0.05}

    assert not any(watch.update(step, values) for step in range(1, 100))


def test_the_plan_tells_sizes_time_and_memory(start):
    plan = plan_training(start().trainer)

    assert plan["parameters"].keys() == {"motion", "video", "image"}
    assert plan["rendered_frames_per_step"] == 2 * 4 * 3
    assert plan["estimated_seconds_per_step"] > 0
    assert plan["estimated_memory_mb"] > 0
