"""Small videos of many kinds, and the obvious way to read them: from the start, to the end."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mocotool.video.pixels import to_rgb

NUM_FRAMES = 30


def numbered_frames(num_frames=NUM_FRAMES, height=48, width=64):
    """uint8 [t, h, w, 3]: a moving texture under a red level of 8 a frame, no two frames alike."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    texture = texture.repeat(4, 0).repeat(4, 1)[:height, :width] // 2
    frames = np.stack([np.roll(texture, index, axis=1) for index in range(num_frames)])
    frames[..., 0] = (8 * np.arange(num_frames)[:, None, None]) % 256
    return frames


def encode_clip(
    path, codec, *, frames=None, pix_fmt="yuv420p", times_ms=None, hide_order=False, **options
):
    """Write a clip with PyAV as it comes, without any of our own code."""
    frames = numbered_frames() if frames is None else frames
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, frame_u8 in enumerate(frames):
            kind = {3: "rgb24", 4: "rgba"}[frame_u8.shape[-1]]
            frame = av.VideoFrame.from_ndarray(frame_u8, format=kind).reformat(format=pix_fmt)
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[index], Fraction(1, 1000)
            _mux(container, stream.encode(frame), hide_order)
        _mux(container, stream.encode(None), hide_order)
    return path


def _mux(container, packets, hide_order):
    for packet in packets:
        if hide_order:
            packet.pts = packet.dts = packet.dts + 2  # B-frames made it start at -2
        container.mux(packet)


def decode_from_start(path):
    """Every frame a decoder gives when nothing is skipped, uint8 [t, h, w, 3]."""
    with av.open(str(path)) as container:
        return np.stack([to_rgb(frame) for frame in container.decode(video=0)])


def decode_some(path, indices):
    """(number, frame) of some frames, read from the start."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in indices:
                yield index, to_rgb(frame)


def set_display_matrix(path, matrix):
    """Put (a, b, c, d) of x' = ax + cy, y' = bx + dy into the track header of an MP4 file."""
    data = bytearray(Path(path).read_bytes())
    start = data.index(b"tkhd") + 44  # version 0: 4 + 4 + 20 + 8 + 8 bytes to the matrix
    for place, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[start + 4 * place : start + 4 * place + 4] = (value << 16).to_bytes(
            4, "big", signed=True
        )
    Path(path).write_bytes(data)
