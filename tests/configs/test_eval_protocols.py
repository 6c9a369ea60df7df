"""Protocols by the names that papers use are what their programs do."""

from pathlib import Path

import pytest

from mocotool.configs.evaluate import (
    FRAME_PRESETS,
    PRESETS,
    SCORE_PRESETS,
    FrameProtocol,
    ScoreProtocol,
    VideoProtocol,
)
from mocotool.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "num_frames", "stride", "span"),
    [
        ("fvd2048_16f", 16, 1, 16),
        ("fvd2048_128f", 128, 1, 128),
        ("fvd2048_128f_subsample8f", 16, 8, 121),
    ],
)
def test_stylegan_vs_names_are_its_settings(name, num_frames, stride, span):
    protocol = VideoProtocol.from_preset(name)

    strides = {protocol.stride_of(role) for role in ("real", "fake")}
    assert (protocol.num_frames, strides) == (num_frames, {stride})
    assert (num_frames - 1) * stride + 1 == span
    assert (protocol.num_real, protocol.num_fake) == (2048, 2048)
    assert (protocol.real_clips, protocol.fake_clips) == ("random", "first")
    assert (protocol.covariance, protocol.resize) == ("biased", "squash")


def test_frames_and_scores_have_names_too():
    frames = FrameProtocol.from_options(preset="fid50k_full")
    score = ScoreProtocol.from_options(preset="isv2048_ucf", num_splits=5)

    assert (frames.num_real, frames.num_fake, frames.ddof) == (None, 50_000, 0)
    assert FrameProtocol().ddof == 1
    assert (score.num_clips, score.num_splits) == (2048, 5)


def test_the_papers_protocol_takes_all_real_clips_and_cuts_ucf101_alone():
    paper, ucf101 = (VideoProtocol.from_preset(name) for name in ("paper", "paper-ucf101"))

    assert paper.num_real is None
    assert (paper.frame_size, ucf101.frame_size) == (None, 128)
    assert paper.num_repeats == ucf101.num_repeats == 10


def test_the_name_that_papers_quote_is_the_programs_under_another():
    quoted, own = (ScoreProtocol.from_options(preset=f"is{v}2048_ucf") for v in ("", "v"))

    assert (quoted.num_clips, quoted.num_splits) == (own.num_clips, own.num_splits) == (2048, 10)


def test_every_protocol_is_in_the_docs_with_its_source():
    page = Path(__file__).parents[2] / "docs" / "commands" / "eval-fvd.md"
    table = page.read_text(encoding="utf-8").split("## Names that papers use")[1].split("##")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| `")]

    named = {name.strip(" `") for row in rows for name in row[0].split(",")}
    assert named == {*PRESETS, *FRAME_PRESETS, *SCORE_PRESETS}
    assert all(len(row) == 4 and row[3].strip() for row in rows)


@pytest.mark.parametrize(
    "make", [VideoProtocol.from_preset, lambda name: FrameProtocol.from_options(preset=name)]
)
def test_an_unknown_protocol_is_a_sentence(make):
    with pytest.raises(ConfigError, match="protocol 'fvd': expected"):
        make("fvd")


def test_protocols_of_other_features_have_the_settings_of_their_programs():
    debiased, jedi = (VideoProtocol.from_preset(name) for name in ("cd-fvd", "jedi"))

    assert (debiased.pixels, debiased.covariance, debiased.num_real) == ("unit", "biased", None)
    assert (debiased.resize, debiased.interpolation) == ("squash", "bilinear")
    assert (jedi.pixels, jedi.kernel, jedi.num_fake) == ("imagenet", "jedi", 5000)
    assert (debiased.num_frames, jedi.num_frames) == (16, 16)
