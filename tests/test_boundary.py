"""Whatever foreign bytes cause becomes one sentence with the file's name."""

import pytest

from mocotool.boundary import Meter, foreign_data
from mocotool.errors import ConfigError, FileFormatError


@pytest.mark.parametrize(
    "error", [ValueError("odd\nbytes"), AttributeError("None"), RecursionError(), KeyError("w")]
)
def test_any_exception_becomes_a_sentence_with_the_files_name(error):
    with (
        pytest.raises(FileFormatError, match=r"^x\.bin: not a walrus, or damaged \(") as caught,
        foreign_data("x.bin", what="a walrus", hint="look again"),
    ):
        raise error

    assert "\n" not in str(caught.value)
    assert caught.value.hint == "look again"
    assert caught.value.__cause__ is error


def test_a_sentence_gets_the_files_name_once():
    with (
        pytest.raises(FileFormatError, match=r"^x\.bin: the header is odd$"),
        foreign_data("x.bin", what="a walrus"),
        foreign_data("x.bin", what="a walrus"),
    ):
        raise FileFormatError("the header is odd")


@pytest.mark.parametrize("error", [ConfigError("no"), MemoryError(), KeyboardInterrupt()])
def test_what_the_bytes_did_not_cause_passes(error):
    with pytest.raises(type(error)), foreign_data("x.bin", what="a walrus"):
        raise error


def test_a_meter_ends_what_has_no_end():
    meter = Meter.for_file(1000)
    meter.take_bytes(1 << 26)
    meter.take_items(1_000_000)

    with pytest.raises(FileFormatError, match="far more bytes"):
        meter.take_bytes(2001)
    with pytest.raises(FileFormatError, match="entries"):
        meter.take_items(1)
