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
            assert_same_state(*(torch.load(path, weights_only=True) for path in (a, b)))
        elif name != "config.json":  # which lists the commands that resumed the run
            assert a.read_bytes() == b.read_bytes(), name


def assert_same_state(ours, theirs):
    """Compare states of trainers, nested as they may be, to the last bit."""
    ours, theirs = dict(_flatten(ours)), dict(_flatten(theirs))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not _is_same(ours[name], theirs[name])] == []


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
