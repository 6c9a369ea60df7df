"""Paths: every keyframe at its time, exact counts, loops without a seam."""

import dataclasses

import numpy as np
import pytest

from mocotool.configs.path import PathConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.provenance import FileRecord
from mocotool.steering.keyframes import (
    Keyframe,
    gather_keyframes,
    make_path,
    parse_keyframe,
    place_keyframes,
)

MODES = ["linear", "cubic", "pchip", "slerp"]


def keys(num_keys, space="w", seed=0):
    latents = np.random.default_rng(seed).standard_normal((1, num_keys, 6)).astype(np.float32)
    return Trajectory(latents=latents, meta=LatentsMeta(space=space))


def path(keyframes, times=None, **config):
    return make_path(keyframes, times=times, config=PathConfig(**config)).latents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed:5", Keyframe(seed=5)),
        ("seed:5@12", Keyframe(seed=5, time=12)),
        ("5", Keyframe(seed=5)),
        ("5@0", Keyframe(seed=5, time=0)),
        ("./5@0", Keyframe(file="./5", time=0)),
        ("a.npz", Keyframe(file="a.npz")),
        ("a.npz@0", Keyframe(file="a.npz", time=0)),
        ("a.npz#2", Keyframe(file="a.npz", frame_idx=2)),
        ("a.npz#-3@7", Keyframe(file="a.npz", frame_idx=-3, time=7)),
        ("a.npz#1:2", Keyframe(file="a.npz", video_idx=1, frame_idx=2)),
        ("me@home#x.npz", Keyframe(file="me@home#x.npz")),
        ("-", Keyframe(file="-")),
    ],
)
def test_keyframes_are_typed_in_short(text, expected):
    assert parse_keyframe(text) == expected


@pytest.mark.parametrize("text", ["seed:", "seed:x", "seed:-1", "seed:99999999999", "99999999999"])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(ConfigError, match="not a keyframe"):
        parse_keyframe(text)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("ease", ["none", "in", "out", "in-out"])
@pytest.mark.parametrize("times", [None, [2, 3, 11, 17]])
def test_every_keyframe_is_shown_exactly_at_its_time(mode, loop, ease, times):
    keyframes = keys(4)

    latents = path(keyframes, times, num_frames=24, mode=mode, loop=loop, ease=ease)

    assert latents.shape == (1, 24, 6)
    places = times or ([0, 6, 12, 18] if loop else [0, 8, 15, 23])
    np.testing.assert_array_equal(latents[:, places], keyframes.latents)
    assert np.isfinite(latents).all()


@pytest.mark.parametrize("mode", MODES)
def test_before_the_first_time_and_after_the_last_it_rests(mode):
    keyframes = keys(3)

    latents = path(keyframes, [3, 6, 9], num_frames=14, mode=mode)

    np.testing.assert_array_equal(latents[0, :3], np.repeat(keyframes.latents[0, :1], 3, axis=0))
    np.testing.assert_array_equal(latents[0, 10:], np.repeat(keyframes.latents[0, 2:], 4, axis=0))


@pytest.mark.parametrize("mode", MODES)
def test_one_keyframe_is_a_still(mode):
    keyframes = keys(1)

    for loop in (False, True):
        latents = path(keyframes, num_frames=5, mode=mode, loop=loop)
        np.testing.assert_allclose(latents[0], np.repeat(keyframes.latents[0], 5, 0), atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_a_loop_has_no_beginning(mode):
    keyframes = keys(4)
    turned = dataclasses.replace(keyframes, latents=np.roll(keyframes.latents, -1, axis=1))

    whole = path(keyframes, [0, 5, 7, 15], num_frames=20, mode=mode, loop=True)

    later = path(turned, [0, 2, 10, 15], num_frames=20, mode=mode, loop=True)
    np.testing.assert_allclose(later, np.roll(whole, -5, axis=1), atol=1e-5)


def test_a_cubic_loop_is_as_smooth_at_its_seam_as_anywhere():
    latents = path(keys(5), num_frames=400, loop=True)[0].astype(np.float64)

    bends = np.linalg.norm(np.roll(latents, -1, 0) - 2 * latents + np.roll(latents, 1, 0), axis=-1)

    jumps = np.abs(np.roll(bends, -1) - bends)
    assert max(jumps[-1], jumps[0], jumps[-2]) <= np.sort(jumps)[-20]


def test_uneven_times_make_no_corner_in_a_spline():
    latents = path(keys(4), [0, 100, 130, 300], num_frames=301)[0].astype(np.float64)

    steps = np.diff(latents, axis=0)

    change = np.linalg.norm(np.diff(steps, axis=0), axis=-1)
    assert change[[98, 99, 128, 129]].max() < 0.15 * np.linalg.norm(steps, axis=-1).max()


def test_ease_in_and_out_is_slow_at_keyframes():
    steps = np.linalg.norm(
        np.diff(path(keys(3), [0, 20, 40], num_frames=41, mode="linear", ease="in-out")[0], axis=0),
        axis=-1,
    )

    assert steps[[0, 19, 20, 39]].max() < 0.2 * steps.max()
    np.testing.assert_allclose(steps[:20], steps[:20][::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("times", "config", "said"),
    [
        ([0, None], {}, "all or none"),
        ([4, 4], {}, "each after the one before"),
        ([9, 4], {}, "each after the one before"),
        ([0, 48], {}, "frames 0 to 47"),
        ([None] * 5, {"num_frames": 4}, "5 keyframes in 4 frames"),
    ],
)
def test_times_that_make_no_path_are_refused(times, config, said):
    with pytest.raises(ConfigError, match=said):
        place_keyframes(times, PathConfig(**config))


# Where keyframes come from


def gather(texts, files, drawn=None):
    def read(name):
        return files[name], name

    def draw(seeds, record):
        latents = np.stack([np.full((1, 6), seed, np.float32) for seed in seeds])
        return Trajectory(latents=latents, meta=LatentsMeta(space="w", generator=record))

    return gather_keyframes([parse_keyframe(text) for text in texts], read=read, draw=draw)


def test_seeds_and_frames_of_files_come_in_the_order_they_were_typed():
    latents = np.arange(2 * 3 * 6, dtype=np.float32).reshape(2, 3, 6)
    files = {"a.npz": Trajectory(latents=latents, meta=LatentsMeta(space="w"))}

    found, warning = gather(["seed:7", "a.npz", "a.npz#1:0", "seed:2", "seed:7"], files)

    expected = [np.full(6, 7), latents[0, 2], latents[1, 0], np.full(6, 2), np.full(6, 7)]
    np.testing.assert_array_equal(found.latents[0], expected)
    assert warning is None


def test_w_beside_w_plus_becomes_w_plus():
    layered = np.random.default_rng(0).standard_normal((1, 2, 4, 6)).astype(np.float32)
    files = {"a.npz": Trajectory(latents=layered, meta=LatentsMeta(space="w+"))}

    found, _ = gather(["seed:3", "a.npz"], files)

    assert (found.meta.space, found.latents.shape) == ("w+", (1, 2, 4, 6))
    np.testing.assert_array_equal(found.latents[0, 0], np.full((4, 6), 3))
    np.testing.assert_array_equal(found.latents[0, 1], layered[0, 1])


def test_latents_that_do_not_belong_together_are_refused():
    other = Trajectory(latents=np.zeros((1, 1, 5), np.float32), meta=LatentsMeta(space="w"))
    in_z = Trajectory(latents=np.zeros((1, 1, 6), np.float32), meta=LatentsMeta(space="z"))

    with pytest.raises(MismatchError, match=r"b\.npz.*\[5\]|\[6\].*b\.npz"):
        gather(["seed:1", "b.npz"], {"b.npz": other})
    with pytest.raises(MismatchError, match="latents in z"):
        gather(["seed:1", "b.npz"], {"b.npz": in_z})


def test_latents_of_two_generators_are_warned_of():
    records = [FileRecord(path=f"{name}.pkl", sha256=name * 64, kind="stylegan2") for name in "ab"]
    files = {
        record.path: Trajectory(
            latents=np.zeros((1, 1, 6), np.float32), meta=LatentsMeta(space="w", generator=record)
        )
        for record in records
    }

    _, warning = gather(["a.pkl", "b.pkl"], files)

    assert "b.pkl" in warning
    assert "a.pkl" in warning


@pytest.mark.parametrize(("text", "said"), [("a.npz#5", "no frame 5"), ("a.npz#2:0", "no video 2")])
def test_a_frame_that_is_not_there_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        gather([text], {"a.npz": keys(3)})
