"""Paths may be strings, wherever the package takes them."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest
from survey import ROOT, parse

import mocotool as moco
from mocotool.bundled import FOLDER
from mocotool.files import check_output_folder, make_folder
from mocotool.latents import LatentsMeta
from mocotool.video.numbered import write_numbered


def list_parameters():
    """Yield every parameter of every public function and class: names and annotation."""
    for name, module in moco._PUBLIC.items():
        tree = parse((ROOT / module.replace(".", "/")).with_suffix(".py"))
        found = next(node for node in tree.body if getattr(node, "name", None) == name)
        inits = [node for node in getattr(found, "body", []) if is_init(node)]
        for function in [found] if isinstance(found, ast.FunctionDef) else inits:
            arguments = [*function.args.args, *function.args.kwonlyargs]
            yield from ((name, a.arg, ast.unparse(a.annotation)) for a in arguments if a.annotation)


def is_init(node):
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def test_every_public_function_that_takes_a_path_takes_a_string():
    paths = [
        (name, key, hint)
        for name, key, hint in list_parameters()
        if "Path" in hint.split("PathConfig")[0]
    ]

    assert len(paths) > 40
    assert [(name, key) for name, key, hint in paths if "str" not in hint] == []


def test_strings_read_and_write_what_paths_do(tmp_path):
    picture = np.full((16, 16, 3), 77, np.uint8)
    name = str(tmp_path / "picture.png")

    moco.write_png(name, picture)
    moco.write_video(str(tmp_path / "clip.mkv"), [np.stack([picture] * 3)], fps=8)

    np.testing.assert_array_equal(moco.read_image(name), picture)
    assert moco.open_video(str(tmp_path / "clip.mkv")).num_frames == 3
    assert moco.describe_file(name)["what"] == "picture"
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


def test_latents_and_bases_are_written_to_paths_strings_and_streams_alike(tmp_path):
    motion = moco.load_motion(str(FOLDER / "motion.safetensors"))
    trajectory = moco.Trajectory(
        latents=np.zeros((1, 2, motion.latent_dim), np.float32), meta=LatentsMeta(space="w")
    )
    stream = io.BytesIO()

    moco.write_latents(trajectory, str(tmp_path / "a.npz"))
    moco.write_latents(trajectory, tmp_path / "b.npz")
    moco.write_latents(trajectory, stream)
    moco.save_motion(motion, str(tmp_path / "motion.safetensors"))

    written = [(tmp_path / name).read_bytes() for name in ("a.npz", "b.npz")]
    assert written == [stream.getvalue()] * 2
    assert moco.read_latents(str(tmp_path / "a.npz")).latents.shape == trajectory.latents.shape
    assert (tmp_path / "motion.safetensors").is_file()


def test_a_string_that_names_nothing_is_refused_by_name(tmp_path):
    missing = str(tmp_path / "nothing.npz")
    for read in (moco.read_latents, moco.read_basis, moco.describe_file, moco.open_side):
        with pytest.raises(moco.FileFormatError, match="nothing"):
            read(missing)
    assert Path(missing).parent == tmp_path


IMPOSSIBLE = {"null byte": "out/a\0b.npz", "lone surrogate": "out/\ud800.npz"}


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    motion = moco.load_motion(FOLDER / "motion.safetensors")
    meta = LatentsMeta(space="w")
    walk = moco.Trajectory(latents=np.zeros((1, 2, motion.latent_dim), np.float32), meta=meta)
    picture = np.zeros((8, 8, 3), np.uint8)

    writers = (
        lambda: moco.write_latents(walk, name),
        lambda: moco.save_motion(motion, name),
        lambda: moco.write_png(name, picture),
        lambda: moco.write_video(name.replace("npz", "mkv"), [picture[None]], fps=8),
        lambda: moco.RunFolder(name).open(moco.TrainMotionConfig(), resume=False),
        lambda: make_folder(Path(name)),
        lambda: check_output_folder(Path(name), force=False),
        lambda: write_numbered(Path(name) / "%05d.png", [picture[None]]),
    )

    for write in writers:
        with pytest.raises(moco.ConfigError, match="not a name that a file can have"):
            write()
    for read in (moco.read_latents, moco.load_motion, moco.read_image, moco.list_videos):
        with pytest.raises(moco.FileFormatError):
            read(name)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_is_not_made_in_place_of_a_file(tmp_path):
    (tmp_path / "file").write_text("here")

    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(moco.ConfigError, match="a file is in the way"):
            make_folder(folder)
