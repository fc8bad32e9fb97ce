"""RGB pictures from decoded frames: upright, transparent parts on a colour."""

from __future__ import annotations

import av
import av.filter
import numpy as np
import torch
from av.sidedata.sidedata import Type as SideData
from torch import Tensor

from .backdrop import Colour, over

Matrix = tuple[tuple[int, int], tuple[int, int]]


class ToRGB:
    """Conversion of decoded frames with FFmpeg's own scale filter, which knows the positions of chroma samples.

    PyAV's to_ndarray ignores them: its 10-bit colours differ by several levels from those of the ffmpeg program.
    """

    def __init__(self, name: str, background: Colour, matrix: Matrix):
        self.name, self.background, self.matrix = name, background, matrix
        self._kind, self._graph = None, None

    def __call__(self, frame: av.VideoFrame) -> Tensor:
        """A frame as (H, W, 3) uint8, as the ffmpeg program's rgb24; upright, transparent parts on the background."""
        kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
        try:
            if kind != self._kind:
                self._kind, self._graph = kind, self._build(frame)
            self._graph.push(frame)
            array = self._graph.pull().to_ndarray()
        except av.error.FFmpegError as error:
            raise ValueError(
                f"{self.name}: a frame of {frame.width}×{frame.height} pixels ({frame.format.name}) cannot be turned into "
                f"RGB ({error.strerror}). Convert the file to MP4 (H.264), or leave the frame out with `cap` or `duration`."
            ) from None
        array = over(array, self.background) if array.shape[-1] == 4 else array
        return torch.from_numpy(np.ascontiguousarray(upright(array, self.matrix)))

    @staticmethod
    def _build(frame: av.VideoFrame) -> av.filter.Graph:
        alpha = any(component.is_alpha for component in frame.format.components)
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
            graph.add("scale", "flags=bicubic"),
            graph.add("format", "rgba" if alpha else "rgb24"),
            graph.add("buffersink"),
        ).configure()
        return graph


def display_matrix(frame: av.VideoFrame) -> Matrix:
    """The display matrix ((a, b), (c, d)) of a frame, 65536 for 1.

    Ask the first frame only: a frame that was asked is in a reference cycle, and stays in memory until the next gc.
    """
    data = frame.side_data.get(SideData.DISPLAYMATRIX)
    if data is None:
        return (1, 0), (0, 1)
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32).tolist()
    return (a, b), (c, d)


def upright(array: np.ndarray, matrix: Matrix) -> np.ndarray:
    """A picture (H, W, …) turned and mirrored as its file says: phones film sideways, and selfies may be mirrored.

    matrix: maps a stored pixel x, y to (ax + cy, bx + dy); only its effect on the axes is used.
    """
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):  # a quarter turn: columns become rows
        array, a, d = array.swapaxes(0, 1), c, b
    return array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
