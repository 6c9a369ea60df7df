"""A run's folder: what may go on in it, and what a kill leaves behind."""

import dataclasses
import json
import os
import sys
import types

import pytest
import torch

from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.training import run_folder
from mocotool.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyModelConfig:
    num_images: int = 10
    learning_rate: float = 0.1
    save_every: int = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherConfig:
    num_images: int = 10


def nothing_to_say(text):
    pytest.fail(f"unexpected warning: {text}")


def read_config(path):
    return json.loads((path / "config.json").read_text())


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open(ToyModelConfig(), resume=False)
    return folder


# Opening


def test_a_new_run_records_settings_command_inputs_and_machine(tmp_path):
    run = RunFolder(tmp_path / "deep" / "run")

    run.open(
        ToyModelConfig(),
        resume=False,
        inputs={"generator": {"path": "/g.pkl", "sha256": "ab"}},
        machine={"device": "cpu"},
    )

    record = read_config(run.path)
    assert record["run"] == "toy-model"
    assert record["config"] == {"num_images": 10, "learning_rate": 0.1, "save_every": 5}
    assert record["inputs"]["generator"]["sha256"] == "ab"
    assert record["machine"] == {"device": "cpu"}
    assert record["command"] == run.command
    assert (run.path / "samples").is_dir()


def test_a_second_run_in_the_same_folder_is_refused(run):
    with pytest.raises(ConfigError, match="already holds a run") as error:
        RunFolder(run.path).open(ToyModelConfig(), resume=False)

    assert "--resume" in error.value.hint


def test_a_state_without_its_configuration_is_not_overwritten(run):
    run.save_state({})
    (run.path / "config.json").unlink()

    with pytest.raises(ConfigError, match=r"whose config\.json is missing"):
        RunFolder(run.path).open(ToyModelConfig(), resume=False)


def test_resuming_nothing_says_so(tmp_path):
    with pytest.raises(ConfigError, match="no run to resume"):
        RunFolder(tmp_path).open(ToyModelConfig(), resume=True)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")

    with pytest.raises(ConfigError, match="is a file"):
        RunFolder(tmp_path / "run").open(ToyModelConfig(), resume=False)


def test_a_place_without_permission_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path)  # root may do all

    with pytest.raises(ConfigError, match=f"run: no permission to write into {tmp_path}"):
        RunFolder(tmp_path / "deep" / "run").check_place(resume=False)


def test_a_place_that_cannot_be_written_is_refused():
    with pytest.raises(ConfigError, match="cannot be written"):
        RunFolder(run_folder.Path("/proc/run")).open(ToyModelConfig(), resume=False)


def test_other_settings_are_named_when_resuming(run):
    with pytest.raises(MismatchError, match=r"learning_rate was 0\.1, now 0\.2"):
        RunFolder(run.path).open(ToyModelConfig(learning_rate=0.2), resume=True)


def test_length_and_rhythm_may_change_when_resuming(run):
    config = ToyModelConfig(num_images=99, save_every=1)

    resumed = RunFolder(run.path)
    resumed.open(config, resume=True, warn=nothing_to_say)
    resumed.restore(nothing_to_say, warn=lambda _: None)

    assert read_config(run.path)["config"]["num_images"] == 99


def test_a_run_older_than_a_setting_goes_on_with_its_default(run):
    record = read_config(run.path)
    del record["config"]["learning_rate"]
    (run.path / "config.json").write_text(json.dumps(record))

    RunFolder(run.path).open(ToyModelConfig(), resume=True)

    with pytest.raises(MismatchError, match="learning_rate"):
        RunFolder(run.path).open(ToyModelConfig(learning_rate=0.2), resume=True)


def test_a_run_from_before_the_record_of_inputs_goes_on(run):
    record = read_config(run.path)
    kept = {name: record[name] for name in ("version", "command", "config")}
    (run.path / "config.json").write_text(json.dumps(kept))

    warnings = []

    RunFolder(run.path).open(
        ToyModelConfig(),
        resume=True,
        inputs={"generator": {"path": "a", "sha256": "b"}},
        machine={"device": "cpu"},
        warn=warnings.append,
    )

    assert warnings == []


def test_a_run_of_another_command_is_refused(run):
    with pytest.raises(MismatchError, match="holds a run of toy-model, not of other"):
        RunFolder(run.path).open(OtherConfig(), resume=True)


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"path": "a", "sha256": "1" * 64}, {"path": "b", "sha256": "2" * 64}, "was a .*, now b"),
        (None, {"path": "b", "sha256": "2" * 64}, "was left out, now b"),
        ({"path": "a", "sha256": "1" * 64}, None, "was a .*, now left out"),
    ],
)
def test_another_start_file_is_refused(tmp_path, before, now, message):
    run = RunFolder(tmp_path / "run")
    run.open(ToyModelConfig(), resume=False, inputs={"generator": before})

    with pytest.raises(MismatchError, match=message):
        RunFolder(run.path).open(ToyModelConfig(), resume=True, inputs={"generator": now})


def test_the_same_file_elsewhere_is_the_same_file(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.open(ToyModelConfig(), resume=False, inputs={"generator": {"path": "a", "sha256": "1"}})

    warnings = []

    RunFolder(run.path).open(
        ToyModelConfig(),
        resume=True,
        inputs={"generator": {"path": "b", "sha256": "1"}},
        warn=warnings.append,
    )

    assert warnings == []


def test_another_machine_is_warned_of(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.open(ToyModelConfig(), resume=False, machine={"precision": "bfloat16"})
    warnings = []

    RunFolder(run.path).open(
        ToyModelConfig(), resume=True, machine={"precision": "float32"}, warn=warnings.append
    )

    assert len(warnings) == 1
    assert "not to the last bit: precision was bfloat16, is float32" in warnings[0]


def test_the_first_command_stays_on_record(run, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["moco", "again", "--resume"])
    resumed = RunFolder(run.path)

    resumed.open(ToyModelConfig(), resume=True)
    assert "resumed" not in read_config(run.path)
    resumed.restore(lambda _: None, warn=lambda _: None)

    assert resumed.command == run.command
    record = read_config(run.path)
    assert record["command"] == run.command
    assert [entry["command"] for entry in record["resumed"]] == ["moco again --resume"]


def test_a_refused_resume_leaves_the_record_as_it_was(run):
    before = (run.path / "config.json").read_bytes()
    run.save_state({"step": 1})
    resumed = RunFolder(run.path)
    resumed.open(ToyModelConfig(num_images=99), resume=True)

    def refuse(_state):
        raise MismatchError("the run began with other videos: b.mkv changed since")

    with pytest.raises(MismatchError):
        resumed.restore(refuse, warn=nothing_to_say)

    assert (run.path / "config.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"config": 3, "command": ""}'])
def test_a_damaged_configuration_is_named(run, text):
    (run.path / "config.json").write_text(text)

    with pytest.raises(FileFormatError, match="not a run's configuration"):
        RunFolder(run.path).open(ToyModelConfig(), resume=True)


def test_what_a_killed_writer_left_is_removed(run):
    leftovers = [run.path / ".state.0a.part.pt", run.path / "samples" / ".00000001.0a.part.png"]
    for path in leftovers:
        path.write_text("torn")

    RunFolder(run.path).open(ToyModelConfig(), resume=True)

    assert not any(path.exists() for path in leftovers)


# The state


def test_a_state_comes_back_as_it_was(run):
    run.save_state({"step": 3, "weights": torch.arange(4.0)})

    state = run.load_state(warn=nothing_to_say)

    assert state["step"] == 3
    assert torch.equal(state["weights"], torch.arange(4.0))


def test_two_states_are_kept(run):
    assert not run.has_state
    for step in range(3):
        run.save_state({"step": step})

    assert run.has_state
    assert torch.load(run.path / "state.pt")["step"] == 2
    assert torch.load(run.path / "state-previous.pt")["step"] == 1
    assert sorted(path.name for path in run.path.iterdir()) == [
        ".lock",
        "config.json",
        "samples",
        "state-previous.pt",
        "state.pt",
    ]


def _kept(run):
    return {path.name: torch.load(path)["step"] for path in run.path.rglob("*.pt")}


def test_more_states_are_kept_by_their_steps_and_the_best_one_always(run):
    run.keep = 3
    for step in range(6):
        run.save_state({"step": step}, step=step, is_best=step == 1)

    assert _kept(run) == {
        **{"state.pt": 5, "state-previous.pt": 4, "state-best.pt": 1},
        **{"00000003.pt": 3, "00000004.pt": 4, "00000005.pt": 5},
    }

    run.keep = 1
    run.save_state({"step": 6}, step=6)

    assert _kept(run) == {"state.pt": 6, "state-best.pt": 1}


def test_a_run_goes_on_from_the_newest_state_that_is_whole(run):
    run.keep = 4
    for step in range(5):
        run.save_state({"step": step}, step=step)
    for name in ("state.pt", "state-previous.pt", "states/00000003.pt"):
        path = run.path / name
        data = path.read_bytes()
        path.unlink()  # its other names stay as they are
        path.write_bytes(data[:100])
    (run.path / "states" / "00000004.pt").unlink()
    skipped = []

    assert run.load_state(warn=skipped.append)["step"] == 2
    assert len(skipped) == 3


def damage_by_truncation(path):
    path.write_bytes(path.read_bytes()[:-200])


def damage_by_emptying(path):
    path.write_bytes(b"")


def damage_by_one_byte(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"\x00\x00\x80\x3f" * 8)] ^= 1  # within the tensor of ones
    path.write_bytes(data)


def damage_by_replacing(path):
    torch.save([1, 2], path)


@pytest.mark.parametrize(
    "damage",
    [damage_by_truncation, damage_by_emptying, damage_by_one_byte, damage_by_replacing],
)
def test_a_damaged_state_falls_back_to_the_one_before(run, damage):
    for step in range(2):
        run.save_state({"step": step, "ones": torch.ones(64)})
    damage(run.path / "state.pt")
    warnings = []

    state = run.load_state(warn=warnings.append)

    assert state["step"] == 0
    assert len(warnings) == 1
    assert "state.pt" in warnings[0]
    assert "skipped" in warnings[0]


def test_no_state_that_can_be_read_is_an_error(run):
    run.save_state({})
    damage_by_emptying(run.path / "state.pt")

    with pytest.raises(FileFormatError, match="no state to resume from"):
        run.load_state(warn=lambda _: None)


def test_a_failed_write_keeps_the_state_before(run, monkeypatch):
    run.save_state({"step": 0})

    def fail(_state, part):
        part.write_bytes(b"half")
        raise RuntimeError("file write failed")

    monkeypatch.setattr(torch, "save", fail)

    with pytest.raises(ConfigError, match="cannot be written"):
        run.save_state({"step": 1})

    assert run.load_state(warn=nothing_to_say)["step"] == 0
    assert not list(run.path.glob(".*.part*"))


def test_a_file_system_without_links_keeps_two_states_too(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for step in range(2):
        run.save_state({"step": step})

    assert torch.load(run.path / "state-previous.pt")["step"] == 0


def test_a_kill_between_the_two_names_costs_nothing(run):
    # The newest state has both names; the next save must still keep two.
    run.save_state({"step": 0})
    os.link(run.path / "state.pt", run.path / "state-previous.pt")

    run.save_state({"step": 1})

    assert torch.load(run.path / "state-previous.pt")["step"] == 0
    assert not list(run.path.glob("*.link"))


# The log


def read_log(run):
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def test_numbers_that_json_lacks_become_null(run):
    run.log(1, {"loss": float("nan"), "score": float("inf"), "p": 0.5})

    assert read_log(run) == [{"step": 1, "loss": None, "score": None, "p": 0.5}]


def test_steps_to_be_repeated_and_torn_lines_are_forgotten(run):
    for step in range(1, 5):
        run.log(step, {"loss": 0.0})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')

    run.drop_log_after(2)

    assert [row["step"] for row in read_log(run)] == [1, 2]


def test_a_run_that_never_logged_has_nothing_to_forget(run):
    run.drop_log_after(0)

    assert not (run.path / "metrics.jsonl").exists()


def test_tensorboard_gets_the_same_numbers_where_it_is_installed(run, monkeypatch):
    calls = []

    class SummaryWriter:
        def __init__(self, folder):
            calls.append(folder)

        def add_scalar(self, *scalar):
            calls.append(scalar)

        def close(self):
            calls.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)

    run.log(7, {"loss": 0.5})
    run.close()

    assert calls == [run.path / "tensorboard", ("loss", 0.5, 7), "closed"]


def test_only_the_first_process_writes(tmp_path):
    class Second:
        is_first = False

        def barrier(self):
            pass

    run = RunFolder(tmp_path / "run", processes=Second())
    run.open(ToyModelConfig(), resume=False)
    run.save_state({})
    run.log(1, {})

    assert not run.path.exists()


@pytest.mark.parametrize("error", [KeyError("step_idx"), RuntimeError("size mismatch")], ids=repr)
def test_a_state_of_something_else_is_named(run, error):
    with pytest.raises(FileFormatError, match="run: not a state of this run"), run.expected_state():
        raise error


def test_too_little_memory_says_nothing_against_the_state(run):
    with pytest.raises(torch.OutOfMemoryError), run.expected_state():
        raise torch.OutOfMemoryError("CUDA out of memory")
