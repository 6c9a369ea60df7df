"""Videos in memory, as a side of a metric."""

import hashlib

import numpy as np


class ClipArray:
    """Videos of one length: uint8 [n, t, h, w, 3]."""

    is_threaded = False

    def __init__(self, frames_u8, *, name="array"):
        assert frames_u8.dtype == np.uint8
        assert frames_u8.shape[4:] == (3,)
        self.frames_u8, self.name = frames_u8, name

    @property
    def num_frames(self):
        return np.full(len(self.frames_u8), self.frames_u8.shape[1], np.int64)

    def read_clip(self, video_idx, frame_idx):
        return self.frames_u8[video_idx][np.asarray(frame_idx)]

    def describe_clip(self, video_idx, frame_idx):
        return f"{self.name}: video {video_idx}, frames {frame_idx[0]} to {frame_idx[-1]}"

    def fingerprint(self, video_idxs):
        digest = hashlib.sha256(repr(self.frames_u8.shape[1:]).encode())
        for video_idx in video_idxs:
            digest.update(np.ascontiguousarray(self.frames_u8[video_idx]).tobytes())
        return digest.hexdigest()

    def describe(self):
        n, _, height, width, _ = self.frames_u8.shape
        return {
            "kind": "array",
            "num_videos": n,
            "sizes": {f"{width}x{height}": n},
            "is_lossy": False,
            "decoding": "RGB bytes in memory",
        }
