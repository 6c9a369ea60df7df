"""Turn the dataclasses that a command takes into options: one for each of their fields.

A command says `config: PCAConfig`, and its help has `--num-samples`. A configuration's field says
everything about its option (`mocotool.configs.option`); the dataclasses of this package, such as
those in `mocotool.cli.options`, say it with `typer.Option`.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import typer

from mocotool.configs.chosen import parse_settings, read_settings
from mocotool.configs.option import Field, list_fields

C = TypeVar("C")
FILE, SET = "settings_file", "settings_set"
LAST_PANELS = ("Output", "Computing")
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings from a TOML file or a run's folder; typed options override them.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Set any setting by name, also those without an option; repeatable.",
    ),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen(Generic[C]):
    """What was said of a configuration, for a command that goes by what was left out."""

    options: dict[str, Any]
    """Field -> value, of options."""
    texts: tuple[str, ...]
    """What `--set` said."""
    file: Path | None
    """What `--config` said."""

    def typed(self, config_type: type) -> dict[str, Any]:
        """Return field -> value, of options and of `--set`.

        Raises:
            ConfigError: `--set` names no field of the configuration, or no value of it.
        """
        return parse_settings(self.texts, config_type) | self.options

    def from_file(self, config_type: type, *, run: str) -> dict[str, Any]:
        """Return field -> value, of `--config`; see `read_settings`."""
        return {} if self.file is None else read_settings(self.file, config_type, run=run)


@dataclasses.dataclass(frozen=True, slots=True)
class Without:
    """Fields of a dataclass that a command has no options for."""

    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A dataclass of a command's signature, or of a field of one."""

    type: Any
    fields: tuple[str, ...]
    """Those that have options of their own."""
    groups: "Mapping[str, Group]"
    """Field -> the dataclass that it holds."""
    is_chosen: bool = False
    """Whether the command wants what was said of it, and makes it itself."""

    def build(self, typed: Mapping[str, Any]) -> Any:
        """Return the dataclass of what was typed; the rest is its own defaults."""
        values = {name: typed[name] for name in self.fields if name in typed}
        values |= {name: group.build(typed) for name, group in self.groups.items()}
        if self.is_chosen:
            return Chosen(options=values, texts=tuple(typed.get(SET, ())), file=typed.get(FILE))
        return getattr(self.type, "from_options", self.type)(**values)


def spread_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose parameters typer understands.

    Parameters that are dataclasses become one option a field, in the fields' order. Two fields of
    one name are one option, which the first describes and both get. A dataclass with a classmethod
    `from_options` is made by that, of the fields that were typed.
    """
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = {"ctx": context}
    groups: dict[str, Group] = {}
    own: list[str] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        if _find_dataclass(parameter.annotation) is None:
            own.append(name)
            parameters[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        else:
            groups[name] = _collect(parameter.annotation, parameters)

    @functools.wraps(command)
    def spread(ctx: typer.Context, **values: Any) -> None:
        typed = {name: value for name, value in values.items() if _is_typed(ctx, name)}
        built = {name: group.build(typed) for name, group in groups.items()}
        command(**{name: values[name] for name in own}, **built)

    ordered = sorted(parameters.values(), key=_rank)
    spread.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    spread.__annotations__ = {found.name: found.annotation for found in ordered}
    return spread


def _rank(parameter: inspect.Parameter) -> int:
    """Put the panels that all commands have last: what comes out, then what it is computed on."""
    for extra in getattr(parameter.annotation, "__metadata__", ()):
        panel = getattr(extra, "rich_help_panel", None)
        if panel in LAST_PANELS:
            return 1 + LAST_PANELS.index(panel)
    return 0


def _is_typed(ctx: typer.Context, name: str) -> bool:
    """Return whether an option was typed, even if with its default value."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _find_dataclass(annotation: Any) -> Any:
    """Return the dataclass that an annotation stands for, or `None`."""
    bare = annotation.__origin__ if get_origin(annotation) is Annotated else annotation
    if get_origin(bare) is Chosen:
        return get_args(bare)[0]
    return bare if isinstance(bare, type) and dataclasses.is_dataclass(bare) else None


def _collect(annotation: Any, parameters: dict[str, inspect.Parameter]) -> Group:
    """Add the options of a dataclass to a signature; return how to make it again."""
    config_type = _find_dataclass(annotation)
    is_chosen = get_origin(annotation) is Chosen
    left_out = {
        name
        for extra in getattr(annotation, "__metadata__", ())
        if isinstance(extra, Without)
        for name in extra.names
    }

    hints = get_type_hints(config_type, include_extras=True)
    described = list_fields(config_type)

    names: list[str] = []
    groups: dict[str, Group] = {}
    if is_chosen:
        parameters |= {
            FILE: _make_parameter(FILE, FileOption, None),
            SET: _make_parameter(SET, SetOption, None),
        }

    for field in dataclasses.fields(config_type):
        hint = hints[field.name]
        if field.name in left_out:
            continue
        if _find_dataclass(hint) is not None:
            groups[field.name] = _collect(hint, parameters)
            continue

        # of our own options, of typer's, or none at all
        default = field.default
        found = described.get(field.name)
        if found is not None and found.option.typed:
            hint = _describe(found, default)
            default = default if found.option.parse is None else None
        elif get_origin(hint) is not Annotated or found is not None:
            continue

        names.append(field.name)
        parameters.setdefault(field.name, _make_parameter(field.name, hint, default))

    return Group(type=config_type, fields=tuple(names), groups=groups, is_chosen=is_chosen)


def _make_parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    if default is dataclasses.MISSING:
        default = inspect.Parameter.empty
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=hint)


def _describe(field: Field, default: Any) -> Any:
    """Return a field's type with what typer shows and checks of it."""
    option = field.option
    flag = "--" + (option.name or field.name).replace("_", "-")
    if field.bare_type is bool and default is True:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    return Annotated[
        field.type if option.parse is None else str,
        typer.Option(
            flag,
            help=option.help,
            min=option.min,
            max=option.max,
            metavar=option.metavar,
            show_default=True if option.shown is None else option.shown,
            rich_help_panel=option.panel,
            parser=option.parse,
        ),
    ]
