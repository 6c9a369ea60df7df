"""Sound beside pictures: read from any file, as long as the frames to one of them."""

import io
import struct
import wave

import av
import numpy as np
import pytest

from mocotool.errors import ConfigError, FileFormatError
from mocotool.video import sound
from mocotool.video.sound import read_sound
from mocotool.video.writing import write_video

RATE = 44_100


def write_tone(path, seconds, hertz=440.0):
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def moving(num_frames):
    frames = np.random.default_rng(0).integers(0, 255, (num_frames, 32, 32, 3), np.uint8)
    return iter([frames])


def durations(source):
    """Seconds of pictures and of sound that a player would show."""
    with av.open(source) as container:
        rate = float(container.streams.video[0].average_rate)
        pictures = sum(1 for _ in container.decode(video=0)) / rate
    with av.open(source) as container:
        frames = list(container.decode(audio=0))
        sound = sum(frame.samples for frame in frames) / frames[0].sample_rate
        volume = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    return pictures, sound, volume


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm"])
@pytest.mark.parametrize("seconds", [0.7, 3.0])
def test_sound_is_as_long_as_the_frames_to_one_of_them(tmp_path, ending, seconds):
    tone = read_sound(write_tone(tmp_path / "tone.wav", seconds), rate=48_000, num_channels=2)

    write_video(tmp_path / f"clip.{ending}", moving(31), fps=24, sound=tone)

    pictures, sound, volume = durations(str(tmp_path / f"clip.{ending}"))
    assert pictures == pytest.approx(31 / 24)
    assert abs(sound - pictures) <= 1 / 24
    begun = int(0.5 * 48_000)
    assert np.abs(volume[:, :begun]).max() > 0.3
    late = volume[:, int(0.9 * 48_000) : int(1.2 * 48_000)]
    assert (np.abs(late).max() > 0.3) == (seconds > 1)  # silence follows what is too short


def test_sound_goes_through_a_pipe(tmp_path):
    tone = read_sound(write_tone(tmp_path / "tone.wav", 2.0), rate=48_000, num_channels=2)
    stream = io.BytesIO()

    write_video(stream, moving(48), fps=24, format="mp4", sound=tone)

    (tmp_path / "piped.mp4").write_bytes(stream.getvalue())
    pictures, sound, _ = durations(str(tmp_path / "piped.mp4"))
    assert abs(sound - pictures) <= 1 / 24


def test_sound_is_resampled_and_mixed(tmp_path):
    path = write_tone(tmp_path / "tone.wav", 1.0)

    mono = read_sound(path, rate=22_050, num_channels=1)

    assert mono.shape[0] == 1
    assert abs(mono.shape[1] - 22_050) < 50
    spectrum = np.abs(np.fft.rfft(mono[0, :22_000]))
    assert np.argmax(spectrum) * 22_050 / 22_000 == pytest.approx(440, abs=2)


def test_the_sound_of_a_video_is_read(tmp_path):
    tone = read_sound(write_tone(tmp_path / "tone.wav", 1.0), rate=48_000, num_channels=2)
    write_video(tmp_path / "clip.mp4", moving(24), fps=24, sound=tone)

    found = read_sound(tmp_path / "clip.mp4", rate=48_000, num_channels=2)

    assert found.shape[1] == pytest.approx(48_000, abs=2048)
    assert np.abs(found).max() > 0.3


def test_files_without_sound_are_refused(tmp_path):
    write_video(tmp_path / "silent.mp4", moving(3), fps=24)
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 4)

    with pytest.raises(FileFormatError, match=r"silent\.mp4: has no sound"):
        read_sound(tmp_path / "silent.mp4", rate=48_000, num_channels=2)
    with pytest.raises(FileFormatError, match=r"noise\.mp3"):
        read_sound(tmp_path / "noise.mp3", rate=48_000, num_channels=2)


def test_formats_without_sound_say_so(tmp_path):
    with pytest.raises(ConfigError, match="gif: has no sound"):
        write_video(tmp_path / "clip.gif", moving(2), fps=5, sound=np.zeros((2, 100), np.float32))


def rewrite(path, place, layout, value):
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, place, value)
    path.write_bytes(data)


@pytest.mark.parametrize(("rate", "said"), [(1, "1"), (1_761_623_680, "1,761,623,680")])
def test_a_rate_that_no_sound_has_is_refused_before_it_is_resampled(rate, said, tmp_path):
    path = write_tone(tmp_path / "tone.wav", 1.0)
    rewrite(path, 24, "<I", rate)  # at one a second it would last for twelve hours

    with pytest.raises(FileFormatError, match=rf"tone\.wav: {said} samples per second"):
        read_sound(path, rate=16_000, num_channels=1)


def test_a_small_file_of_endless_sound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sound, "SPARE_SOUND_SECONDS", 0.5)
    monkeypatch.setattr(sound, "MIN_SOUND_BYTES", 1 << 20)

    with pytest.raises(FileFormatError, match="far more than a file of its size should"):
        read_sound(write_tone(tmp_path / "tone.wav", 1.0), rate=16_000, num_channels=1)


def test_sound_whose_channels_change_on_the_way_is_read_whole(tmp_path):
    parts, bare = [], {"write_xing": "0", "id3v2_version": "0"}
    for layout in ("mono", "stereo", "mono"):
        path = tmp_path / f"{layout}.mp3"
        with av.open(str(path), "w", options=bare) as container:
            stream = container.add_stream("libmp3lame", rate=RATE)
            stream.codec_context.layout = layout
            tone = np.zeros((1 if layout == "mono" else 2, RATE), np.float32)
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = RATE, 0
            container.mux([*stream.encode(frame), *stream.encode(None)])
        parts.append(path.read_bytes())
    (tmp_path / "all.mp3").write_bytes(b"".join(parts))

    found = read_sound(tmp_path / "all.mp3", rate=RATE, num_channels=1)

    assert found.shape[0] == 1
    assert found.shape[1] == pytest.approx(3 * RATE, rel=0.1)


def test_memory_that_only_damaged_bytes_ask_for_is_a_sentence(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise av.error.MemoryError(12, "Cannot allocate memory")

    monkeypatch.setattr(sound.av, "open", fail)
    with pytest.raises(FileFormatError, match="cannot be read: cannot allocate memory"):
        read_sound(write_tone(tmp_path / "tone.wav", 0.1), rate=16_000, num_channels=1)
