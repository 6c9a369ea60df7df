"""The record of a training run, and the check that a run may resume with given settings."""

import dataclasses
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mocotool.errors import MismatchError
from mocotool.provenance import tool_version

# Settings that may change between a run and its continuation: they do not touch the mathematics.
FREE_ON_RESUME = frozenset(
    {
        *("num_steps", "num_epochs", "num_images", "save_every", "preview_every", "log_every"),
        *("keep", "patience", "budget", "memory_share"),
    }
)

# Settings that people change on purpose half-way, of the runs that can follow; it is said.
ADJUSTABLE = {"train-image": ("learning_rate", "ema_images", "ema_rampup")}


def make_record(
    config: Any,
    *,
    command: str,
    inputs: Mapping[str, Mapping[str, Any] | None] | None = None,
    machine: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what config.json says of a new run, as it will be read again.

    Args:
        config: The command's configuration, a dataclass.
        command: What was typed.
        inputs: Name -> what was read, `None` for nothing.
        machine: What the run computes on.
    """
    record = {
        "version": tool_version(),
        "command": command,
        "run": _run_name(config),
        "config": dataclasses.asdict(config),
        "inputs": dict(inputs or {}),
        "machine": dict(machine or {}),
    }
    return dict(json.loads(json.dumps(record)))


def continue_record(
    old: dict[str, Any],
    new: dict[str, Any],
    config_type: Any,
    *,
    path: Path,
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Check that a run may go on with `new` settings; return what to write for it.

    Args:
        old: What its config.json says.
        new: What `make_record` says of the settings that it is to go on with.
        config_type: The dataclass of the settings, whose defaults stand for those that `old` lacks.
        path: The run's folder, for messages.
        warn: Called where the run goes on, but its numbers will be rounded otherwise.

    Raises:
        MismatchError: It is a run of another command, or one with other settings or files.
    """
    if old.get("run", new["run"]) != new["run"]:
        raise MismatchError(f"{path}: holds a run of {old['run']}, not of {new['run']}")

    # what may not change
    changes = _changed_settings(old["config"], new["config"], config_type)
    adjusted = [changes.pop(name) for name in ADJUSTABLE.get(new["run"], ()) if name in changes]
    refused = [*changes.values(), *_changed_inputs(old["inputs"], new["inputs"])]
    if refused:
        raise MismatchError(
            f"{path}: the run was started with other settings: {'; '.join(refused)}",
            hint="resume with the same options, or start another run",
        )

    # what may change, but is said
    if adjusted:
        warn(f"{path}: goes on with other settings: {'; '.join(adjusted)}")
    moved = [
        f"{name} was {value}, is {new['machine'][name]}"
        for name, value in old["machine"].items()
        if name in new["machine"] and new["machine"][name] != value
    ]
    if moved:
        warn(f"{path}: goes on, but not to the last bit: {'; '.join(moved)}")

    # the new settings, with the history of the old record
    resumed = [*old["resumed"], {"version": new["version"], "command": new["command"]}]
    return new | {
        "version": old.get("version"),
        "command": old["command"],
        "resumed": resumed,
    }


def name_launch() -> str | None:
    """Return what `torchrun` calls the job; by itself it calls those of several machines "none"."""
    launch = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if launch in (None, "", "none") else launch


def _run_name(config: Any) -> str:
    """Turn `TrainImageConfig` into "train-image"."""
    words = re.findall("[A-Z][a-z]+", type(config).__name__.removesuffix("Config"))
    return "-".join(words).lower()


def _changed_settings(old: dict[str, Any], new: dict[str, Any], config_type: Any) -> dict[str, str]:
    """Return what to say of each setting that differs, by its name."""
    # A run older than a setting had what is now its default.
    defaults = {field.name: field.default for field in dataclasses.fields(config_type)}
    return {
        name: f"{name} was {old.get(name, defaults[name])!r}, now {value!r}"
        for name, value in new.items()
        if name not in FREE_ON_RESUME and old.get(name, defaults[name]) != value
    }


def _changed_inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Compare the files a run reads by their content."""

    def tell(record: Mapping[str, Any] | None) -> str:
        if not record:
            return "left out"
        return f"{record.get('path')} (sha256 {str(record.get('sha256'))[:12]})"

    changed = []
    for name in old.keys() & new.keys():
        before, now = old[name], new[name]
        if (before or {}).get("sha256") != (now or {}).get("sha256"):
            changed.append(f"{name} was {tell(before)}, now {tell(now)}")
    return sorted(changed)
