"""Motion models on disk."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from test_motion_generator import make_motion
from torch.testing import assert_close

from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.info import describe_file
from mocotool.motion.checkpoint import load_motion, read_motion_record, save_motion
from mocotool.provenance import FileRecord

GOLDEN = Path(__file__).parent.parent / "golden"
OFFICIAL = GOLDEN / "motion-64-modelR_epoch_0.pth"


@pytest.fixture
def pca_folder(tmp_path):
    folder = tmp_path / "pca_stats"
    folder.mkdir()
    components = np.load(GOLDEN / "motion-64-pca_comp.npy")
    np.save(folder / "pca_comp.npy", components)
    np.save(folder / "pca_stdev.npy", np.load(GOLDEN / "motion-64-pca_stdev.npy"))
    np.save(folder / "pca_var_ratio.npy", np.full(len(components), 1 / 64, np.float32))
    np.save(folder / "style_mean.npy", np.zeros(64, np.float32))
    np.save(folder / "style_var.npy", np.ones(64, np.float32))
    return folder


@pytest.fixture
def saved(tmp_path):
    motion = make_motion(step_size=0.3)
    motion.num_frames = 24
    motion.generator_record = FileRecord(path="/g.pkl", sha256="0" * 64, kind="stylegan2")
    path = tmp_path / "motion.safetensors"
    save_motion(motion, path, config={"batch_size": 2}, notes={"step": 7})
    return motion, path


def test_a_saved_model_comes_back_whole(saved):
    motion, path = saved

    loaded = load_motion(path)

    assert loaded.state_dict().keys() == motion.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in motion.state_dict().items())
    assert loaded.arch == motion.arch
    assert loaded.num_frames == 24
    assert loaded.generator_record == motion.generator_record
    assert loaded.origin.kind == "motion"
    assert not loaded.training


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    motion, path = saved

    save_motion(motion, tmp_path / "again.safetensors", config={"batch_size": 2}, notes={"step": 7})

    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_the_record_tells_settings_and_notes(saved):
    record = read_motion_record(saved[1])

    assert record["config"] == {"batch_size": 2}
    assert record["notes"] == {"step": 7}


@pytest.mark.parametrize(
    ("config", "stride"),
    [
        ({"frame_stride": 2}, 2),
        ({}, None),
        ({"frame_stride": -1}, None),
        ({"frame_stride": "2"}, None),
    ],
)
def test_a_model_says_every_which_frame_it_learnt_from(tmp_path, config, stride):
    save_motion(make_motion(), tmp_path / "motion.safetensors", config=config)

    assert load_motion(tmp_path / "motion.safetensors").frame_stride == stride


def test_the_bundled_model_may_be_named_and_says_which_frames_it_learnt_from():
    named = load_motion("bundled:motion.safetensors")

    assert named.origin == load_motion().origin
    assert named.frame_stride == 2


def test_the_authors_file_is_read_with_their_folder(pca_folder):
    golden = np.load(GOLDEN / "motion-64.npz")

    motion = load_motion(OFFICIAL, pca=pca_folder)

    trajectory = motion(torch.from_numpy(golden["w0"]), torch.from_numpy(golden["eps"]))
    assert (motion.hidden_dim, len(motion.components), motion.step_size) == (48, 40, 0.2)
    assert_close(trajectory, torch.from_numpy(golden["trajectory"]), rtol=1e-5, atol=1e-5)


def test_the_step_size_can_be_told(saved, pca_folder):
    assert load_motion(saved[1], step_size=0.7).step_size == 0.7
    assert load_motion(OFFICIAL, pca=pca_folder, step_size=0.5).step_size == 0.5


def test_the_authors_file_without_its_basis_says_what_to_add():
    with pytest.raises(ConfigError, match="hold no PCA basis") as error:
        load_motion(OFFICIAL)

    assert "--pca" in error.value.hint


def test_a_basis_with_too_few_components_is_refused(pca_folder):
    np.save(pca_folder / "pca_comp.npy", np.load(pca_folder / "pca_comp.npy")[:8])
    np.save(pca_folder / "pca_stdev.npy", np.load(pca_folder / "pca_stdev.npy")[:8])
    np.save(pca_folder / "pca_var_ratio.npy", np.load(pca_folder / "pca_var_ratio.npy")[:8])

    with pytest.raises(MismatchError, match="has 8 components"):
        load_motion(OFFICIAL, pca=pca_folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a model at all", "not a file of weights"),
        (b"PK\x03\x04 torn", "a damaged zip file"),
        (b"\x80\x02}q\x00.", "something other than a table of named tensors"),
    ],
)
def test_other_files_are_named_and_refused(tmp_path, content, said):
    path = tmp_path / "wrong.pth"
    path.write_bytes(content)

    with pytest.raises(FileFormatError, match=rf"wrong\.pth: .*{said}"):
        load_motion(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_flipped_bit_in_the_authors_file_is_noticed(tmp_path, pca_folder, share):
    data = bytearray(OFFICIAL.read_bytes())
    data[int(share * len(data))] ^= 1
    path = tmp_path / OFFICIAL.name
    path.write_bytes(data)

    for read in (describe_file, lambda path: load_motion(path, pca=pca_folder)):
        with pytest.raises(FileFormatError, match="checksum"):
            read(path)


def test_a_truncated_file_is_refused(saved, tmp_path):
    torn = tmp_path / "torn.safetensors"
    shutil.copy(saved[1], torn)
    torn.write_bytes(torn.read_bytes()[:-100])

    with pytest.raises(FileFormatError, match=r"torn\.safetensors"):
        load_motion(torn)


def test_weights_of_something_else_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"main.0.weight": torch.zeros(2)}, path)

    with pytest.raises(FileFormatError, match="is not a motion model"):
        load_motion(path)
