"""Sound: read it from any file, and write it beside the frames of a video."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError
from mocotool.files import check_input_file
from mocotool.video.reading import OPEN_OPTIONS

Samples = npt.NDArray[np.float32]

TRACK_RATE = 48_000  # Hz; the only one that Opus has
SOUND_CODECS = {"mp4": "aac", "mkv": "aac", "webm": "libopus"}
MAX_SAMPLES = 1 << 29
"""Of all channels together: 93 minutes of stereo at 48 kHz, 2 GiB."""


def read_sound(path: Path | str, *, rate: int, num_channels: int) -> Samples:
    """Decode the sound of any audio or video file.

    Args:
        path: The file.
        rate: Samples a second that come back.
        num_channels: 1 or 2; others are mixed.

    Returns:
        float32 [num_channels, num_samples], 1 is full scale.

    Raises:
        FileFormatError: The file is missing, damaged, has no sound or too much of it.
    """
    path = check_input_file(Path(path))
    pieces: list[Samples] = []
    num_values = 0
    with (
        foreign_data(path, what="a file with sound"),
        av.open(str(path.absolute()), options=OPEN_OPTIONS, metadata_errors="replace") as container,
    ):
        if not container.streams.audio:
            raise FileFormatError("has no sound")
        stream = container.streams.audio[0]
        layout = "mono" if num_channels == 1 else "stereo"
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        for decoded in container.decode(stream):
            for frame in resampler.resample(decoded):
                pieces.append(np.asarray(frame.to_ndarray(), np.float32))
                num_values += pieces[-1].size
            if num_values > MAX_SAMPLES:
                raise FileFormatError(f"more than {MAX_SAMPLES:,} samples of sound")
        last = resampler.resample(None)
        pieces += [np.asarray(frame.to_ndarray(), np.float32) for frame in last]
    if not pieces:
        raise FileFormatError(f"{path}: has no sound")
    return np.nan_to_num(np.concatenate(pieces, axis=1))


class SoundTrack:
    """The sound of a video that is being written, as long as its frames are.

    Args:
        container: Where it goes, before anything was written.
        samples: float32 [2, num_samples] at 48 kHz; silence follows where it is too short, and
            what is too much is left out.
        format: "mp4", "mkv" or "webm".
    """

    def __init__(self, container: Any, samples: Samples, format: str) -> None:
        self._container, self._samples = container, samples
        self._stream = container.add_stream(SOUND_CODECS[format], rate=TRACK_RATE)
        self._stream.codec_context.layout = "stereo"
        self._num_written = 0

    def write_until(self, seconds: Fraction) -> None:
        """Encode the sound up to a time, so that sound and pictures lie side by side."""
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
        """Encode what the codec still holds."""
        self._container.mux(self._stream.encode(None))
