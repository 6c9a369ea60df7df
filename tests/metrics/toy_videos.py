"""Small moving pictures for tests of metrics: a square that drifts over noise of its own."""

import numpy as np
import torch

from mocotool.metrics.detectors import DetectorRecord


def draw_videos(n, *, seed, num_frames=16, size=32, speed=1.0):
    """Return uint8 [n, t, size, size, 3]: a bright square moving over a still texture."""
    rng = np.random.default_rng(seed)
    videos = np.zeros((n, num_frames, size, size, 3), np.uint8)
    texture = rng.integers(0, 120, (n, 1, size, size, 3))
    videos[:] = texture
    for video in videos:
        x, y = rng.uniform(4, size - 12, 2)
        dx, dy = rng.normal(0, 0.6 * speed, 2)
        color = rng.integers(120, 256, 3)
        for frame in video:
            x, y = np.clip([x + dx, y + dy], 0, size - 8)
            frame[int(y) : int(y) + 8, int(x) : int(x) + 8] = color
    return videos


class ToyDetector:
    """Mean brightness in eighths of the clip: features one can compute by hand."""

    record = DetectorRecord(name="toy", sha256="0" * 64, title="toy")
    min_frames = 2
    batch_size = 4

    def prepare(self, frames_u8):
        return frames_u8.float().mean(dim=(1, 2)).flatten()[None, :8]

    def extract(self, batch):
        return batch

    def to(self, device):
        return self

    def settings(self):
        return {}


class BrokenDetector(ToyDetector):
    """Gives what it is told to give."""

    def __init__(self, answer):
        self.answer = answer

    def extract(self, batch):
        return self.answer(batch)


def to_video(videos_u8):
    """Return float32 [n, t, c, h, w] in [0, 1]."""
    return torch.from_numpy(videos_u8).movedim(-1, 2).float() / 255.0
