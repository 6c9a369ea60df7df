"""docs/reproduce.md: its commands parse, and its presets are those of the program."""

import re
import shlex

import pytest
from survey import COMMANDS, ROOT

from mocotool.configs.train_motion import ABLATIONS, PRESETS, TrainMotionConfig

TEXT = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")


def read_commands():
    """Return every `moco` line of the scripts, what the shell would fill in replaced by 1."""
    text = "\n".join(re.findall(r"```sh[^\n]*\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("moco ")]


def parse(line):
    """Parse a command line as the program does; return the options it got."""
    words = shlex.split(line)[1:]
    name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    rest = words[len(name.split()) :]
    name = name if name in COMMANDS else f"{name} page"  # what `moco compare` does by default
    return COMMANDS[name].make_context(name, rest).params


@pytest.mark.parametrize("line", read_commands())
def test_every_command_parses(line):
    assert "$" not in line

    assert parse(line)


def test_a_misspelt_command_would_not_parse():
    with pytest.raises(BaseException, match="presett"):
        parse("moco train-motion --presett sky --videos a -o b")
    with pytest.raises(BaseException, match="maths"):
        parse("moco eval fvd a b --protocol maths")


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_a_row_that_tells_its_settings(name):
    config = TrainMotionConfig.from_recipe(**PRESETS[name])
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]

    assert [cell.strip() for cell in row.split("|")[2:7]] == [
        "cross" if config.cross_domain else "in",
        str(config.batch_size),
        str(config.frame_size),
        str(config.frame_stride),
        f"{config.feature_weight:g}",
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_a_script_from_weights_to_videos(name):
    lines = [line for line in read_commands() if f"{name}/" in line or f" {name} " in line]

    commands = [line.split()[1] for line in lines]

    assert commands[:4] == ["convert", "pca", "train-motion", "sample"]
    assert "render" in commands
    training, *_ = [
        line for line in lines if line.startswith(f"moco train-motion --preset {name} --v")
    ]
    assert parse(training)["preset"] == name


@pytest.mark.parametrize("name", PRESETS)
def test_the_passes_are_those_of_the_authors_script(name):
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
    epochs = row.split("|")[7].strip()

    training, *_ = [x for x in read_commands() if f"--preset {name} --videos" in x]

    assert parse(training)["num_epochs"] == (100 if epochs == "-" else int(epochs))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 8])
def test_each_table_has_its_commands_and_what_it_lacks(number):
    (section,) = re.findall(rf"\n### Table {number}: .*?(?=\n##|\Z)", TEXT, re.DOTALL)

    assert re.search(r"```sh needs [^\n]+\n((moco|mkdir) .*\n)+```", section)
    assert "Not to be had here: " in section


def test_each_ablation_of_the_tables_leaves_out_its_part():
    lines = [parse(line) for line in read_commands() if "--ablate" in line]

    assert {line["ablate"] for line in lines} == set(ABLATIONS) - {"none"}


def test_the_settings_that_no_preset_changes_are_told_right():
    config = TrainMotionConfig.from_recipe()
    told = (
        f"clips of {config.num_frames} frames, every second one, {config.num_components} "
        f"components, steps of {config.step_size}, learning rate 1e-4"
    )

    assert told in " ".join(TEXT.split())
    assert (config.frame_stride, config.learning_rate) == (2, 1e-4)
    for recipe in ("reference", "paper"):
        settings = {TrainMotionConfig.from_recipe(recipe, cross_domain=x).step_size for x in (0, 1)}
        assert settings == ({0.2} if recipe == "reference" else {0.2, 0.5})
