"""Two runs' folders, compared to the last bit."""

import json

import torch

TIMES = ("seconds", "memory_mb", "images_per_s")


def assert_same_run(first, second):
    """Compare states, results, previews and metrics; only what a clock says may differ."""
    names = [_list_files(run) for run in (first, second)]
    assert names[0] == names[1]
    for name in names[0]:
        a, b = (run / name for run in (first, second))
        if name == "metrics.jsonl":
            assert read_log(first) == read_log(second)
        elif name.startswith("state"):
            states = [dict(_flatten(torch.load(path, weights_only=True))) for path in (a, b)]
            assert states[0].keys() == states[1].keys()
            assert [key for key in states[0] if not _is_same(*(s[key] for s in states))] == []
        elif name != "config.json":  # which lists the commands that resumed the run
            assert a.read_bytes() == b.read_bytes(), name


def read_log(run):
    """Return a run's metrics without what a clock says."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: row[name] for name in row if name not in TIMES} for row in rows]


def _list_files(run):
    skipped = (".lock", "state-previous.pt")  # how often a run saved is not what it came to
    paths = (path for path in run.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    return sorted(path.relative_to(run).as_posix() for path in paths if path.name not in skipped)


def _flatten(value, name=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}/{key}")
    elif isinstance(value, list | tuple):
        for idx, inner in enumerate(value):
            yield from _flatten(inner, f"{name}/{idx}")
    else:
        yield name, value


def _is_same(a, b):
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
