"""Sound: read it from any file, and write it along with the frames of a video."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError
from mocotool.files import check_input_file
from mocotool.video.containers import OPEN_OPTIONS, explained

Samples = npt.NDArray[np.float32]

TRACK_RATE = 48_000  # Hz; the only one that Opus has
SOUND_CODECS = {"mp4": "aac", "mov": "aac", "mkv": "aac", "webm": "libopus"}
MAX_SAMPLES = 1 << 29
"""Limit on samples of all channels: 93 minutes of stereo at 48 kHz, 2 GiB."""
SPARE_SOUND_SECONDS = 600
"""Samples that any file may decode to, however small it is."""
MIN_SOUND_BYTES = 100
"""Minimum bytes per second of sound for longer files; lossless silence takes 130."""
MIN_RATE, MAX_RATE = 1_000, 1_000_000
"""Range of sample rates in Hz: telephones have 8,000, studios 192,000."""


def read_sound(path: Path | str, *, rate: int, num_channels: int) -> Samples:
    """Decode the sound of any audio or video file.

    Args:
        path: The file.
        rate: Sample rate of the result in Hz.
        num_channels: 1 or 2; other layouts are mixed down.

    Returns:
        float32 [num_channels, num_samples]; full scale is 1.

    Raises:
        FileFormatError: The file is missing or damaged, or its sound is missing or too long.
    """
    path = check_input_file(Path(path))
    allowed_s = SPARE_SOUND_SECONDS + path.stat().st_size / MIN_SOUND_BYTES
    pieces: list[Samples] = []
    num_values = 0

    # A small file can decode to endless sound, so samples are counted while decoding.
    with (
        foreign_data(path, what="a file with sound"),
        explained(f"{path}: its sound cannot be read", what="sound"),
        av.open(str(path.absolute()), options=OPEN_OPTIONS, metadata_errors="replace") as container,
    ):
        if not container.streams.audio:
            raise FileFormatError("has no sound")
        stream = container.streams.audio[0]
        layout = "mono" if num_channels == 1 else "stereo"
        for piece in _resample(container.decode(stream), layout=layout, rate=rate):
            pieces.append(piece)
            num_values += piece.size
            if num_values > MAX_SAMPLES:
                raise FileFormatError(f"more than {MAX_SAMPLES:,} samples of sound")
            if num_values > allowed_s * rate * num_channels:
                raise FileFormatError(
                    f"holds more than {allowed_s / 60:.0f} minutes of sound, far more than a file "
                    "of its size should"
                )

    if not pieces:
        raise FileFormatError(f"{path}: has no sound")
    return np.nan_to_num(np.concatenate(pieces, axis=1))


def _resample(decoded: Iterable[AudioFrame], *, layout: str, rate: int) -> Iterator[Samples]:
    """Resample decoded sound to one layout and rate, even if both change within the file."""
    resampler, before = None, None
    for frame in decoded:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if not MIN_RATE <= frame.sample_rate <= MAX_RATE:
            raise FileFormatError(
                f"{frame.sample_rate:,} samples per second, expected {MIN_RATE:,} to {MAX_RATE:,}"
            )
        if kind != before:
            if resampler is not None:
                yield from _to_arrays(resampler.resample(None))
            resampler, before = AudioResampler(format="fltp", layout=layout, rate=rate), kind
        assert resampler is not None
        yield from _to_arrays(resampler.resample(frame))
    if resampler is not None:
        yield from _to_arrays(resampler.resample(None))


def _to_arrays(frames: Iterable[AudioFrame]) -> Iterator[Samples]:
    return (np.asarray(frame.to_ndarray(), np.float32) for frame in frames)


class SoundTrack:
    """The sound of a video being written, cut or padded to the length of its frames.

    Args:
        container: Output container, before anything is written.
        samples: float32 [2, num_samples] at 48 kHz; padded with silence or cut.
        format: "mp4", "mkv" or "webm".
    """

    def __init__(self, container: Any, samples: Samples, format: str) -> None:
        self._container, self._samples = container, samples
        self._stream = container.add_stream(SOUND_CODECS[format], rate=TRACK_RATE)
        self._stream.codec_context.layout = "stereo"
        self._num_written = 0

    def write_until(self, seconds: Fraction) -> None:
        """Encode the sound up to a time, so that sound and pictures are interleaved."""
        end = round(seconds * TRACK_RATE)
        chunk = self._samples[:, self._num_written : end]
        missing = end - self._num_written - chunk.shape[1]
        if end <= self._num_written:
            return
        padded = np.pad(chunk, ((0, 0), (0, missing)))
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(padded), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts = TRACK_RATE, self._num_written
        frame.time_base = Fraction(1, TRACK_RATE)
        self._num_written = end
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Flush the encoder."""
        self._container.mux(self._stream.encode(None))
