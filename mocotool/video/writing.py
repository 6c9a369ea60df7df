"""Encode frames as they come: MP4, MOV, WebM, MKV, GIF and APNG, in constant memory."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from mocotool.arrays import FramesU8
from mocotool.configs.render import SOUND_FORMATS
from mocotool.errors import ConfigError, MismatchError, UnavailableError
from mocotool.files import atomic_path, to_path
from mocotool.video.palette import PaletteMapper
from mocotool.video.pixels import SCALING
from mocotool.video.sound import Samples, SoundTrack

AVCOL_BT709 = 1  # matrix, primaries and transfer curve of BT.709 share one number
AVCOL_RANGE_LIMITED = 1

MAX_GIF_FPS = 50  # delays are in hundredths of a second, and browsers distrust a delay of one
MIN_FPS, MAX_FPS = 1e-3, 1e5  # a time base of H.264 holds these
MILLISECONDS = 1000  # what MP4 counts a film's length in, unless told otherwise
FINE_TIMESCALE = "1000000"
MAX_GIF_DELAY = 655.35  # seconds, in 16 bits
MAX_MATROSKA_FPS = 1000  # times are in milliseconds
MAX_APNG_FPS = 10_000  # delays are fractions of 16 bits


@dataclass(frozen=True, slots=True)
class _Encoding:
    container: str
    codec: str
    pix_fmt: str
    codec_options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    pipe_options: dict[str, str] = field(default_factory=dict)
    min_fps: float = MIN_FPS
    max_fps: float = MAX_FPS


_X264 = {"crf": "17", "preset": "medium"}
# A fragment a second, so that a player at the other end of a pipe starts soon.
_FRAGMENTED = {
    "movflags": "frag_keyframe+delay_moov+default_base_moof",
    "frag_duration": "1000000",
}

ENCODINGS = {
    "mp4": _Encoding("mp4", "libx264", "yuv420p", _X264, {"movflags": "+faststart"}, _FRAGMENTED),
    "mov": _Encoding("mov", "libx264", "yuv420p", _X264, {"movflags": "+faststart"}, _FRAGMENTED),
    "mkv": _Encoding("matroska", "libx264", "yuv420p", _X264, max_fps=MAX_MATROSKA_FPS),
    "webm": _Encoding(
        "webm",
        "libvpx-vp9",
        "yuv420p",
        {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
        max_fps=MAX_MATROSKA_FPS,
    ),
    "gif": _Encoding("gif", "gif", "pal8", min_fps=1 / MAX_GIF_DELAY),
    "apng": _Encoding(
        "apng", "apng", "rgb24", {"pred": "mixed"}, {"plays": "0"}, max_fps=MAX_APNG_FPS
    ),
}
VIDEO_FORMATS = tuple(ENCODINGS)


def video_format(path: Path | str) -> str | None:
    """Return the format a file's ending stands for ("mp4"), or `None` if it is not a video's."""
    ending = Path(path).suffix.lower().removeprefix(".")
    return ending if ending in ENCODINGS else None


def check_fps(fps: float, format: str) -> None:
    """Check that a format can hold a frame rate, so that nothing is rendered in vain.

    GIF takes more than it plays, which is 50 frames a second.

    Args:
        fps: Frames a second.
        format: One of `VIDEO_FORMATS`.

    Raises:
        ConfigError: It cannot.
    """
    encoding = ENCODINGS[format]
    if not encoding.min_fps <= fps <= encoding.max_fps:
        raise ConfigError(
            f"fps {fps:g}: expected from {encoding.min_fps:.2g} to {encoding.max_fps:g}, "
            f"which is what .{format} can hold",
            hint="choose another ending"
            if MIN_FPS <= fps <= MAX_FPS
            else "choose another frame rate",
        )


class VideoWriter:
    """An encoder that takes frames as they come.

    Use it in a `with` block: leaving the block finishes the file.

    Args:
        target: A path, or a stream open for writing bytes; it need not seek (MP4 is then written
            in fragments, which players read from a pipe).
        fps: Frames a second; may be a fraction. GIF cannot go beyond 50.
        format: One of `VIDEO_FORMATS`; `None` takes it from the path's ending.
        crf: Quality of H.264 and VP9, lower is better; `None` for one that looks lossless.
        sound: float32 [2, num_samples] at 48 kHz to go with it, cut or followed by silence so that
            it is as long as the frames; MP4, WebM and MKV alone.

    Raises:
        ConfigError: The format is unknown, has no sound, or cannot hold `fps`.
        UnavailableError: This PyAV was built without the encoder.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        *,
        fps: float,
        format: str | None = None,
        crf: int | None = None,
        sound: Samples | None = None,
    ) -> None:
        if format is None and isinstance(target, Path):
            format = video_format(target) or target.suffix or str(target)
        if format not in ENCODINGS:
            raise ConfigError(
                f"{format}: unknown video format, expected one of {', '.join(VIDEO_FORMATS)}"
            )
        check_fps(fps, format)
        self._encoding = ENCODINGS[format]
        check_encoder(self._encoding.codec)
        self._target = target
        self._rate = Fraction(fps).limit_denominator(1001)
        if sound is not None and format not in SOUND_FORMATS:
            raise ConfigError(f"{format}: has no sound, expected one of {', '.join(SOUND_FORMATS)}")
        self._format, self._sound = format, sound
        self._track: SoundTrack | None = None
        self._crf = crf
        self._container: av.container.OutputContainer | None = None
        self.num_frames = 0
        self._num_mapped = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif self._container is not None:
            # The file is lost anyway: what matters is the error that stopped it.
            with contextlib.suppress(av.error.FFmpegError, OSError):
                self._container.close()

    def write(self, frames_u8: FramesU8) -> None:
        """Encode the next frames, uint8 [t, h, w, 3] RGB; all of one size.

        Raises:
            MismatchError: The size differs from that of the frames before.
        """
        for frame_u8 in np.asarray(frames_u8):
            if self._container is None:
                self._open(*frame_u8.shape[:2])
            if frame_u8.shape != (*self._size, 3):
                height, width = self._size
                raise MismatchError(
                    f"frame {self.num_frames} has shape {list(frame_u8.shape)}, "
                    f"expected [{height}, {width}, 3]"
                )
            self._encode(frame_u8)
            self.num_frames += 1
            if self._track is not None:
                self._track.write_until(self.num_frames / self._rate)

    def close(self) -> None:
        """Finish the file.

        Raises:
            ConfigError: Not one frame was written.
        """
        if self._container is None:
            raise ConfigError("no frames to write")
        if self._palette is not None:
            self._mux_mapped(self._palette.flush())
        self._mux(None)
        if self._track is not None:
            self._track.close()
        self._container.close()

    def _open(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._pad = (height % 2, width % 2) if self._encoding.pix_fmt == "yuv420p" else (0, 0)
        coded = (height + self._pad[0], width + self._pad[1])

        # The container
        options = dict(self._encoding.container_options)
        if "movflags" in options and self._rate > MILLISECONDS:
            options["movie_timescale"] = FINE_TIMESCALE
        is_path = isinstance(self._target, Path)
        if not is_path:
            options |= self._encoding.pipe_options
        file: Any = str(self._target) if is_path else _OneWay(self._target)
        self._container = av.open(
            file, "w", format=self._encoding.container, container_options=options
        )

        # The pictures
        codec_options = dict(self._encoding.codec_options)
        if self._crf is not None and "crf" in codec_options:
            codec_options["crf"] = str(self._crf)
        stream: Any = self._container.add_stream(
            self._encoding.codec, rate=self._rate, options=codec_options
        )
        stream.height, stream.width = coded
        stream.pix_fmt = self._encoding.pix_fmt
        self._time_base = 1 / self._rate
        self._palette: PaletteMapper | None = None
        if self._encoding.codec == "gif":
            self._time_base = Fraction(1, 100)
            self._palette = PaletteMapper(height=height, width=width)
        stream.codec_context.time_base = self._time_base
        if self._encoding.pix_fmt == "yuv420p":
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = AVCOL_BT709
            context.color_range = AVCOL_RANGE_LIMITED

        self._stream = stream
        if self._sound is not None:
            self._track = SoundTrack(self._container, self._sound, self._format)
        self._reformatter = VideoReformatter()

    def _encode(self, frame_u8: FramesU8) -> None:
        if any(self._pad):
            frame_u8 = np.pad(frame_u8, ((0, self._pad[0]), (0, self._pad[1]), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_u8), format="rgb24")
        if self._palette is not None:
            frame.pts, frame.time_base = self.num_frames, 1 / self._rate
            self._mux_mapped(self._palette.push(frame))
            return
        if self._encoding.pix_fmt == "yuv420p":
            frame = self._reformatter.reformat(
                frame,
                format="yuv420p",
                src_colorspace=Colorspace.ITU709,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=SCALING,
                threads=1,
            )
        frame.pts, frame.time_base = self.num_frames, self._time_base
        self._mux(frame)

    def _mux_mapped(self, frames: Iterable[av.VideoFrame]) -> None:
        rate = min(self._rate, Fraction(MAX_GIF_FPS))
        for frame in frames:
            # Exact times rounded to the clock, so that the delays add up: 4, 4, 4, 5 at 24 fps.
            frame.pts, frame.time_base = round(self._num_mapped * 100 / rate), self._time_base
            self._num_mapped += 1
            self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


def write_video(
    target: Path | str | BinaryIO,
    frames: Iterable[FramesU8],
    *,
    fps: float,
    format: str | None = None,
    crf: int | None = None,
    sound: Samples | None = None,
) -> int:
    """Write a video, whole or not at all.

    Args:
        target: A path (a temporary file beside it is renamed at the end) or a stream of bytes.
        frames: Chunks uint8 [t, h, w, 3] RGB, all of one size; taken one at a time.
        fps: Frames a second; may be a fraction.
        format: One of `VIDEO_FORMATS`; `None` takes it from the path's ending.
        crf: Quality of H.264 and VP9, lower is better; `None` for one that looks lossless.
        sound: float32 [2, num_samples] at 48 kHz to go with it (`read_sound`), cut or followed by
            silence so that it is as long as the frames; `None` for a silent video.

    Returns:
        The number of frames written.

    Raises:
        ConfigError: Unknown format, no frames, or the file cannot be written.
        UnavailableError: This PyAV was built without the encoder.
    """
    target = to_path(target)
    if isinstance(target, Path):
        format = format or video_format(target) or target.suffix
        with atomic_path(target) as part:
            return _write_chunks(part, frames, fps=fps, format=format, crf=crf, sound=sound)
    return _write_chunks(target, frames, fps=fps, format=format, crf=crf, sound=sound)


def check_encoder(codec: str) -> None:
    """Check that this PyAV can encode with `codec`, so that nothing is rendered in vain.

    Raises:
        UnavailableError: It was built without it.
    """
    try:
        av.codec.Codec(codec, "w")
    except ValueError:
        raise UnavailableError(
            f"{codec}: this PyAV was built without the encoder",
            hint="pip install --force-reinstall av, or choose another ending: "
            + " ".join(f".{name}" for name in VIDEO_FORMATS),
        ) from None


def _write_chunks(
    target: Path | BinaryIO,
    frames: Iterable[FramesU8],
    *,
    fps: float,
    format: str | None,
    crf: int | None,
    sound: Samples | None,
) -> int:
    with VideoWriter(target, fps=fps, format=format, crf=crf, sound=sound) as writer:
        for chunk in frames:
            writer.write(chunk)
    return writer.num_frames


class _OneWay:
    """Shows PyAV a stream that can only be written, so that it does not try to seek in a pipe."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        self._file.write(data)
        return len(data)
