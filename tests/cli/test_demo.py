import json
import shlex
import time

import pytest
from page_reader import PageReader, find_linked

from mocotool import bundled
from mocotool.cli import cmd_demo
from mocotool.cli.cmd_demo import STEPS, Step

has_bundle = pytest.mark.skipif(
    not (bundled.FOLDER / "motion.safetensors").exists() or not bundled.CLIPS_FOLDER.exists(),
    reason="the bundled models or clips are not there yet",
)


@pytest.fixture
def short_demo(monkeypatch, tmp_path, toy_folder):
    """The demo in two steps on toys, with a clip that is none."""
    clips = tmp_path / "bundled-clips"
    clips.mkdir()
    (clips / "one.mp4").write_bytes(b"x")
    (clips / "one.mp4").chmod(0o444)
    monkeypatch.setattr(bundled, "CLIPS_FOLDER", clips)
    toys = {name: shlex.quote(str(toy_folder / name)) for name in ("generator", "motion", "pca")}
    generator = f"{toys['generator']}.safetensors"
    motion = f"{toys['motion']}.safetensors"
    steps = (
        Step(
            title="Strip",
            text="Two rows.",
            commands=(
                f"moco traverse {generator} --pca {toys['pca']}.npz --num-components 2 "
                "-o 'a strip.png'",
            ),
            shows=("*.png", "clips/*.mp4"),
            captions=("strip", "clip"),
        ),
        Step(
            title="Number",
            text="It is measured.",
            commands=(
                f"moco eval diversity --motion {motion} --generator {generator} --num-contents 1 "
                "--num-motions 2 --num-frames 2 --pictures diversity",
            ),
            shows=("diversity/*.png",),
        ),
    )
    monkeypatch.setattr(cmd_demo, "STEPS", steps)
    return steps


def test_the_page_has_the_commands_their_files_and_what_they_measured(
    run_moco, short_demo, tmp_path
):
    folder = tmp_path / "my demo"

    result = run_moco("demo", folder, "--json")

    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["page"] == str(folder / "index.html")
    shown = ("a strip.png", "clips/one.mp4", "diversity/mean.png", "diversity/std.png")
    assert find_linked(folder / "index.html") == sorted((folder / name).resolve() for name in shown)
    reader = PageReader(folder / "index.html")
    assert reader.titles == ["Strip", "Number"]
    typed, measured_by, printed = reader.printed
    assert [typed, measured_by] == [step.commands[0] for step in short_demo]
    assert printed.startswith("diversity ")
    assert printed in result.stderr


def test_each_command_is_said_as_it_could_be_typed(run_moco, short_demo, tmp_path):
    folder = tmp_path / "my demo"

    result = run_moco("demo", folder, "--device", "cpu")

    said = [line for line in result.stderr.splitlines() if line.startswith("$ ")]
    commands = [f"$ {step.commands[0]} --device cpu" for step in short_demo]
    assert said == [f"$ cd {shlex.quote(str(folder))}", *commands]


def test_quiet_says_nothing(run_moco, short_demo, tmp_path):
    result = run_moco("demo", tmp_path / "new", "-q")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_an_empty_folder_is_taken_and_its_clips_can_be_removed(run_moco, short_demo, tmp_path):
    (tmp_path / "new").mkdir()

    assert run_moco("demo", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "clips" / "one.mp4").stat().st_mode & 0o200


def test_whoever_interrupts_keeps_a_page_of_what_there_is(
    run_moco, short_demo, tmp_path, monkeypatch
):
    run = cmd_demo._run

    def interrupt_second(command, folder):
        if "diversity" in command:
            raise KeyboardInterrupt
        return run(command, folder)

    monkeypatch.setattr(cmd_demo, "_run", interrupt_second)

    result = run_moco("demo", tmp_path / "new")

    assert result.exit_code == 130
    assert result.stderr.count("interrupted") == 1
    assert PageReader(tmp_path / "new" / "index.html").titles == ["Strip"]
    assert len(find_linked(tmp_path / "new" / "index.html")) == 2


def test_a_command_that_fails_ends_the_demo_with_its_exit_code(
    run_moco, short_demo, tmp_path, monkeypatch
):
    broken = Step(title="Broken", text="", commands=("moco info gone.npz",))
    monkeypatch.setattr(cmd_demo, "STEPS", (broken, *short_demo))

    result = run_moco("demo", tmp_path / "new")

    assert result.exit_code == 3
    assert "moco: error: gone.npz: no such file" in result.stderr


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("full", "full: already exists and is not empty"),
        ("file", "file: a file, expected a new folder"),
        ("file/below", "file/below: cannot be created: Not a directory"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(run_moco, tmp_path, monkeypatch, folder, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()

    result = run_moco("demo", folder)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "hint: name a new folder" in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "mine"]


def test_a_device_that_is_none_is_refused_before_anything_is_written(run_moco, tmp_path):
    result = run_moco("demo", tmp_path / "new", "--device", "toaster")

    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_every_step_has_a_title_of_its_own_and_says_what_there_is_to_see():
    assert len({step.title for step in STEPS}) == len(STEPS)
    assert all(step.text.endswith(".") for step in STEPS)


@pytest.mark.slow
@has_bundle
def test_the_whole_demo_runs_in_time(run_moco, tmp_path):
    started = time.process_time()
    result = run_moco("demo", tmp_path / "demo", "--json")
    seconds = time.process_time() - started  # not by the clock: others may use the cores

    assert result.exit_code == 0, result.stderr
    page = tmp_path / "demo" / "index.html"
    reader = PageReader(page)
    assert reader.titles == [step.title for step in STEPS]
    linked = {path.relative_to(page.parent.resolve()).as_posix() for path in find_linked(page)}
    assert {"variance.png", "directions.png", "slow.mp4", "diversity/mean.mp4"} <= linked
    for step in STEPS:
        for shown in step.shows:
            assert linked & {p.relative_to(page.parent).as_posix() for p in page.parent.glob(shown)}
    assert any(text.startswith("frechet distance (motion features)") for text in reader.printed)
    assert json.loads(result.stdout)["page"] == str(page)
    assert seconds < 90
