"""Clips for training tests: a bright square that wanders."""

import torch


class ToyClips:
    """An endless iterator of uint8 [n, t, 3, size, size], each batch a function of its number."""

    def __init__(self, *, batch_size, num_frames=4, size=16, rows=None):
        self.batch_size, self.num_frames, self.size = batch_size, num_frames, size
        self.rows = slice(None) if rows is None else rows
        self.position = 0

    def __iter__(self):
        return self

    def __next__(self):
        rng = torch.Generator().manual_seed(1000 + self.position)
        self.position += 1
        shape = (self.batch_size, self.num_frames, 3, self.size, self.size)
        clips = torch.randint(0, 60, shape, generator=rng, dtype=torch.uint8)
        for n in range(self.batch_size):
            start = int(torch.randint(0, self.size // 2, (), generator=rng))
            for t in range(self.num_frames):
                left = (start + t) % (self.size - 4)
                clips[n, t, :, 4:9, left : left + 4] = 220
        return clips[self.rows]

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]
