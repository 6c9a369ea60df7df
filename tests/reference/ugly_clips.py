"""A small folder of videos as they are found in the wild: odd, damaged, or no videos at all.

`PYTHONPATH=tests python tests/reference/ugly_clips.py FOLDER` makes them.
"""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from reference.video_files import set_display_matrix

READABLE = {  # name -> number of frames
    "alpha.mkv": 6,
    "eleven-by-seven.mkv": 6,
    "gif-in-truth.mp4": 6,
    "latin-title.mkv": 6,
    "one-frame.mp4": 1,
    "rotated.mp4": 6,
    "ten-bit.mkv": 6,
    "torn-tail.mkv": None,  # some of its frames
    "variable-rate.mkv": 6,
}
UNREADABLE = (
    "audio-only.mp4",
    "headless.mp4",
    "no-frames.mp4",
    "text-in-truth.mp4",
    "unknown-codec.mkv",
    "unknown-codec.mp4",
)


def write_clip(
    path, *, codec="libx264", pix_fmt="yuv420p", size=(32, 48), num_frames=6, times=None, **metadata
):
    """Write frames that differ; `times` are in hundredths of a second."""
    height, width = size
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=12)
        stream.height, stream.width, stream.pix_fmt = height, width, pix_fmt
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        grey = "rgba" if pix_fmt in ("bgra", "rgba") else "rgb24"
        for index in range(num_frames):
            picture = np.full((height, width, len(grey.rstrip("24"))), 20 + 7 * index, np.uint8)
            picture[: height // 2, :, 0] = 200
            frame = av.VideoFrame.from_ndarray(picture, format=grey)
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def write_audio(path):
    """Write half a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        for index in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16_000, 1024 * index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_ugly_clips(folder):
    """Write all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = write_clip(folder / "plain.mp4")
    film = write_clip(folder / "plain.mkv", title="cafe caf")
    for name in ("plain.mp4", "plain.mkv"):
        (folder / name).unlink()

    # Odd, but videos.
    write_clip(folder / "alpha.mkv", codec="ffv1", pix_fmt="bgra")
    write_clip(folder / "eleven-by-seven.mkv", codec="ffv1", pix_fmt="bgr0", size=(7, 11))
    write_clip(folder / "clip.gif", codec="gif", pix_fmt="rgb8")
    (folder / "clip.gif").rename(folder / "gif-in-truth.mp4")
    (folder / "latin-title.mkv").write_bytes(film.replace(b"cafe caf", b"caf\xe9 caf"))
    write_clip(folder / "one-frame.mp4", num_frames=1)
    (folder / "rotated.mp4").write_bytes(clip)
    set_display_matrix(folder / "rotated.mp4", (0, 1, -1, 0))
    write_clip(folder / "ten-bit.mkv", codec="ffv1", pix_fmt="yuv420p10le")
    lossless = write_clip(folder / "torn-tail.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=30)
    (folder / "torn-tail.mkv").write_bytes(lossless[: len(lossless) * 2 // 3])
    write_clip(
        folder / "variable-rate.mkv", codec="ffv1", pix_fmt="bgr0", times=[0, 4, 30, 31, 90, 200]
    )

    # No videos.
    write_audio(folder / "audio-only.mp4")
    (folder / "headless.mp4").write_bytes(clip[len(clip) // 2 :])
    place = clip.index(b"moov") - 4
    (folder / "no-frames.mp4").write_bytes(clip[:place])
    (folder / "text-in-truth.mp4").write_text("no video\n" * 100)
    (folder / "unknown-codec.mkv").write_bytes(film.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/XYZ"))
    (folder / "unknown-codec.mp4").write_bytes(clip.replace(b"avc1", b"xyz9"))
    return folder


if __name__ == "__main__":
    make_ugly_clips(Path(sys.argv[1]))
