"""Analysis of sound, frame by frame: band energies and onsets."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mocotool.configs.react import Band

Curve = npt.NDArray[np.float64]

RATE = 22_050  # Hz; what is heard above 11 kHz moves nothing
WINDOW = 1024  # samples, 46 ms
HOP = 256  # samples, 12 ms
BLOCK = 64  # samples, 3 ms: how exact the time of an onset is
EDGES_HZ = {"bass": (20.0, 250.0), "mid": (250.0, 2_000.0), "high": (2_000.0, 11_025.0)}
COMPRESSION = 1_000.0  # of magnitudes, before they are compared: quiet notes begin as loud ones do
MIN_GAP_S = 0.1  # between two onsets: sixteenth notes at 150 beats a minute
MIN_RISE = 0.2  # of the largest; smaller ones are no onsets


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Hearing:
    """Features of a sound at the frames of a video."""

    bass: Curve
    """Energy below 250 Hz, [t], in [0, 1]: 1 is the loudest frame of this band."""
    mid: Curve
    """Energy from 250 to 2,000 Hz, the same."""
    high: Curve
    """Energy above 2,000 Hz, the same."""
    loudness: Curve
    """Energy of the whole spectrum, the same."""
    onsets: npt.NDArray[np.int64]
    """Frames with an onset, increasing."""

    @property
    def num_frames(self) -> int:
        """Frames of the video that is as long as the sound."""
        return len(self.loudness)

    def drive(self, band: Band, *, decay_frames: float) -> Curve:
        """Return the strength of a direction driven by a band, [t] in [0, 1].

        Args:
            band: "onset" is 1 at each onset and decays; the others are their energy.
            decay_frames: Frames in which an onset falls to 1/e.
        """
        if band != "onset":
            curve: Curve = getattr(self, band)
            return curve
        frames = np.arange(self.num_frames)
        last = np.searchsorted(self.onsets, frames, side="right") - 1
        since = frames - self.onsets[np.maximum(last, 0)] if len(self.onsets) else frames
        return np.where(last >= 0, np.exp(-since / decay_frames), 0.0)


def hear(samples: npt.NDArray[np.float32], *, fps: float) -> Hearing:
    """Measure energies and find onsets, at the frames of a video.

    Args:
        samples: Mono, [num_samples] at `RATE`.
        fps: Frames per second of the video.

    Returns:
        round(seconds * fps) frames, at least one.

    Source:
        Paper: onsets are peaks of the spectral flux, Bello et al. 2005, Sec. III-B.
    """
    from scipy.signal import find_peaks, stft

    num_frames = max(round(len(samples) / RATE * fps), 1)
    padded = np.pad(samples, (0, max(WINDOW - len(samples), 0)))
    hertz, seconds, spectrum = stft(
        padded, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP, padded=True
    )
    magnitudes = np.abs(spectrum)  # [frequencies, windows]
    frame_idxs = np.minimum((seconds * fps).astype(np.int64), num_frames - 1)

    curves = {
        name: _per_frame(magnitudes[(hertz >= low) & (hertz < high)], frame_idxs, num_frames)
        for name, (low, high) in EDGES_HZ.items()
    }
    loudness = _per_frame(magnitudes, frame_idxs, num_frames)

    # what rises in any frequency; a click begins with half a window of silence before it
    levels = np.log1p(COMPRESSION * magnitudes)
    flux = np.maximum(np.diff(levels, axis=1, prepend=0.0), 0.0).sum(axis=0)
    peaks, _ = find_peaks(
        np.concatenate([[0.0], flux, [0.0]]),
        height=max(MIN_RISE * flux.max(), 1e-6),
        distance=max(round(MIN_GAP_S * RATE / HOP), 1),
    )
    begun = np.array([_find_rise(samples, seconds[peak - 1]) for peak in peaks])
    onsets = np.unique(np.minimum((begun * fps).astype(np.int64), num_frames - 1))
    return Hearing(**curves, loudness=loudness, onsets=onsets)


def _find_rise(samples: npt.NDArray[np.float32], seconds: float) -> float:
    """Return when, within a window after a peak of the flux, the sound rises most, in seconds.

    A window reaches ahead of its middle, so its flux rises before the sound does.
    """
    first = max(round(seconds * RATE) - BLOCK, 0)
    piece = samples[first : first + WINDOW + BLOCK]
    num_blocks = len(piece) // BLOCK
    if num_blocks < 2:
        return seconds
    blocks = piece[: num_blocks * BLOCK].reshape(num_blocks, BLOCK).astype(np.float64)
    levels = np.sqrt((blocks**2).mean(axis=1))
    return (first + BLOCK * (1 + int(np.argmax(np.diff(levels))))) / RATE


def _per_frame(
    magnitudes: npt.NDArray[np.floating], frame_idxs: npt.NDArray[np.int64], num_frames: int
) -> Curve:
    """Return the root of the largest power in each frame, as a share of the largest of all."""
    power = (magnitudes.astype(np.float64) ** 2).sum(axis=0)
    largest = np.zeros(num_frames)
    np.maximum.at(largest, frame_idxs, power)
    rooted = np.sqrt(largest)
    return np.asarray(rooted / max(float(rooted.max()), 1e-9), np.float64)
