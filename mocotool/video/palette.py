"""The 256 colours of a GIF, chosen for one segment of frames at a time."""

from fractions import Fraction
from typing import Any

import av
import av.error

MAX_STRETCH_FRAMES = 128
MAX_STRETCH_BYTES = 1 << 26

# Ordered dithering keeps still parts still: no flicker, and smaller files.
PALETTEGEN = "stats_mode=full:reserve_transparent=0"
PALETTEUSE = "dither=bayer:bayer_scale=4"


class PaletteMapper:
    """Maps RGB frames to palettes; buffers one segment of frames, never a whole video.

    Args:
        height: Height of the frames.
        width: Width of the frames.
    """

    def __init__(self, *, height: int, width: int) -> None:
        self._size = (height, width)
        self._stretch = max(1, min(MAX_STRETCH_FRAMES, MAX_STRETCH_BYTES // (height * width * 3)))
        self._held: list[av.VideoFrame] = []

    def push(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """Add an rgb24 frame; return the frames that are ready, with palettes."""
        self._held.append(frame)
        return self.flush() if len(self._held) == self._stretch else []

    def flush(self) -> list[av.VideoFrame]:
        """Return all buffered frames."""
        if not self._held:
            return []
        graph = self._build_graph()
        for frame in self._held:
            graph.push(frame)
        self._held = []
        graph.push(None)
        mapped: list[Any] = []
        while True:
            try:
                mapped.append(graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return mapped

    def _build_graph(self) -> av.filter.Graph:
        graph = av.filter.Graph()
        height, width = self._size
        source = graph.add_buffer(
            width=width,
            height=height,
            format=av.VideoFormat("rgb24"),
            time_base=Fraction(1, 1000),
        )
        split = graph.add("split")
        palettegen = graph.add("palettegen", PALETTEGEN)
        paletteuse = graph.add("paletteuse", PALETTEUSE)
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(palettegen, 0, 0)
        split.link_to(paletteuse, 1, 0)
        palettegen.link_to(paletteuse, 0, 1)
        paletteuse.link_to(sink)
        graph.configure()
        return graph
