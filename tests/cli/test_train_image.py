"""`moco train-image`: from a folder of pictures to a generator, through kills and restarts."""

import json
import signal
import time

import numpy as np
import pytest
import torch
from real_runs import TORCHRUN, Launcher, finish, wait_for_steps
from safetensors.torch import load_file

from mocotool.generators.loading import load_generator
from mocotool.video.pictures import read_image, write_png

SIZES = [
    *("--resolution", "8", "--batch-size", "4", "--channel-base", "64", "--channel-max", "8"),
    *("--z-dim", "6", "--w-dim", "6", "--num-mapping-layers", "2", "--precision", "fp32"),
]
RHYTHM = ["--num-images", "16", "--save-every", "2", "--preview-every", "2", "--log-every", "1"]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in "abcdefghijkl":
        write_png(folder / f"{name}.png", rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def train(run_moco, pictures, tmp_path):
    """Run `moco train-image` on the pictures into `run`."""

    def run(*args):
        given = [*SIZES, *RHYTHM, *args]
        return run_moco("train-image", "--videos", pictures, "-o", tmp_path / "run", *given)

    return run


def read_config(tmp_path):
    return json.loads((tmp_path / "run" / "config.json").read_text())


# What it makes


def test_a_run_makes_what_the_other_commands_read(train, tmp_path):
    result = train("--json")

    run = tmp_path / "run"
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "generator": str(run / "generator.safetensors"),
        "steps": 4,
        "images": 16,
    }
    assert load_generator(run / "generator.safetensors").arch["channels"] == [8, 8]
    assert read_image(run / "samples" / "00000004.png").shape == (64, 64, 3)
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 4
    record = read_config(tmp_path)
    assert record["config"]["z_dim"] == 6
    assert record["machine"]["precision"] == "float32"
    assert record["inputs"]["videos"]["images"] == 12


def test_quiet_says_nothing(train):
    result = train("-q")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_dry_run_prints_the_plan_and_writes_nothing(train, tmp_path):
    result = train("--dry-run", "--json")

    plan = json.loads(result.stdout)
    assert result.exit_code == 0
    assert plan["images"] == 12
    assert plan["steps"] == 4
    assert {"generator_parameters", "images_per_s", "hours", "memory_mb"} <= plan.keys()
    assert not (tmp_path / "run").exists()


# What it refuses


def test_a_folder_with_a_run_asks_for_resume(train):
    train()

    result = train()

    assert result.exit_code == 2
    assert "already holds a run" in result.stderr
    assert "--resume" in result.stderr


def test_resuming_with_other_settings_names_them(train):
    train()

    result = train("--resume", "--style-mixing", "0.5")

    assert result.exit_code == 4
    assert "style_mixing was 0.9, now 0.5" in result.stderr


def test_a_lower_learning_rate_is_taken_on_resume_and_said(train, tmp_path):
    train()

    result = train("--resume", "--learning-rate", "0.001", "--num-images", "20")

    assert result.exit_code == 0, result.stderr
    assert "goes on with other settings: learning_rate was 0.002, now 0.001" in result.stderr
    assert read_config(tmp_path)["config"]["learning_rate"] == 0.001


def test_resuming_nothing_is_refused(train):
    result = train("--resume")

    assert result.exit_code == 2
    assert "no run to resume" in result.stderr


def test_resuming_with_other_pictures_is_refused(train, pictures, run_moco, tmp_path):
    train()
    other = tmp_path / "other"
    other.mkdir()
    write_png(other / "x.png", np.zeros((16, 16, 3), np.uint8))

    given = [*SIZES, *RHYTHM, "--resume"]
    result = run_moco("train-image", "--videos", other, "-o", tmp_path / "run", *given)

    assert result.exit_code == 4
    assert "began with other videos: a.png" in result.stderr
    assert "x.png added since" in result.stderr


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (["--resolution", "48"], 2, "resolution 48: expected a power of two"),
        (["--batch-size", "0"], 2, "--batch-size"),
        (["--learning-rate", "nan"], 2, "--learning-rate nan: expected a finite number"),
        (["--channel-base", "4"], 2, "channel_base 4: leaves no channel"),
        (["--generator", "missing.pkl"], 3, "missing.pkl: no such file"),
        (["--precision", "fp16"], 2, "--precision fp16"),
        (["--device", "abacus"], 2, "--device abacus"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    train, tmp_path, args, exit_code, message
):
    result = train("--device", "cpu", *args)

    assert result.exit_code == exit_code
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_missing_folder_of_videos_is_named(run_moco, tmp_path):
    result = run_moco("train-image", "--videos", tmp_path / "nowhere", "-o", tmp_path / "run")

    assert result.exit_code == 3
    assert "nowhere: no such folder" in result.stderr


def test_a_folder_without_pictures_is_named(run_moco, tmp_path):
    (tmp_path / "empty").mkdir()

    result = run_moco("train-image", "--videos", tmp_path / "empty", "-o", tmp_path / "run")

    assert result.exit_code == 3
    assert "no usable video" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", ["/proc/run", "/dev/null"])
def test_a_place_that_cannot_hold_a_run_is_refused(run_moco, pictures, place):
    result = run_moco("train-image", "--videos", pictures, "-o", place, *SIZES, *RHYTHM)

    assert result.exit_code == 2
    assert place in result.stderr


# Starting from a generator


@pytest.fixture
def fine_tune(run_moco, pictures, toy_generator_path, tmp_path):
    def run(*args, out="run"):
        return run_moco(
            *("train-image", "--videos", pictures, "-o", tmp_path / out),
            *("--generator", toy_generator_path, "--batch-size", "4", *RHYTHM, *args),
        )

    return run


def test_fine_tuning_takes_its_sizes_from_the_file(fine_tune, toy_generator, tmp_path):
    result = fine_tune()

    record = read_config(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert record["config"]["resolution"] == 16
    assert record["config"]["w_dim"] == 12
    assert record["inputs"]["generator"]["sha256"] == toy_generator.origin.file.sha256
    tuned = load_generator(tmp_path / "run" / "generator.safetensors")
    assert tuned.arch == toy_generator.arch
    assert tuned.origin.notes["source_sha256"] == toy_generator.origin.file.sha256
    assert fine_tune("--resume", "--num-images", "20").exit_code == 0


def test_fine_tuning_at_twice_the_size_grows_the_generator(fine_tune, tmp_path):
    result = fine_tune("--resolution", "32", "--discriminator", "projected")

    assert result.exit_code == 0, result.stderr
    record = read_config(tmp_path)["config"]
    assert (record["resolution"], record["discriminator"]) == (32, "projected")
    grown = load_generator(tmp_path / "run" / "generator.safetensors")
    assert grown.arch["channels"] == [8, 8, 8, 4]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--resolution", "64"], "resolution 64 was asked for, it has 16"),
        (["--z-dim", "512"], "z_dim 512 was asked for, it has 8"),
        (["--channel-max", "4"], "channel_max 4"),
    ],
)
def test_sizes_that_the_file_contradicts_are_not_ignored(fine_tune, args, message):
    result = fine_tune(*args)

    assert result.exit_code == 4
    assert message in result.stderr


def test_resuming_without_the_file_it_began_with_is_refused(train, fine_tune):
    fine_tune()

    result = train("--resume")

    assert result.exit_code == 4
    assert "generator was" in result.stderr


# Real processes

LONG = ["--num-images", "120", "--save-every", "4", "--preview-every", "10", "--log-every", "1"]


@pytest.fixture
def start(warm_moco, pictures):
    """Start the real command in a process; whatever still runs at the end of the test is killed."""
    launcher = Launcher(warm_moco)

    def run(out, *args, **options):
        inputs = ("--videos", pictures, "-o", out, "--device", "cpu")
        return launcher.start("train-image", *inputs, *SIZES, *LONG, *args, **options)

    yield run
    launcher.close()


def assert_same_run(first, second, *, rtol=0.0, atol=0.0):
    states = [torch.load(path / "state.pt", weights_only=True) for path in (first, second)]
    assert states[0]["step_idx"] == states[1]["step_idx"]
    assert states[0]["augment_p"] == states[1]["augment_p"]
    assert states[0]["images"]["position"] == states[1]["images"]["position"]
    for network in ("generator", "averaged", "discriminator"):
        torch.testing.assert_close(states[0][network], states[1][network], rtol=rtol, atol=atol)
    for optimizer in ("g_optimizer", "d_optimizer"):
        moments = [state[optimizer]["state"] for state in states]
        torch.testing.assert_close(*moments, rtol=rtol, atol=atol)
    weights = [load_file(path / "generator.safetensors") for path in (first, second)]
    torch.testing.assert_close(*weights, rtol=rtol, atol=atol)


@pytest.mark.slow
def test_sigkill_at_any_time_then_resume_is_the_uninterrupted_run(start, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole))

    process = start(killed)
    for steps in (2, 7, 13, 22):
        wait_for_steps(killed, steps, process)
        time.sleep(float(np.random.default_rng(steps).uniform(0, 0.05)))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        process = start(killed, "--resume")
    finish(process)

    assert_same_run(whole, killed)
    logs = [(path / "metrics.jsonl").read_text().splitlines() for path in (whole, killed)]
    rows = [[json.loads(line) | {"images_per_s": 0} for line in log] for log in logs]
    assert rows[0] == rows[1]
    for preview in (whole / "samples").iterdir():
        assert preview.read_bytes() == (killed / "samples" / preview.name).read_bytes()
    assert {path.name for path in killed.glob(".*")} <= {".lock"}  # no temporary file


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_ends_with_130(start, tmp_path, number):
    out = tmp_path / "run"
    process = start(out, "--num-images", "400000", "--save-every", "100000")
    wait_for_steps(out, 3, process)

    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "stopped and saved after" in errors
    assert "--resume" in errors
    assert torch.load(out / "state.pt", weights_only=True)["step_idx"] >= 3


@pytest.mark.slow
def test_a_torn_state_falls_back_with_a_warning_and_ends_the_same(start, tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    finish(start(whole))
    finish(start(torn, "--num-images", "64"))
    state = (torn / "state.pt").read_bytes()
    (torn / "state.pt").write_bytes(state[: len(state) // 2])

    _, errors = finish(start(torn, "--resume"))

    assert "state.pt: a damaged zip file" in errors
    assert_same_run(whole, torn)


@pytest.mark.slow
def test_two_processes_agree_with_one(start, tmp_path):
    alone, both = tmp_path / "alone", tmp_path / "both"
    settings = ("--batch-size", "16", "--learning-rate", "1e-4", "--json")
    finish(start(alone, *settings))

    output, _ = finish(start(both, *settings, launcher=TORCHRUN))

    assert json.loads(output)["images"] == 128  # one object, not one a process
    # Eight steps at 1e-4 move a weight by up to 8e-4; Adam turns roundings of a gradient near
    # zero into a part of a step.
    assert_same_networks(alone, both, atol=1e-4)
    logs = [(path / "metrics.jsonl").read_text().splitlines() for path in (alone, both)]
    rows = [[json.loads(line) for line in log] for log in logs]
    for one, two in zip(*rows, strict=True):
        assert one["augment_p"] == two["augment_p"]
        assert one["d_loss"] == pytest.approx(two["d_loss"], rel=1e-3)
        assert one["g_loss"] == pytest.approx(two["g_loss"], rel=1e-3)


def assert_same_networks(first, second, *, atol):
    states = [torch.load(path / "state.pt", weights_only=True) for path in (first, second)]
    for network in ("generator", "averaged", "discriminator"):
        torch.testing.assert_close(states[0][network], states[1][network], rtol=0, atol=atol)


@pytest.mark.slow
def test_ctrl_c_under_torchrun_saves(start, tmp_path):
    out = tmp_path / "run"
    endless = ("--num-images", "4000000", "--save-every", "100000", "--batch-size", "16")
    process = start(out, *endless, launcher=TORCHRUN)
    wait_for_steps(out, 3, process)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)

    assert process.returncode != 0
    assert torch.load(out / "state.pt", weights_only=True)["step_idx"] >= 3
