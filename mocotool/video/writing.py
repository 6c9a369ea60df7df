"""Encode frames as they come: MP4, MOV, WebM, MKV, GIF and APNG, in constant memory."""

import contextlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from mocotool.arrays import FramesU8
from mocotool.configs.render import SOUND_FORMATS, CodecChoice, RenderConfig
from mocotool.errors import ConfigError, MismatchError, UnavailableError
from mocotool.files import atomic_path, to_path
from mocotool.video.encodings import CONTAINERS, MAX_FPS, MIN_FPS, choose_codec, padding
from mocotool.video.palette import PaletteMapper
from mocotool.video.pixels import SCALING
from mocotool.video.sound import Samples, SoundTrack

AVCOL_BT709 = 1  # matrix, primaries and transfer curve of BT.709 share one number
AVCOL_RANGE_LIMITED = 1

MAX_GIF_FPS = 50  # delays are in hundredths of a second, and browsers distrust a delay of one
MILLISECONDS = 1000  # what MP4 counts a film's length in, unless told otherwise
FINE_TIMESCALE = "1000000"
MAX_WAITING = 2  # chunks of frames that are rendered and not yet encoded
VIDEO_FORMATS = tuple(CONTAINERS)


def video_format(path: Path | str) -> str | None:
    """Return the video format of a file name's suffix ("mp4"), or `None` for other suffixes."""
    ending = Path(path).suffix.lower().removeprefix(".")
    return ending if ending in CONTAINERS else None


def check_fps(fps: float, format: str) -> None:
    """Check that a format supports a frame rate, before anything is rendered.

    GIF accepts more than the 50 frames per second that it plays.

    Args:
        fps: Frames per second.
        format: One of `VIDEO_FORMATS`.

    Raises:
        ConfigError: It does not.
    """
    container = CONTAINERS[format]
    if not container.min_fps <= fps <= container.max_fps:
        raise ConfigError(
            f"fps {fps:g}: expected from {container.min_fps:.2g} to {container.max_fps:g}, "
            f"which is what .{format} can hold",
            hint="choose another file type"
            if MIN_FPS <= fps <= MAX_FPS
            else "choose another frame rate",
        )


def played_fps(fps: float, format: str) -> float:
    """Return the frame rate at which a video written at `fps` is played."""
    return min(fps, float(MAX_GIF_FPS)) if format == "gif" else fps


class VideoWriter:
    """A streaming encoder.

    Use it in a `with` block: leaving the block finishes the file.

    Args:
        target: A path, or a stream open for writing bytes; it need not seek (MP4 is then written
            in fragments, which players read from a pipe).
        fps: Frames per second; may be a fraction. GIF cannot go beyond 50.
        format: One of `VIDEO_FORMATS`; `None` takes it from the path's ending.
        crf: Constant rate factor of H.264 and VP9, lower is better; `None` is visually lossless.
        sound: float32 [2, num_samples] at 48 kHz, cut or padded with silence to the length of the
            frames; only for MP4, MOV, WebM and MKV.
        codec: "h264", "vp9", "prores" or "ffv1", if the format supports it; `None` for H.264, or
            VP9 in WebM.

    Raises:
        ConfigError: The format is unknown, or does not support sound, `fps` or `codec`.
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
        codec: CodecChoice | None = None,
    ) -> None:
        if format is None and isinstance(target, Path):
            format = video_format(target) or target.suffix or str(target)
        if format not in CONTAINERS:
            raise ConfigError(
                f"{format}: unknown video format, expected one of {', '.join(VIDEO_FORMATS)}"
            )
        check_fps(fps, format)
        RenderConfig(codec=codec, crf=crf).check_format(format)
        self._kind, self._codec = CONTAINERS[format], choose_codec(format, codec)
        check_encoder(self._codec.name)
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
            # The file is lost anyway: report the error that caused it.
            with contextlib.suppress(av.error.FFmpegError, OSError):
                self._container.close()

    def write(self, frames_u8: FramesU8) -> None:
        """Encode the next frames, uint8 [t, h, w, 3] RGB or [t, h, w, 4] RGBA; all of one size.

        Raises:
            ConfigError: They are transparent, which the codec does not support.
            MismatchError: Their size differs from that of earlier frames.
        """
        for frame_u8 in np.asarray(frames_u8):
            if self._container is None:
                self._open(*frame_u8.shape)
            if frame_u8.shape != self._shape:
                raise MismatchError(
                    f"frame {self.num_frames} has shape {list(frame_u8.shape)}, "
                    f"expected {list(self._shape)}"
                )
            self._encode(frame_u8)
            self.num_frames += 1
            if self._track is not None:
                self._track.write_until(self.num_frames / self._rate)

    def close(self) -> None:
        """Finish the file.

        Raises:
            ConfigError: No frame was written.
        """
        if self._container is None:
            raise ConfigError("no frames to write")
        if self._palette is not None:
            self._mux_mapped(self._palette.flush())
        self._mux(None)
        if self._track is not None:
            self._track.close()
        self._container.close()

    def _open(self, height: int, width: int, num_channels: int) -> None:
        has_alpha = num_channels == 4
        pix_fmt = self._codec.alpha_pix_fmt if has_alpha else self._codec.pix_fmt
        if num_channels not in (3, 4) or pix_fmt is None:
            raise ConfigError(
                f"pictures of {num_channels} channels, and {self._codec.name} in .{self._format} "
                "has no transparency"
            )
        self._shape, self._pix_fmt = (height, width, num_channels), pix_fmt
        self._pad = padding(pix_fmt, height=height, width=width)
        coded = (height + self._pad[0], width + self._pad[1])

        # The container
        options = dict(self._kind.options)
        if "movflags" in options and self._rate > MILLISECONDS:
            options["movie_timescale"] = FINE_TIMESCALE
        is_path = isinstance(self._target, Path)
        if not is_path:
            options |= self._kind.pipe_options
        file: Any = str(self._target) if is_path else _OneWay(self._target)
        self._container = av.open(file, "w", format=self._kind.name, container_options=options)

        # The pictures
        codec_options = self._codec.options | (self._codec.alpha_options if has_alpha else {})
        if self._crf is not None:
            codec_options["crf"] = str(self._crf)
        stream: Any = self._container.add_stream(
            self._codec.name, rate=self._rate, options=codec_options
        )
        stream.height, stream.width = coded
        stream.pix_fmt = pix_fmt
        if pix_fmt == "yuva420p":
            stream.metadata["alpha_mode"] = "1"  # players look for the second picture then
        self._time_base = 1 / self._rate
        self._palette: PaletteMapper | None = None
        if self._codec.name == "gif":
            self._time_base = Fraction(1, 100)
            self._palette = PaletteMapper(height=height, width=width)
        stream.codec_context.time_base = self._time_base
        if pix_fmt.startswith("yuv"):
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
        given = "rgba" if frame_u8.shape[-1] == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_u8), format=given)
        if self._palette is not None:
            frame.pts, frame.time_base = self.num_frames, 1 / self._rate
            self._mux_mapped(self._palette.push(frame))
            return
        if self._pix_fmt.startswith("bgr"):
            frame = self._reformatter.reformat(frame, format=self._pix_fmt, threads=1)
        elif self._pix_fmt.startswith("yuv"):
            frame = self._reformatter.reformat(
                frame,
                format=self._pix_fmt,
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
    codec: CodecChoice | None = None,
) -> int:
    """Write a video atomically: completely or not at all.

    Args:
        target: A path (a temporary file beside it is renamed at the end) or a stream of bytes.
        frames: Chunks uint8 [t, h, w, 3] RGB or [t, h, w, 4] RGBA, all of one size; taken one at a
            time.
        fps: Frames per second; may be a fraction.
        format: One of `VIDEO_FORMATS`; `None` takes it from the path's ending.
        crf: Constant rate factor of H.264 and VP9, lower is better; `None` is visually lossless.
        sound: float32 [2, num_samples] at 48 kHz (`read_sound`), cut or padded with silence to the
            length of the frames; `None` for a silent video.
        codec: "h264", "vp9", "prores" (MOV, MKV) or "ffv1" (MKV, lossless); `None` for H.264,
            or VP9 in WebM.

    Returns:
        The number of frames written.

    Raises:
        ConfigError: The format is unknown, there are no frames, or the file cannot be written.
        UnavailableError: This PyAV was built without the encoder.
    """
    target = to_path(target)
    settings: dict[str, Any] = {"fps": fps, "crf": crf, "sound": sound, "codec": codec}
    if isinstance(target, Path):
        format = format or video_format(target) or target.suffix
        with atomic_path(target) as part:
            return _write_chunks(part, frames, format=format, **settings)
    return _write_chunks(target, frames, format=format, **settings)


def check_encoder(codec: str) -> None:
    """Check that this PyAV can encode with `codec`, before anything is rendered.

    Raises:
        UnavailableError: It was built without this encoder.
    """
    try:
        av.codec.Codec(codec, "w")
    except ValueError:
        raise UnavailableError(
            f"{codec}: this PyAV was built without the encoder",
            hint="pip install --force-reinstall av, or choose another file type: "
            + " ".join(f".{name}" for name in VIDEO_FORMATS),
        ) from None


def _write_chunks(
    target: Path | BinaryIO, frames: Iterable[FramesU8], *, format: str | None, **settings: Any
) -> int:
    # A thread encodes while the next frames are rendered. Its exceptions are raised here; a few
    # chunks at most are queued.
    with (
        VideoWriter(target, format=format, **settings) as writer,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder") as encoder,
    ):
        waiting: deque[Future[None]] = deque()
        for chunk in frames:
            waiting.append(encoder.submit(writer.write, chunk))
            if len(waiting) > MAX_WAITING:
                waiting.popleft().result()
        for each in waiting:
            each.result()
    return writer.num_frames


class _OneWay:
    """Wraps a stream as write-only, so that PyAV does not try to seek in a pipe."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        self._file.write(data)
        return len(data)
