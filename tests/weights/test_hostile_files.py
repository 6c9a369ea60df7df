"""Files that try to run something or to exhaust the machine: refused by name, without effect."""

import time

import pytest
from reference.hostile_files import MARKER, hostile_files, proto4

from mocotool import boundary
from mocotool.errors import FileFormatError
from mocotool.generators.conversion import convert_generator
from mocotool.info import describe_file
from mocotool.weights.reading import read_generator_weights

FILES = hostile_files()
MAX_SECONDS = 2.0  # of processor time: other work on the machine is not our hang


def test_there_are_many_of_them():
    assert len(FILES) >= 40
    assert convert_generator is not None  # loaded here, so that the first file is not blamed


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_by_name(name, run_moco, tmp_path, monkeypatch):
    make, refused = FILES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pkl").write_bytes(make())
    start = time.process_time()

    result = run_moco("convert", "weights.pkl", "-o", "out.safetensors")

    assert time.process_time() - start < MAX_SECONDS
    assert result.exit_code == 3
    assert result.stderr.startswith("moco: error: weights.pkl: ")
    assert refused in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pkl"]
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize("name", FILES)
def test_info_refuses_it_as_well(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pkl"
    path.write_bytes(FILES[name][0]())

    with pytest.raises(FileFormatError):
        describe_file(path)

    assert [path.name for path in tmp_path.iterdir()] == ["weights.pkl"]


def test_a_pickle_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(boundary, "SPARE_SECONDS", 0.002)
    monkeypatch.setattr(boundary, "SECONDS_PER_BYTE", 0)
    (tmp_path / "slow.pkl").write_bytes(proto4(b"N0" * 200_000 + b"N"))

    with pytest.raises(FileFormatError, match=r"slow\.pkl: reading it takes far more time"):
        read_generator_weights(tmp_path / "slow.pkl")
