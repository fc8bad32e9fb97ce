"""Decoded frames become RGB pictures: upright, and on a colour where they are transparent."""

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
    """Turns decoded frames into pictures with FFmpeg's own scale filter, which knows where chroma samples lie.

    PyAV's to_ndarray does not: 10-bit colours are then several levels off those of the ffmpeg program.
    """

    def __init__(self, name: str, background: Colour, matrix: Matrix):
        self.name, self.background, self.matrix = name, background, matrix
        self._kind, self._graph = None, None

    def __call__(self, frame: av.VideoFrame) -> Tensor:
        """(H, W, 3) uint8, as the ffmpeg program's rgb24; upright, and on the background where it is transparent."""
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
    """((a, b), (c, d)) of a clip's first frame, 65536 for 1. A frame that is asked lives until Python looks for cycles."""
    data = frame.side_data.get(SideData.DISPLAYMATRIX)
    if data is None:
        return (1, 0), (0, 1)
    a, b, _, c, d, *_ = np.frombuffer(data, np.int32).tolist()
    return (a, b), (c, d)


def upright(array: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Turns and mirrors a picture (H, W, …) as its file asks for: phones film sideways, some mirror who holds them.

    matrix: maps a stored pixel x, y to (ax + cy, bx + dy); what that does to the axes is all that counts here.
    """
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):  # a quarter turn: what was stored as columns becomes rows
        array, a, d = array.swapaxes(0, 1), c, b
    return array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
