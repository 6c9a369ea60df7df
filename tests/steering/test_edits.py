"""Edits: directions, truncation and smoothing, over time and on some layers."""

import numpy as np
import pytest
import torch

from mocotool.basis import PCABasis, write_basis
from mocotool.configs.edit import EditConfig, Move, parse_move
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.steering.directions import read_directions
from mocotool.steering.edits import edit_trajectory, smooth_frames
from mocotool.steering.schedules import ease_share, make_schedule

DIM = 6


def clip(num_frames=8, num_ws=None, seed=0):
    shape = (2, num_frames, DIM) if num_ws is None else (2, num_frames, num_ws, DIM)
    latents = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return Trajectory(latents=latents, meta=LatentsMeta(space="w" if num_ws is None else "w+"))


@pytest.fixture
def basis():
    rows, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((DIM, DIM)))
    return PCABasis(
        components=rows[:4].astype(np.float32),
        stdev=np.array([3, 2, 1, 0.5], np.float32),
        mean=np.arange(DIM, dtype=np.float32),
    )


def edit(trajectory, basis=None, num_ws=None, **config):
    return edit_trajectory(
        trajectory, config=EditConfig(**config), basis=basis, num_ws=num_ws
    ).latents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3:+2.0", Move("3", 2.0)),
        ("0:-1", Move("0", -1.0)),
        ("smile.npy", Move("smile.npy", 1.0)),
        ("smile.npy:-1.5", Move("smile.npy", -1.5)),
        ("all.npz#2:1", Move("all.npz", 1.0, 2)),
        ("c:d.npy", Move("c:d.npy", 1.0)),
    ],
)
def test_moves_are_typed_in_short(text, expected):
    assert parse_move(text) == expected


@pytest.mark.parametrize("text", ["3", "3:inf", "3:nan"])
def test_what_is_no_move_is_refused(text):
    with pytest.raises(ConfigError, match="expected 3"):
        parse_move(text)


def test_a_component_is_a_standard_deviation_long(basis):
    trajectory = clip()

    edited = edit(trajectory, basis, directions=(Move("1", 1.5),))

    away = (edited - trajectory.latents) @ basis.components.T
    np.testing.assert_allclose(away, np.broadcast_to([0, 3, 0, 0], away.shape), atol=1e-5)


def test_moves_add_up(basis):
    trajectory = clip()

    both = edit(trajectory, basis, directions=(Move("0", 1.0), Move("2", -2.0)))

    first = edit(trajectory, basis, directions=(Move("0", 1.0),)) - trajectory.latents
    second = edit(trajectory, basis, directions=(Move("2", -2.0),)) - trajectory.latents
    np.testing.assert_allclose(both - trajectory.latents, first + second, atol=1e-5)


def test_truncation_goes_towards_the_mean(basis):
    trajectory = clip()

    half = edit(trajectory, basis, truncation_psi=(0.5, 0.5))

    np.testing.assert_allclose(half, (trajectory.latents + basis.mean) / 2, atol=1e-6)
    mean = edit(trajectory, basis, truncation_psi=(0.0, 0.0))
    np.testing.assert_allclose(mean, np.broadcast_to(basis.mean, mean.shape), atol=1e-6)
    np.testing.assert_array_equal(
        edit(trajectory, basis, truncation_psi=(1.0, 1.0)), trajectory.latents
    )


def test_truncation_from_one_to_another(basis):
    trajectory = clip(5)

    edited = edit(trajectory, basis, truncation_psi=(1.0, 0.0))

    np.testing.assert_array_equal(edited[:, 0], trajectory.latents[:, 0])
    np.testing.assert_allclose(edited[:, 2], (trajectory.latents[:, 2] + basis.mean) / 2, atol=1e-6)
    np.testing.assert_allclose(edited[:, -1], np.tile(basis.mean, (2, 1)), atol=1e-6)


def test_a_schedule_says_how_much_at_each_frame(basis, tmp_path):
    (tmp_path / "curve.csv").write_text("frame,strength\n0,0\n1,1\n2,-2\n3,0.5\n")
    trajectory = clip(4)

    edited = edit(
        trajectory,
        basis,
        directions=(Move("0", 1.0),),
        schedule=str(tmp_path / "curve.csv"),
    )

    away = (edited - trajectory.latents) @ basis.components[0] / basis.stdev[0]
    np.testing.assert_allclose(away, [[0, 1, -2, 0.5]] * 2, atol=1e-6)


def test_layers_that_were_not_chosen_stay(basis):
    trajectory = clip(num_ws=5)

    edited = edit(
        trajectory,
        basis,
        directions=(Move("0", 2.0),),
        truncation_psi=(0.3, 0.3),
        smooth=1.0,
        layers=(1, 2),
    )

    np.testing.assert_array_equal(edited[:, :, [0, 3, 4]], trajectory.latents[:, :, [0, 3, 4]])
    assert (edited[:, :, 1:3] != trajectory.latents[:, :, 1:3]).any(axis=-1).mean() > 0.9


def test_layers_of_latents_in_w_make_them_w_plus(basis):
    trajectory = clip()
    config = EditConfig(directions=(Move("0", 2.0),), layers=(4, 5))

    edited = edit_trajectory(trajectory, config=config, basis=basis, num_ws=6)

    assert (edited.meta.space, edited.latents.shape) == ("w+", (2, 8, 6, DIM))
    np.testing.assert_array_equal(edited.latents[:, :, 0], trajectory.latents)
    whole = edit(trajectory, basis, directions=(Move("0", 2.0),))
    np.testing.assert_array_equal(edited.latents[:, :, 5], whole)


def test_nothing_asked_for_is_nothing_changed():
    trajectory = clip()

    np.testing.assert_array_equal(edit(trajectory), trajectory.latents)


def test_what_does_not_fit_is_refused(basis, tmp_path):
    (tmp_path / "short.csv").write_text("1\n2\n")
    (tmp_path / "words.csv").write_text("1\ntwo\n" + "3\n" * 6)
    move = {"directions": (Move("0", 1.0),)}

    with pytest.raises(ConfigError, match="need a basis"):
        edit(clip(), **move)
    with pytest.raises(ConfigError, match=r"no direction 4, the last is 3"):
        edit(clip(), basis, directions=(Move("4", 1.0),))
    with pytest.raises(MismatchError, match="2 numbers for 8 frames"):
        edit(clip(), basis, **move, schedule=str(tmp_path / "short.csv"))
    with pytest.raises(FileFormatError, match="row 2 ends with 'two'"):
        edit(clip(), basis, **move, schedule=str(tmp_path / "words.csv"))
    with pytest.raises(FileFormatError, match="no such file"):
        edit(clip(), basis, **move, schedule=str(tmp_path / "gone.csv"))
    with pytest.raises(ConfigError, match="schedule 'bounce'"):
        edit(clip(), basis, **move, schedule="bounce")
    with pytest.raises(ConfigError, match="layers 3-9: the generator has layers 0-4"):
        edit(clip(num_ws=5), basis, **move, layers=(3, 9))


# Curves


def test_curves_begin_and_end_where_they_say():
    for name, ends in {"constant": (1, 1), "linear": (0, 1), "ease": (0, 1)}.items():
        curve = make_schedule(name, 9)
        assert (curve[0], curve[-1]) == ends
    pulse = make_schedule("pulse", 8)
    assert pulse[0] == 0
    assert pulse[4] == pytest.approx(1)
    np.testing.assert_allclose(pulse[1:], pulse[1:][::-1])  # frame 8 would be frame 0


@pytest.mark.parametrize("ease", ["none", "in", "out", "in-out"])
def test_eases_go_from_0_to_1_and_never_back(ease):
    shares = ease_share(np.linspace(0, 1, 50), ease)

    assert (shares[0], shares[-1]) == (0, 1)
    assert (np.diff(shares) > 0).all()


# Smoothing


def plain_smooth(video, sigma):
    """Weigh the clip and its mirror images through both ends, one frame after the other."""
    t, reach = len(video), int(np.ceil(4 * sigma)) + 1

    def at(i):
        if i < 0:
            return 2 * video[0] - at(-i)
        return video[i] if i < t else 2 * video[-1] - at(2 * (t - 1) - i)

    offsets = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    assert reach >= offsets.max()
    weights /= weights.sum()
    return np.stack(
        [sum(w * at(i + o) for w, o in zip(weights, offsets, strict=True)) for i in range(t)]
    )


def test_smoothing_is_a_gaussian_over_the_mirrored_clip():
    video = clip(20).latents[:1].astype(np.float64)

    smoothed = smooth_frames(video.astype(np.float32), 1.5)

    np.testing.assert_allclose(smoothed[0], plain_smooth(video[0], 1.5), atol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 30])
@pytest.mark.parametrize("sigma", [0.5, 3.0, 40.0])
def test_smoothing_keeps_count_and_ends(num_frames, sigma):
    latents = clip(num_frames).latents

    smoothed = smooth_frames(latents, sigma)

    assert smoothed.shape == latents.shape
    np.testing.assert_array_equal(smoothed[:, [0, -1]], latents[:, [0, -1]])


def test_a_straight_line_stays_straight():
    line = np.linspace(0, 1, 20, dtype=np.float32)[None, :, None] * np.ones((1, 1, 3), np.float32)

    np.testing.assert_allclose(smooth_frames(line, 2.0), line, atol=1e-6)


def test_a_smoothed_loop_has_no_beginning():
    latents = clip(16).latents

    smoothed = smooth_frames(latents, 1.5, is_loop=True)

    turned = smooth_frames(np.roll(latents, 5, axis=1), 1.5, is_loop=True)
    np.testing.assert_allclose(turned, np.roll(smoothed, 5, axis=1), atol=1e-6)


# Directions in files


def save(path, vectors):
    if path.suffix == ".npy":
        np.save(path, vectors)
    elif path.suffix == ".npz":
        np.savez(path, direction=vectors)
    else:
        torch.save(torch.from_numpy(vectors), path)
    return path


@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_vector_is_read_from_any_of_the_usual_files(tmp_path, ending, dtype):
    vector = np.arange(DIM).astype(dtype)
    path = save(tmp_path / f"smile{ending}", vector)
    trajectory = clip()

    edited = edit(trajectory, directions=(Move(str(path), -2.0),))

    np.testing.assert_allclose(
        edited - trajectory.latents, np.tile(-2 * vector, (2, 8, 1)), atol=1e-5
    )


def test_a_vector_for_each_layer_moves_each_layer_its_own_way(tmp_path):
    vectors = np.arange(5 * DIM, dtype=np.float32).reshape(5, DIM)
    path = save(tmp_path / "age.npy", vectors)
    trajectory = clip(num_ws=5)

    edited = edit(trajectory, directions=(Move(str(path), 1.0),))

    moved = edited - trajectory.latents
    np.testing.assert_allclose(moved, np.broadcast_to(vectors, moved.shape), atol=1e-5)
    in_w = edit(clip(), directions=(Move(str(save(tmp_path / "one.npy", vectors[None])), 1.0),))
    assert in_w.shape == (2, 8, 5, DIM)


def test_one_of_several_vectors_is_said_by_its_number(tmp_path, basis):
    path = save(tmp_path / "all.npy", np.eye(3, DIM, dtype=np.float32))
    trajectory = clip()

    edited = edit(trajectory, directions=(Move(str(path), 1.0, 2),))

    np.testing.assert_allclose((edited - trajectory.latents)[..., 2], 1.0, atol=1e-6)
    with pytest.raises(ConfigError, match=r"holds 3 directions, choose one: .*all\.npy#0"):
        edit(trajectory, directions=(Move(str(path), 1.0),))
    with (tmp_path / "pca.npz").open("wb") as file:
        write_basis(basis, file)
    np.testing.assert_array_equal(read_directions(tmp_path / "pca.npz"), basis.directions)


def test_files_that_hold_no_directions_are_refused(tmp_path):
    np.save(tmp_path / "counts.npy", np.arange(6))
    np.save(tmp_path / "nan.npy", np.full(6, np.nan, np.float32))
    np.save(tmp_path / "short.npy", np.ones(5, np.float32))
    np.savez(tmp_path / "two.npz", a=np.ones(6), b=np.ones(6))
    torch.save({"a": torch.ones(6), "b": torch.ones(6)}, tmp_path / "two.pt")
    (tmp_path / "noise.pt").write_bytes(b"nothing that torch writes")

    for name in ("counts.npy", "nan.npy", "two.npz", "two.pt", "noise.pt", "gone.npy"):
        with pytest.raises(FileFormatError, match=name.replace(".", r"\.")):
            edit(clip(), directions=(Move(str(tmp_path / name), 1.0),))
    with pytest.raises(MismatchError, match="directions of 5 dimensions, the latents have 6"):
        edit(clip(), directions=(Move(str(tmp_path / "short.npy"), 1.0),))
