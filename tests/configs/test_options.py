"""What a field of a configuration says of itself is what is checked, typed and read from files."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
from typing import Annotated, Literal

import pytest
import typer
from survey import COMMANDS
from typer.testing import CliRunner

import mocotool.configs
from mocotool.cli.spread import Chosen, Without, spread_options
from mocotool.configs.chosen import parse_settings, read_settings
from mocotool.configs.option import Option, check_options, list_fields, parse_numbers
from mocotool.configs.train_image import TrainImageConfig
from mocotool.configs.train_motion import RECIPES, TrainMotionConfig, merge_settings
from mocotool.errors import ConfigError, FileFormatError, MismatchError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    depth: Annotated[int, Option("How deep.", min=1)] = 3
    seed: Annotated[int, Option("Seed.", min=0)] = 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sketch:
    width: Annotated[int, Option("How wide.", min=1, max=9)] = 4
    rate: Annotated[float, Option("How fast.", above=0)] = 0.5
    mode: Annotated[Literal["a", "b"] | None, Option("Which.", shown="the best")] = None
    flip: Annotated[bool, Option("Mirror.")] = True
    grid: Annotated[bool, Option("Side by side.", name="tiles")] = False
    idxs: Annotated[tuple[int, ...], Option("Which ones.", parse=parse_numbers)] = (7,)
    hidden: Annotated[int, Option("For Python only.", typed=False)] = 1
    inner: Inner = dataclasses.field(default_factory=Inner)
    seed: Annotated[int, Option("Seed.", min=0)] = 0

    def __post_init__(self):
        check_options(self)


def run(command, *args):
    app = typer.Typer()
    app.command("train-motion")(spread_options(command))
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["train-motion", *map(str, args)])


def build(*args):
    """Return the `Sketch` that a command gets."""
    found = []

    def command(*, config: Sketch):
        found.append(config)

    result = run(command, *args)
    assert result.exit_code == 0, result.output
    return found[0]


def test_a_command_gets_the_defaults_of_the_dataclass():
    assert build() == Sketch()


def test_every_kind_of_option_arrives():
    args = "--width 9 --rate 2 --mode b --no-flip --tiles --idxs 0-2,5 --depth 8 --seed 6"

    assert build(*args.split()) == Sketch(
        width=9,
        rate=2.0,
        mode="b",
        flip=False,
        grid=True,
        idxs=(0, 1, 2, 5),
        inner=Inner(depth=8, seed=6),
        seed=6,
    )


@pytest.mark.parametrize(
    "args", ["--width 0", "--width 10", "--mode c", "--hidden 2", "--no-tiles"]
)
def test_what_the_dataclass_does_not_allow_is_a_usage_error(args):
    def command(*, config: Sketch): ...

    assert run(command, *args.split()).exit_code == 2


def test_fields_can_be_left_out_of_a_command():
    def command(*, config: Annotated[Sketch, Without(("width",))]):
        assert config.width == 4

    assert run(command, "--rate", 1).exit_code == 0
    assert run(command, "--width", 4).exit_code == 2


def test_a_command_may_ask_what_was_typed_even_where_it_is_the_default():
    found = []

    def command(*, settings: Chosen[TrainMotionConfig]):
        found.append(settings)

    result = run(command, "--seed", 0, "--set", "embed_dim=8", "--set", "num_steps=3")

    assert result.exit_code == 0
    assert found[0].options == {"seed": 0}
    assert found[0].typed(TrainMotionConfig) == {"seed": 0, "embed_dim": 8, "num_steps": 3}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("width", 10, "width 10: expected from 1 to 9"),
        ("rate", 0, "rate 0: expected more than 0"),
        ("rate", float("nan"), "rate nan: expected more than 0"),
        ("rate", float("inf"), "rate inf: expected more than 0"),
        ("mode", "c", "mode 'c': expected a or b"),
    ],
)
def test_python_is_held_to_the_same_ranges(field, value, said):
    with pytest.raises(ConfigError) as caught:
        Sketch(**{field: value})

    assert str(caught.value) == said


def list_configs():
    found = {}
    for module in pkgutil.iter_modules(mocotool.configs.__path__, "mocotool.configs."):
        for value in vars(importlib.import_module(module.name)).values():
            if dataclasses.is_dataclass(value) and inspect.isclass(value):
                found[value.__name__] = value
    return [cls for cls in found.values() if list_fields(cls)]


@pytest.mark.parametrize("config_type", list_configs(), ids=lambda cls: cls.__name__)
def test_every_configuration_checks_its_ranges(config_type):
    for name, field in list_fields(config_type).items():
        if field.option.min is not None:
            with pytest.raises(ConfigError, match=f"^{name} "):
                config_type(**{name: field.option.min - 1})


def test_every_typed_field_of_the_training_configurations_has_an_option():
    for words, config_type in (
        ("train-motion", TrainMotionConfig),
        ("train-image", TrainImageConfig),
    ):
        options = {option for parameter in COMMANDS[words].params for option in parameter.opts}
        for name, field in list_fields(config_type).items():
            assert (f"--{name.replace('_', '-')}" in options) == field.option.typed, name


# --set and --config


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("embed_dim=8", 8),
        ("temperature=0.1", 0.1),
        ("residual=false", False),
        ("head=separate", "separate"),
    ],
)
def test_a_setting_is_typed_as_its_field(text, value):
    assert parse_settings([text], TrainMotionConfig) == {text.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("embed_dims=8", "--set: there is no setting 'embed_dims'", "did you mean embed_dim?"),
        ("embed-dim=8", "--set: there is no setting 'embed-dim'", "did you mean embed_dim?"),
        ("embed_dim=wide", "--set embed_dim=wide: expected a whole number", None),
        ("residual=perhaps", "--set residual=perhaps: expected true or false", None),
        ("head=both", "--set head=both: expected shared or separate", None),
        ("embed_dim", "--set embed_dim: expected FIELD=VALUE such as num_steps=2000", None),
    ],
)
def test_a_slip_in_a_setting_is_said(text, said, hint):
    with pytest.raises(ConfigError) as caught:
        parse_settings([text], TrainMotionConfig)

    assert (str(caught.value), caught.value.hint) == (said, hint)


def test_a_toml_file_and_a_run_give_settings(tmp_path):
    (tmp_path / "mine.toml").write_text('num_steps = 7\nr1_gamma = 1\naugment = "none"\n')
    config = TrainImageConfig(num_images=99, r1_gamma=None)
    record = {"run": "train-image", "config": dataclasses.asdict(config)}
    (tmp_path / "config.json").write_text(json.dumps(record))
    (tmp_path / "mine.toml").write_text('num_images = 7\nr1_gamma = 1\naugment = "none"\n')

    toml = read_settings(tmp_path / "mine.toml", TrainImageConfig, run="train-image")
    run_folder = read_settings(tmp_path, TrainImageConfig, run="train-image")

    assert toml == {"num_images": 7, "r1_gamma": 1.0, "augment": "none"}
    assert TrainImageConfig(**run_folder) == config
    with pytest.raises(MismatchError, match="settings of train-image, expected those of train-mo"):
        read_settings(tmp_path, TrainMotionConfig, run="train-motion")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("num_images: 7", FileFormatError, "no settings"),
        ("num_image = 7", ConfigError, "there is no setting 'num_image'"),
        ('num_images = "7"', ConfigError, "num_images: expected a whole number"),
        ("num_images = true", ConfigError, "num_images: expected a whole number"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path, text, error, said):
    (tmp_path / "mine.toml").write_text(text)

    with pytest.raises(error, match=said):
        read_settings(tmp_path / "mine.toml", TrainImageConfig, run="train-image")


def test_what_is_typed_wins_over_a_preset_a_file_and_a_recipe():
    config = merge_settings(
        {"num_frames": 5},
        from_file={"batch_size": 2, "num_frames": 9, "num_steps": 3, "recipe": "paper"},
        preset="sky",
    )

    assert (config.num_frames, config.batch_size, config.num_steps) == (5, 32, 3)
    assert config.step_size == RECIPES["paper", False]["step_size"]


def test_another_recipe_can_be_typed_over_a_run():
    run_config = TrainMotionConfig.from_recipe("reference", num_steps=9, step_size=0.3)

    config = merge_settings({"recipe": "paper"}, from_file=dataclasses.asdict(run_config))

    assert config == TrainMotionConfig.from_recipe("paper", num_steps=9, step_size=0.3)
    assert merge_settings({}, from_file=dataclasses.asdict(run_config)) == run_config
