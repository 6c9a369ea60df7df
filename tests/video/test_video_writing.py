import builtins
import io
import threading
import time

import av
import numpy as np
import pytest
from reference.video_files import numbered_frames

from mocotool.errors import ConfigError, MismatchError, UnavailableError
from mocotool.video import encodings
from mocotool.video.opening import open_video
from mocotool.video.reading import read_frames
from mocotool.video.writing import (
    MAX_WAITING,
    VIDEO_FORMATS,
    VideoWriter,
    video_format,
    write_video,
)


def smooth_frames(num_frames=20, height=48, width=64):
    """A gradient that drifts: what a codec ought to keep well."""
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [np.stack([2 * x + i, 3 * y, 255 - x - y - 2 * i], -1) for i in range(num_frames)]
    ).astype(np.uint8)


def cut_into_chunks(frames, size):
    return [frames[start : start + size] for start in range(0, len(frames), size)]


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2)))


def read_all(path):
    entry = open_video(path)
    return entry, read_frames(entry, range(entry.num_frames))


@pytest.mark.parametrize(
    ("ending", "least_psnr"),
    [("mp4", 38), ("mov", 38), ("mkv", 38), ("webm", 38), ("gif", 32), ("apng", 90)],
)
def test_every_format_comes_back(tmp_path, ending, least_psnr):
    frames = smooth_frames()
    path = tmp_path / f"clip.{ending}"

    num_written = write_video(path, cut_into_chunks(frames, 7), fps=25)

    entry, got = read_all(path)
    assert num_written == entry.num_frames == 20
    assert entry.fps == pytest.approx(25, rel=0.01)
    assert psnr(got, frames) > least_psnr
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", VIDEO_FORMATS)
@pytest.mark.parametrize(("height", "width"), [(27, 33), (1, 1)])
def test_odd_sizes_are_padded_by_a_pixel_at_most(tmp_path, ending, height, width):
    frames = smooth_frames(3, height, width)
    path = tmp_path / f"odd.{ending}"

    write_video(path, [frames], fps=10)

    _, got = read_all(path)
    assert 0 <= got.shape[1] - height <= 1
    assert 0 <= got.shape[2] - width <= 1
    assert psnr(got[:, :height, :width], frames) > 25


def test_colours_are_told_to_players(tmp_path):
    path = tmp_path / "red.mp4"
    write_video(path, [np.full((5, 32, 32, 3), (220, 20, 40), np.uint8)], fps=10)

    _, got = read_all(path)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc)

    assert tags == (1, 1, 1)  # BT.709
    assert np.abs(got[2, 16, 16].astype(int) - (220, 20, 40)).max() <= 3


def test_mp4_plays_everywhere(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, [smooth_frames()], fps=25)

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("fps", [23.976, 7.5, 29.97, 1])
def test_rates_may_be_fractions(tmp_path, fps):
    path = tmp_path / "clip.mp4"
    write_video(path, [smooth_frames(10)], fps=fps)

    assert open_video(path).fps == pytest.approx(fps, rel=1e-4)


def test_gif_delays_add_up(tmp_path):
    path = tmp_path / "clip.gif"
    write_video(path, [smooth_frames(25)], fps=24)

    times = open_video(path).times
    assert times == tuple(round(index * 100 / 24) for index in range(25))


def test_gif_faster_than_browsers_play_is_slowed(tmp_path):
    path = tmp_path / "clip.gif"
    write_video(path, [smooth_frames(5)], fps=120)

    assert open_video(path).times == (0, 2, 4, 6, 8)


def test_long_gifs_keep_every_frame(tmp_path, monkeypatch):
    monkeypatch.setattr("mocotool.video.palette.MAX_STRETCH_FRAMES", 4)
    path = tmp_path / "clip.gif"
    write_video(path, cut_into_chunks(smooth_frames(10), 3), fps=10)

    _, got = read_all(path)
    assert psnr(got, smooth_frames(10)) > 32


class Pipe:
    """A stream that can be written and nothing else, like stdout in a pipe."""

    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data
        return len(data)


@pytest.mark.parametrize(
    ("ending", "fps"),
    [
        *(("mp4", 0.001), ("mp4", 100_000), ("mov", 59.94), ("mkv", 1000), ("webm", 0.3)),
        *(("apng", 10_000), ("gif", 0.0016)),
    ],
)
def test_a_frame_rate_that_a_container_holds_comes_back(ending, fps, tmp_path):
    write_video(tmp_path / f"a.{ending}", [smooth_frames(3, 16, 16)], fps=fps)

    entry = open_video(tmp_path / f"a.{ending}")

    assert entry.num_frames == 3
    assert entry.fps == pytest.approx(fps, rel=0.05)


@pytest.mark.parametrize("num_frames", [2, 3, 5, 16])
@pytest.mark.parametrize("ending", ["mkv", "webm", "mov"])
def test_the_rate_of_a_short_clip_is_read_as_it_was_written(ending, num_frames, tmp_path):
    write_video(tmp_path / f"a.{ending}", [smooth_frames(num_frames, 16, 16)], fps=240)

    assert open_video(tmp_path / f"a.{ending}").fps == 240


@pytest.mark.parametrize(
    ("ending", "fps"),
    [("mp4", 1e-4), ("mov", 2e5), ("mkv", 1001), ("webm", 1e-9), ("apng", 10_001), ("gif", 0.0015)],
)
def test_a_frame_rate_that_a_container_cannot_hold_is_a_sentence(ending, fps, tmp_path):
    with pytest.raises(ConfigError, match=rf"expected from .* which is what \.{ending} can hold"):
        write_video(tmp_path / f"a.{ending}", [smooth_frames(3, 16, 16)], fps=fps)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", VIDEO_FORMATS)
def test_a_pipe_takes_every_format(tmp_path, format):
    pipe = Pipe()

    write_video(pipe, [smooth_frames()], fps=25, format=format)

    path = tmp_path / f"clip.{format}"
    path.write_bytes(pipe.data)
    entry, got = read_all(path)
    assert (entry.num_frames, entry.times[0]) == (20, 0)
    assert psnr(got, smooth_frames()) > 32


def test_mp4_in_a_pipe_arrives_in_pieces(tmp_path):
    pipe = Pipe()
    with VideoWriter(pipe, fps=10, format="mp4") as writer:
        for frame in numbered_frames(100):
            writer.write(frame[None])
        sent_early = len(pipe.data)

    assert 0 < sent_early < len(pipe.data)
    assert pipe.data.count(b"moof") > 5


def test_a_reader_that_goes_away_is_a_broken_pipe():
    class Closed(Pipe):
        def write(self, data):
            raise BrokenPipeError

    with pytest.raises(builtins.BrokenPipeError):
        write_video(Closed(), [numbered_frames(100)] * 3, fps=10, format="mp4")


def test_failing_frames_leave_nothing_behind(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")

    def frames():
        yield smooth_frames()
        raise RuntimeError("the generator failed")

    with pytest.raises(RuntimeError, match="the generator failed"):
        write_video(path, frames(), fps=10)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_frames_of_another_size_are_refused(tmp_path):
    with pytest.raises(MismatchError, match=r"frame 1 has shape \[8, 9, 3\], expected \[8, 8, 3\]"):
        write_video(
            tmp_path / "a.mp4",
            [np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 9, 3), np.uint8)],
            fps=10,
        )


def test_wrong_settings_are_described(tmp_path):
    with pytest.raises(ConfigError, match=r"\.txt: unknown video format, expected one of mp4"):
        write_video(tmp_path / "a.txt", [smooth_frames()], fps=10)
    with pytest.raises(ConfigError, match="fps 0: expected from 0.001 to 100000"):
        write_video(tmp_path / "a.mp4", [smooth_frames()], fps=0)
    with pytest.raises(ConfigError, match="no frames to write"):
        write_video(tmp_path / "a.mp4", [], fps=10)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_described(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.mp4: cannot be written"):
        write_video(tmp_path / "gone" / "a.mp4", [smooth_frames()], fps=10)


def test_a_missing_encoder_is_named(tmp_path, monkeypatch):
    missing = encodings.Codec("no_such_codec", "yuv420p")
    monkeypatch.setitem(encodings.CODECS, "h264", missing)

    with pytest.raises(UnavailableError, match="no_such_codec: this PyAV was built without"):
        write_video(tmp_path / "a.mp4", [smooth_frames()], fps=10)


@pytest.mark.parametrize("size", [(48, 64), (31, 33)])
def test_ffv1_loses_nothing(tmp_path, size):
    frames = np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8)

    write_video(tmp_path / "a.mkv", [frames[:3], frames[3:]], fps=10, codec="ffv1")

    np.testing.assert_array_equal(read_all(tmp_path / "a.mkv")[1], frames)


@pytest.mark.parametrize(
    ("name", "codec", "found", "least_psnr"),
    [
        ("a.mov", "prores", "prores", 45),
        ("a.mkv", "prores", "prores", 45),
        ("a.mkv", "vp9", "vp9", 38),
        ("a.mp4", "vp9", "vp9", 38),
    ],
)
def test_codecs_can_be_chosen(tmp_path, name, codec, found, least_psnr):
    frames = smooth_frames(6)

    write_video(tmp_path / name, [frames], fps=10, codec=codec)

    entry, back = read_all(tmp_path / name)
    with av.open(tmp_path / name) as container:
        assert container.streams.video[0].codec_context.name == found
    assert entry.num_frames == 6
    assert psnr(back, frames) > least_psnr


def decode_alpha(path, decoder):
    """Alpha of all frames, uint8 [t, h, w], by the decoder that knows of it."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        if decoder is None:
            frames = list(container.decode(stream))
        else:
            context = av.CodecContext.create(decoder, "r")
            context.extradata = stream.codec_context.extradata
            packets = [packet for packet in container.demux(stream) if packet.size]
            frames = [frame for packet in packets for frame in context.decode(packet)]
            frames += context.decode(None)
    return np.stack([frame.to_ndarray(format="rgba")[..., 3] for frame in frames])


@pytest.mark.parametrize(
    ("name", "codec", "decoder", "largest_error"),
    [
        ("a.mkv", "ffv1", None, 0),
        ("a.apng", None, None, 0),
        ("a.mov", "prores", None, 4),
        ("a.webm", None, "libvpx-vp9", 12),
    ],
)
def test_transparency_stays_where_the_codec_has_it(tmp_path, name, codec, decoder, largest_error):
    alpha = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8), (6, 48, 64))
    frames = np.concatenate([smooth_frames(6), alpha[..., None]], axis=-1)

    write_video(tmp_path / name, [frames], fps=10, codec=codec)

    found = decode_alpha(tmp_path / name, decoder)
    assert np.abs(found.astype(int) - alpha).max() <= largest_error


def test_transparent_frames_are_refused_where_nothing_holds_them(tmp_path):
    with pytest.raises(ConfigError, match=r"libx264 in \.mp4 has no transparency"):
        write_video(tmp_path / "a.mp4", [np.zeros((2, 8, 8, 4), np.uint8)], fps=10)


@pytest.mark.parametrize(
    ("format", "settings", "said"),
    [
        ("mp4", {"codec": "prores"}, "--codec prores goes into .mov or .mkv, not .mp4"),
        ("gif", {"codec": "h264"}, "--codec h264 goes into .mp4, .mov or .mkv, not .gif"),
        ("mkv", {"codec": "ffv1", "crf": 3}, "ffv1 has no such quality"),
        ("mp4", {"crf": 60}, "h264 has qualities from 0 to 51"),
        ("gif", {"crf": 3}, ".gif has no such quality"),
    ],
)
def test_codec_and_quality_have_to_go_with_the_format(tmp_path, format, settings, said):
    with pytest.raises(ConfigError) as refused:
        write_video(tmp_path / f"a.{format}", [smooth_frames(2)], fps=10, **settings)

    assert said in str(refused.value)


def test_a_lower_crf_is_a_larger_and_better_file(tmp_path):
    frames = numbered_frames(6)
    for crf in (5, 40):
        write_video(tmp_path / f"{crf}.mp4", [frames], fps=10, crf=crf)

    (good, bad) = (tmp_path / f"{crf}.mp4" for crf in (5, 40))
    assert good.stat().st_size > bad.stat().st_size
    assert psnr(read_all(good)[1], frames) > psnr(read_all(bad)[1], frames)


def test_endings_name_formats():
    assert [video_format(name) for name in ("a.MP4", "b.gif", "c.npz", "d")] == [
        *("mp4", "gif", None, None)
    ]


def test_a_buffer_takes_video():
    buffer = io.BytesIO()
    write_video(buffer, [smooth_frames()], fps=10, format="webm")

    assert buffer.getvalue()[:4] == b"\x1aE\xdf\xa3"


def test_the_next_frames_are_rendered_while_some_are_encoded(monkeypatch):
    asked = threading.Event()

    def wait_for_the_next(self, frames_u8):
        assert asked.wait(timeout=20), "nobody asked for more frames while some were encoded"
        write(self, frames_u8)

    write = VideoWriter.write
    monkeypatch.setattr(VideoWriter, "write", wait_for_the_next)

    def render():
        yield smooth_frames(1)
        asked.set()
        yield smooth_frames(1)

    assert write_video(io.BytesIO(), render(), fps=8.0, format="mp4") == 2


def test_rendering_does_not_run_far_ahead_of_encoding(monkeypatch):
    encoded, ahead = 0, []

    def count(self, frames_u8):
        nonlocal encoded
        time.sleep(0.02)
        write(self, frames_u8)
        encoded += 1

    write = VideoWriter.write
    monkeypatch.setattr(VideoWriter, "write", count)

    def render():
        for number in range(12):
            ahead.append(number - encoded)
            yield smooth_frames(1)

    write_video(io.BytesIO(), render(), fps=8.0, format="mp4")

    assert max(ahead) <= MAX_WAITING + 1
