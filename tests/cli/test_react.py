import io
import wave

import av
import numpy as np
import pytest

from mocotool.latents import read_latents
from mocotool.video.opening import open_video


@pytest.fixture
def song(tmp_path):
    """Two seconds of silence with four bursts of noise."""
    samples = np.zeros(2 * 22_050)
    for second in (0.25, 0.75, 1.25, 1.75):
        start = int(second * 22_050)
        samples[start : start + 110] = np.random.default_rng(0).uniform(-0.8, 0.8, 110)
    path = tmp_path / "song.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def has_sound(path):
    with av.open(str(path)) as container:
        return len(container.streams.audio) == 1


def test_a_pipe_becomes_as_long_as_the_song(run_moco, song, toy_latents_path, toy_pca_path):
    result = run_moco(
        *("react", song, "--fps", 24, "--pca", toy_pca_path, "--direction", "0:1@bass,1:2"),
        input=toy_latents_path.read_bytes(),
    )

    after = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")
    assert (after.num_videos, after.num_frames, after.meta.fps) == (3, 48, 24.0)


def test_a_video_has_the_song_and_a_picture_shows_why(run_moco, song, toy_latents_path, tmp_path):
    result = run_moco(
        *("react", song, toy_latents_path, "--by", "onset", "--plot", tmp_path / "plot.png"),
        *("--grid", "-o", tmp_path / "clip.mp4"),
    )

    assert result.exit_code == 0, result.stderr
    assert open_video(tmp_path / "clip.mp4").num_frames == 24
    assert has_sound(tmp_path / "clip.mp4")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_render_adds_sound(run_moco, song, toy_latents_path, tmp_path):
    result = run_moco(
        "render", toy_latents_path, "--audio", song, "--grid", "-o", tmp_path / "clip.webm"
    )

    assert result.exit_code == 0, result.stderr
    assert has_sound(tmp_path / "clip.webm")


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["react", "gone.mp3", "{latents}"], 3, "gone.mp3: no such file"),
        (["react", "{latents}", "{latents}"], 3, "its sound cannot be read"),
        (["react", "{song}", "{latents}", "--direction", "0:1@drums"], 2, "driven by 'drums'"),
        (["react", "{song}", "{latents}", "--plot", "{latents}"], 2, "already exists"),
        (["render", "{latents}", "--audio", "{song}", "-o", "clip.gif"], 2, "--audio is for mp4"),
        (["render", "{latents}", "--audio", "gone.mp3", "-o", "clip.mp4"], 3, "no such file"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, song, toy_latents_path, args, exit_code, said
):
    result = run_moco(*(arg.format(latents=toy_latents_path, song=song) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
