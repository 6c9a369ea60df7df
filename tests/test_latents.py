import dataclasses
import io
import json

import numpy as np
import pytest

from mocotool.errors import FileFormatError, MismatchError
from mocotool.latents import (
    LatentsMeta,
    Trajectory,
    check_latents_fit,
    read_latents,
    write_latents,
)
from mocotool.provenance import FileRecord

RECORD = FileRecord(path="/g.pkl", sha256="0" * 64, kind="stylegan2")


def make_trajectory(shape=(2, 3, 4), space="w", labels=None, **meta):
    latents = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return Trajectory(latents=latents, labels=labels, meta=LatentsMeta(space=space, **meta))


def packed(trajectory):
    file = io.BytesIO()
    write_latents(trajectory, file)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return io.BytesIO(file.getvalue())


def meta_array(**changes):
    return np.array(json.dumps({"schema": "moco.latents/1", "space": "w", **changes}))


def test_a_trajectory_comes_back_as_it_was():
    trajectory = make_trajectory(
        labels=np.array([1, 0]),
        fps=12.5,
        seeds=[1, 2],
        motion_seeds=[3, 4],
        generator=RECORD,
        motion=dataclasses.replace(RECORD, kind="motion"),
        gpu={"gpu": "Tesla T4", "driver": "535.161.08"},
        history=("moco sample",),
    )

    found = read_latents(io.BytesIO(packed(trajectory)), "walk.npz")

    np.testing.assert_array_equal(found.latents, trajectory.latents)
    np.testing.assert_array_equal(found.labels, [1, 0])
    assert found.labels.dtype == np.int64
    assert found.meta == trajectory.meta


def test_the_file_is_as_the_interface_says():
    trajectory = make_trajectory(labels=np.array([1, 0]), generator=RECORD)

    with np.load(io.BytesIO(packed(trajectory)), allow_pickle=False) as file:
        meta = json.loads(str(file["meta"]))
        dtypes = {key: file[key].dtype.kind for key in file}

    assert dtypes == {"latents": "f", "labels": "i", "meta": "U"}
    assert meta["schema"] == "moco.latents/1"
    assert meta["generator"] == {"path": "/g.pkl", "sha256": "0" * 64, "kind": "stylegan2"}
    assert set(meta) == {
        *("schema", "space", "fps", "seeds", "motion_seeds"),
        *("generator", "motion", "history", "version"),
    }


def test_equal_trajectories_give_equal_bytes():
    assert packed(make_trajectory()) == packed(make_trajectory())


def test_projected_w_of_nvlabs_is_read():
    w = np.ones((1, 14, 512), np.float32)

    found = read_latents(npz(w=w), "projected_w.npz")

    assert found.latents.shape == (1, 1, 14, 512)
    assert found.meta.space == "w+"
    assert found.meta.generator is None


def test_a_motion_record_needs_no_kind():
    record = {"path": "/m", "sha256": "1" * 64}

    found = read_latents(
        npz(latents=np.ones((1, 2, 3), np.float32), meta=meta_array(motion=record)), "x"
    )

    assert found.meta.motion == FileRecord(path="/m", sha256="1" * 64, kind="unknown")


LATENTS = np.ones((2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"meta": meta_array()}, "no field 'latents' .found: meta"),
        ({"latents": LATENTS}, "no field 'meta'"),
        ({"latents": LATENTS.astype(np.int32), "meta": meta_array()}, "int32 values"),
        ({"latents": LATENTS[0], "meta": meta_array()}, "expected .n, t, latent_dim"),
        ({"latents": LATENTS, "meta": meta_array(space="w+")}, "expected .n, t, num_ws"),
        ({"latents": LATENTS * np.nan, "meta": meta_array()}, "NaN or infinity .first in video 0"),
        ({"latents": LATENTS.astype(np.float64) * 1e300, "meta": meta_array()}, "NaN or infinity"),
        ({"latents": LATENTS[:0], "meta": meta_array()}, "expected .n, t, latent_dim"),
        ({"latents": LATENTS, "meta": meta_array(schema="moco.latents/9")}, "schema"),
        ({"latents": LATENTS, "meta": meta_array(space="q")}, "space 'q'"),
        ({"latents": LATENTS, "meta": meta_array(fps=-1)}, "fps -1"),
        ({"latents": LATENTS, "meta": meta_array(seeds=["a"])}, "seeds in meta"),
        ({"latents": LATENTS, "meta": meta_array(history="a")}, "history"),
        ({"latents": LATENTS, "meta": meta_array(gpu=[1])}, "gpu in meta"),
        ({"latents": LATENTS, "meta": meta_array(generator=3)}, "record of a file"),
        ({"latents": LATENTS, "meta": np.array("{")}, "meta is not a JSON"),
        ({"latents": LATENTS, "meta": meta_array(), "labels": np.ones(2)}, "labels"),
        ({"latents": LATENTS, "meta": meta_array(), "labels": np.ones(3, int)}, "labels"),
        ({"latents": LATENTS, "meta": meta_array(), "labels": -np.ones(2, int)}, "labels"),
        ({"w": LATENTS[0]}, "w has shape"),
    ],
)
def test_files_that_contradict_the_format_are_named(arrays, said):
    with pytest.raises(FileFormatError, match=rf"^walk\.npz: .*{said}"):
        read_latents(npz(**arrays), "walk.npz")


def test_a_command_is_added_to_the_history():
    trajectory = make_trajectory(history=("a",)).with_command("b")

    assert trajectory.meta.history == ("a", "b")


def test_latents_of_the_generator_fit(toy_generator, toy_trajectory):
    assert check_latents_fit(toy_trajectory, toy_generator) is None


@pytest.mark.parametrize(
    ("shape", "space", "said"),
    [
        ((1, 2, 11), "w", "11 dimensions"),
        ((1, 2, 12), "z", "latents in z"),
        ((1, 2, 4, 12), "w+", "4 layers"),
    ],
)
def test_latents_of_another_generator_are_refused(toy_generator, shape, space, said):
    with pytest.raises(MismatchError, match=rf"walk\.npz: .*{said}"):
        check_latents_fit(make_trajectory(shape, space), toy_generator, name="walk.npz")


def test_latents_of_a_generator_of_the_same_size_bring_a_warning(toy_generator):
    trajectory = make_trajectory((1, 2, 12), generator=RECORD)

    warning = check_latents_fit(trajectory, toy_generator)

    assert "/g.pkl" in warning
    assert "generator.safetensors" in warning
