"""Where controls stand, what is shown, and the command line that makes the same."""

import io
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from mocotool.configs.explore import MAX_FRAMES, ExploreConfig, ExploreView
from mocotool.downloads import cached_path
from mocotool.errors import ConfigError, MismatchError, UnavailableError
from mocotool.explore.line import Named, make_commands, shortest
from mocotool.explore.opening import load_explorer
from mocotool.explore.session import CHUNK_FRAMES, FrameCache
from mocotool.latents import read_latents
from mocotool.video.opening import open_video
from mocotool.video.pictures import decode_image
from mocotool.video.reading import read_frames

CONFIG = ExploreConfig(num_samples=500)
MOVED = ExploreView(
    seed=5,
    motion_seed=2,
    truncation_psi=0.7,
    step_size=0.31,
    num_frames=7,
    fps=15.0,
    directions=(0.0, 1.5, -0.35),
)


def decode(png, folder):
    path = folder / "frame.png"
    path.write_bytes(png)
    return decode_image(path)


def render(explorer, view, folder, *, first=0):
    frames = {number: decode(png, folder) for number, png in explorer.frames(view, first=first)}
    return np.stack([frames[number] for number in range(view.num_frames)])


@pytest.fixture
def open_toy(toy_motion_path, toy_generator_path, toy_pca_path):
    def load(kind):
        if kind == "motion":
            return load_explorer(toy_motion_path, config=CONFIG)
        if kind == "basis":
            return load_explorer(str(toy_motion_path), pca=str(toy_pca_path))
        return load_explorer(toy_generator_path, pca=toy_pca_path)

    return load


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("motion", MOVED),
        ("basis", MOVED),
        ("basis", ExploreView(num_frames=5, loop=False)),
        ("path", ExploreView(seed=3, motion_seed=9, num_frames=6, directions=(2.0,))),
        ("path", ExploreView(seed=3, motion_seed=3, num_frames=4, loop=False, truncation_psi=0.5)),
    ],
)
def test_the_command_line_makes_the_same_frames(kind, view, open_toy, run_moco, tmp_path):
    explorer = open_toy(kind)
    out = tmp_path / "clip.apng"  # which loses nothing

    made = None
    for command in explorer.commands(view, out=str(out)):
        words = shlex.split(command)
        assert words[0] == "moco"
        result = run_moco(*words[1:], input=made)
        assert result.exit_code == 0, result.stderr
        made = result.stdout_bytes

    entry = open_video(out)
    typed = read_frames(entry, range(entry.num_frames))
    shown = render(explorer, view, tmp_path)
    assert entry.fps == pytest.approx(view.fps)
    assert shown.shape == typed.shape
    # batches of another size round otherwise
    assert np.abs(shown.astype(int) - typed).max() <= 1


def test_the_saved_latents_are_those_of_the_command_line(open_toy, run_moco):
    explorer = open_toy("basis")
    saved = explorer.trajectory(MOVED)

    first, second = explorer.commands(MOVED, out="-")
    sampled = run_moco(*shlex.split(first)[1:])
    edited = run_moco(*shlex.split(second)[1:], input=sampled.stdout_bytes)
    typed = read_latents(io.BytesIO(edited.stdout_bytes), "typed")

    np.testing.assert_array_equal(saved.latents, typed.latents)
    assert saved.meta.fps == typed.meta.fps == 15.0
    assert saved.meta.seeds == typed.meta.seeds == [5]
    assert [line.split()[1] for line in saved.meta.history] == ["sample", "edit"]


def test_frames_begin_where_one_looks_and_the_first_comes_alone(open_toy, monkeypatch):
    explorer, sizes = open_toy("basis"), []
    whole = explorer._render_chunk
    monkeypatch.setattr(
        explorer, "_render_chunk", lambda t, chunk: sizes.append(len(chunk)) or whole(t, chunk)
    )

    numbers = [number for number, _ in explorer.frames(ExploreView(num_frames=8), first=6)]

    assert numbers == [6, 7, 0, 1, 2, 3, 4, 5]
    assert sizes == [1, CHUNK_FRAMES, 3]


def test_what_did_not_change_is_not_computed_again(open_toy, monkeypatch):
    explorer = open_toy("basis")
    view = ExploreView(num_frames=6, directions=(1.0,))
    before = list(explorer.frames(view))
    monkeypatch.setattr("mocotool.explore.session.render_video", None)
    monkeypatch.setattr("mocotool.explore.session.sample_trajectory", None)

    again = ExploreView(num_frames=6, directions=(1.0, 0.0), fps=24.0)
    assert list(explorer.frames(again)) == before


def test_a_step_size_of_one_view_is_not_that_of_the_next(open_toy):
    explorer = open_toy("basis")
    before = explorer.trajectory(ExploreView(num_frames=4)).latents

    still = explorer.trajectory(ExploreView(num_frames=4, step_size=0.0)).latents
    after = explorer.trajectory(ExploreView(num_frames=4, seed=1)).latents

    np.testing.assert_array_equal(still, still[:, :1].repeat(4, axis=1))
    assert np.abs(np.diff(before, axis=1)).max() > 0
    assert np.abs(np.diff(after, axis=1)).max() > 0


def test_frames_that_nobody_asked_for_lately_are_forgotten():
    cache = FrameCache(max_bytes=25)
    for key in (b"a", b"b"):
        cache.keep(key, b"x" * 10)
    cache.find(b"a")

    cache.keep(b"c", b"x" * 10)

    assert [cache.find(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    assert cache.size_bytes == 22


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (ExploreView(directions=(0.0,) * 12 + (1.0,)), "the basis has 12 components"),
        (ExploreView(num_frames=1, seed=2), "2 keyframes in 1 frames"),
        (ExploreView(label=3), "no classes"),
    ],
)
def test_a_view_that_the_generator_has_not_is_a_sentence(view, said, open_toy):
    with pytest.raises((ConfigError, MismatchError), match=said):
        open_toy("path").frames(view)


def test_large_pictures_have_fewer_frames(open_toy, monkeypatch):
    explorer = open_toy("path")
    assert explorer.max_frames == MAX_FRAMES
    monkeypatch.setattr(type(explorer.generator), "img_size", (4096, 4096))

    with pytest.raises(ConfigError, match="expected at most 32"):
        explorer.frames(ExploreView(num_frames=33))


def test_large_pictures_come_one_by_one(open_toy, monkeypatch):
    explorer, sizes = open_toy("path"), []
    monkeypatch.setattr(type(explorer.generator), "img_size", (512, 512))
    monkeypatch.setattr(
        explorer, "_render_chunk", lambda _, chunk: sizes.append(len(chunk)) or [b""] * len(chunk)
    )

    list(explorer.frames(ExploreView(num_frames=4)))

    assert sizes == [1, 1, 1, 1]


def test_memory_that_runs_out_is_a_sentence(open_toy, monkeypatch):
    def fail(*_, **__):
        raise MemoryError
        yield

    monkeypatch.setattr("mocotool.explore.session.render_video", fail)

    with pytest.raises(UnavailableError, match="out of memory"):
        list(open_toy("path").frames(ExploreView(num_frames=4)))


def test_two_generators_are_one_too_many(toy_generator_path):
    with pytest.raises(ConfigError, match="two generators"):
        load_explorer(toy_generator_path, generator=toy_generator_path)


def test_a_generator_that_the_bundled_motion_does_not_fit_is_said(toy_generator_path):
    said = []

    explorer = load_explorer(generator=toy_generator_path, config=CONFIG, warn=said.append)

    assert explorer.motion is None
    assert "paths from one seed to another" in said[0]


def test_a_fetched_generator_is_named_by_its_address(
    toy_generator_path, toy_pca_path, tmp_path, monkeypatch
):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path))
    address = "https://example.com/g.safetensors"
    cached_path(address).parent.mkdir(parents=True)
    shutil.copy(toy_generator_path, cached_path(address))

    explorer = load_explorer(Path(address), pca=toy_pca_path)

    (command,) = explorer.commands(ExploreView(), out="clip.mp4")
    assert f"--generator {address} " in command


def test_a_basis_of_another_generator_is_a_sentence(toy_pca_path):
    with pytest.raises(
        MismatchError, match="its components have 12 dimensions, the generator's latents 128"
    ):
        load_explorer(pca=toy_pca_path)


def test_names_that_a_shell_would_split_are_quoted():
    named = Named(motion="my motion.pth", pca="p.npz", motion_needs_pca=True, device="cpu")

    first, second = make_commands(
        ExploreView(directions=(1.0,)), named, has_motion=True, out="a b.mp4"
    )

    assert first.startswith("moco sample 'my motion.pth' --pca p.npz --seeds 0")
    assert second == "moco edit --direction 0:1 --pca p.npz -o 'a b.mp4' --device cpu"


@pytest.mark.parametrize("value", [0.1, 0.7, 1e-7, 2.0, -0.35, 1 / 3])
def test_numbers_come_back_to_the_last_bit(value):
    assert float(shortest(value)) == value
    assert shortest(2.0) == "2"
