"""Heatmaps: attention maps over their frames, one sheet per frame with a column for each phrase or point."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .attention_maps import Column

ROWS = {1: ("",), 2: ("before", "after")}
SHARED, OWN = SCALES = ("shared", "own")
HEADER, GAP = 28, 4  # pixels
PEAK = 0.995  # quantile of the values that gets full colour; with the maximum, a few peaks would leave the rest dark
FAINT = 0.35  # brightness of a frame where attention is 0
# From dark violet to pale yellow, evenly brighter, so that colour-blind readers see the same order.
COLOURS = ((60, 15, 110), (135, 35, 105), (205, 70, 65), (245, 130, 20), (250, 200, 60), (252, 255, 170))


def sheets(frames: Tensor, columns: list[Column], scale: str, side: int) -> Tensor:
    """A sheet for each frame: the frame once per column, "before" above "after", under the column's name.

    Args: frames (F, H, W, 3 or more) in 0…1; columns, K >= 1; scale, "shared": one scale for both rows of a column,
    "own": one scale per row; side, pixels of the longer side of one small picture.
    Returns (F, h, w, 3) float32 with even h and w, so that videos can be saved.
    """
    height, width = frames.shape[1:3]
    share = side / max(height, width)
    cell = tuple(max(2, 2 * round(length * share / 2)) for length in (height, width))
    peaks = [_peaks(column.maps, scale) for column in columns]
    notes = [["" if share is None else f"{share:.0%} inside" for share in column.inside()] for column in columns]
    rows = len(columns[0].maps)
    sheet = torch.ones(len(frames), HEADER + rows * (cell[0] + GAP) - GAP, len(columns) * (cell[1] + GAP) - GAP, 3)
    for f, frame in enumerate(frames):
        picture = _resized(frame[..., :3].float().cpu().movedim(-1, 0), cell)
        for c, column in enumerate(columns):
            left = c * (cell[1] + GAP)
            for r, name in enumerate(ROWS[rows]):
                top = HEADER + r * (cell[0] + GAP)
                tile = heat(picture, column.maps[r, f] / peaks[c][r])
                point = column.point
                mark = None
                if point is not None and point.frame == f:
                    mark = ((point.x + 0.5) * cell[1] / width, (point.y + 0.5) * cell[0] / height)
                sheet[f, top : top + cell[0], left : left + cell[1]] = _captioned(tile, name, notes[c][r], mark)
            sheet[f, :HEADER, left : left + cell[1]] = _header(column.name, cell[1])
    return sheet


def heat(frame: Tensor, values: Tensor) -> Tensor:
    """A frame (3, h, w) in 0…1 with values (a, b) laid over it: dim at 0, full colour from 1 on. Returns (h, w, 3)."""
    strength = _resized(values[None], frame.shape[1:])[0].clamp(0, 1)
    table = torch.tensor(COLOURS) / 255
    place = strength * (len(table) - 1)
    below = place.long().clamp(max=len(table) - 2)
    colour = torch.lerp(table[below], table[below + 1], (place - below)[..., None])
    return torch.lerp(FAINT * frame.movedim(0, -1).clamp(0, 1), colour, strength[..., None])


def _peaks(maps: Tensor, scale: str) -> list[float]:
    """The value of full colour in each row. maps (rows, frames, h, w)."""
    parts = [maps] * len(maps) if scale == SHARED else list(maps)
    return [float(part.flatten().quantile(PEAK)) or float(part.max()) or 1.0 for part in parts]


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (C, H, W) resized to (C, h, w)."""
    return F.interpolate(picture[None], tuple(size), mode="bilinear", antialias=True)[0]


def _captioned(tile: Tensor, name: str, note: str, mark: tuple[float, float] | None) -> Tensor:
    image = Image.fromarray((tile * 255).round().byte().numpy())
    draw = ImageDraw.Draw(image)
    if mark is not None:
        x, y = mark
        for radius, colour in ((6, "black"), (5, "white"), (4, "black")):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)
    style = {"fill": "white", "font": _font(13), "stroke_width": 2, "stroke_fill": "black"}
    draw.text((5, 3), name, **style)
    draw.text((5, image.height - 4), note, anchor="ls", **style)
    return torch.from_numpy(np.array(image)).float() / 255


def _header(name: str, width: int) -> Tensor:
    image = Image.new("RGB", (width, HEADER), "white")
    draw, font = ImageDraw.Draw(image), _font(15)
    if draw.textlength(name, font) > width - 8:
        while name and draw.textlength(f"{name}…", font) > width - 8:
            name = name[:-1]
        name = f"{name}…"
    draw.text((4, HEADER // 2), name, (30, 30, 30), font, anchor="lm")
    return torch.from_numpy(np.array(image)).float() / 255


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
