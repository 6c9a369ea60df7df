import dataclasses
import shutil

import pytest

from mocotool.errors import FileFormatError, MismatchError
from mocotool.generators.recorded import load_recorded_generator


@pytest.fixture
def record(toy_generator):
    return toy_generator.origin.file


def test_the_recorded_path_comes_first(record):
    assert load_recorded_generator(record, name="walk.npz").origin.file == record


def test_a_moved_file_is_found_beside_the_artefact(record, tmp_path, toy_generator_path):
    moved = dataclasses.replace(record, path="/gone/generator.safetensors")
    shutil.copy(toy_generator_path, tmp_path)

    generator = load_recorded_generator(moved, name="walk.npz", beside=[tmp_path])

    assert generator.origin.file.sha256 == record.sha256


def test_a_file_of_another_content_is_not_taken(record, tmp_path):
    changed = dataclasses.replace(record, path=str(tmp_path / "generator.safetensors"))
    (tmp_path / "generator.safetensors").write_bytes(b"something else")

    with pytest.raises(MismatchError, match=r"walk\.npz: was made .* has changed since") as info:
        load_recorded_generator(changed, name="walk.npz")

    assert "--generator" in info.value.hint


def test_a_changed_file_is_passed_over_for_the_right_one(record, tmp_path, toy_generator_path):
    changed = dataclasses.replace(record, path=str(tmp_path / "generator.safetensors"))
    (tmp_path / "generator.safetensors").write_bytes(b"something else")

    generator = load_recorded_generator(
        changed, name="walk.npz", beside=[toy_generator_path.parent]
    )

    assert generator.origin.file.sha256 == record.sha256


def test_a_generator_that_is_nowhere_is_named(record, tmp_path):
    gone = dataclasses.replace(record, path="/gone/generator.safetensors")

    with pytest.raises(FileFormatError, match="/gone/generator.safetensors, which is not there"):
        load_recorded_generator(gone, name="walk.npz", beside=[tmp_path])
