"""Line charts over a clip's frames, drawn by Pillow: panels one below the other, frame numbers along the bottom."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor, inf, log10
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

# Okabe and Ito's palette, which colour-blind readers can tell apart, in the order lines take them; grey for references.
ORANGE, BLUE, GREEN, GREY = (213, 94, 0), (0, 114, 178), (0, 158, 115), (140, 140, 140)
INK, PALE = (40, 40, 40), (225, 225, 225)

WIDTH, PANEL = 960, 240  # pixels of the finished picture
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 46, 34  # margins around the plotted area of a panel
SAME, TINY, HUGE = 1e-6, 1e-30, 1e300  # relative spread of equal values; least scale; larger values are not drawn
SCALE = 2  # drawn at twice the size and shrunk, since Pillow's lines are not antialiased


class Line(NamedTuple):
    """One curve. at: frame numbers; values: one per frame number, a gap where not finite."""

    name: str
    colour: tuple[int, int, int]
    at: list[float]
    values: list[float]


class Panel(NamedTuple):
    """Curves on one scale. empty: the text where no value is finite. least: the lowest start of the scale."""

    title: str
    lines: list[Line]
    empty: str = "no value"
    least: float = -inf


class Axes(NamedTuple):
    """The axes of a panel in the picture. top: in pixels. marks: the numbers on the vertical axis."""

    top: int
    frames: int
    marks: list[float]

    def place(self, frame: float, value: float) -> tuple[float, float]:
        """The point of a value, in drawn pixels."""
        across = frame / max(self.frames - 1, 1)
        up = (value - self.marks[0]) / (self.marks[-1] - self.marks[0])
        x = LEFT + across * (WIDTH - RIGHT - LEFT)
        y = self.top + PANEL - BOTTOM - up * (PANEL - BOTTOM - TOP)
        return x * SCALE, y * SCALE


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers (1, 2, 5 × 10^n apart) that span low to high, low < high."""
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [index * step for index in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]


def scale(values: list[float], least: float = -inf) -> tuple[float, float]:
    """The span of an axis: the values and a margin, not below `least`."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    spread = high - low if high - low > SAME * size else size  # values that differ by rounding only are one flat line
    slack = 0.05 * spread if spread > TINY else 1.0
    return max(low - slack, min(low, least)), high + slack


def _drawn(value: float) -> bool:
    return abs(value) < HUGE  # NaN is not


def chart(panels: list[Panel], frames: int) -> Tensor:
    """The panels as one picture. Returns (1, H, 960, 3) float32 in 0…1."""
    image = Image.new("RGB", (WIDTH * SCALE, PANEL * len(panels) * SCALE), "white")
    draw = ImageDraw.Draw(image)
    for number, panel in enumerate(panels):
        _draw(draw, panel, frames, number * PANEL)
    image = image.resize((WIDTH, PANEL * len(panels)), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).float()[None] / 255


def _draw(draw: ImageDraw.ImageDraw, panel: Panel, frames: int, top: int) -> None:
    text, small = (ImageFont.load_default(size * SCALE) for size in (15, 12))
    draw.text((LEFT * SCALE, (top + 8) * SCALE), panel.title, INK, text)
    _legend(draw, panel.lines, small, top)
    values = [value for line in panel.lines for value in line.values if _drawn(value)]
    if not values:
        draw.text((WIDTH / 2 * SCALE, (top + PANEL / 2) * SCALE), panel.empty, INK, text, anchor="mm")
        return
    axes = Axes(top, frames, ticks(*scale(values, panel.least)))
    _grid(draw, axes, small)
    for line in panel.lines:
        _curve(draw, axes, line)


def _grid(draw: ImageDraw.ImageDraw, axes: Axes, font: ImageFont.FreeTypeFont) -> None:
    digits = max(0, -floor(log10(axes.marks[1] - axes.marks[0]) + 1e-9))
    form = f".{digits}f" if digits < 8 and abs(axes.marks[-1]) < 1e7 else ".6g"
    for mark in axes.marks:
        x, y = axes.place(0, mark)
        draw.line(((x, y), ((WIDTH - RIGHT) * SCALE, y)), PALE, SCALE)
        draw.text((x - 8 * SCALE, y), f"{mark:{form}}", INK, font, anchor="rm")
    x, y = axes.place(0, axes.marks[0])
    draw.text((x - 20 * SCALE, y + 14 * SCALE), "frame", INK, font, anchor="rm")
    for frame in range(0, axes.frames, ceil(axes.frames / 16)):
        x, y = axes.place(frame, axes.marks[0])
        draw.text((x, y + 14 * SCALE), str(frame), INK, font, anchor="mm")


def _curve(draw: ImageDraw.ImageDraw, axes: Axes, line: Line) -> None:
    """Dots, joined by lines where both neighbours have a value."""
    places = [axes.place(at, value) if _drawn(value) else None for at, value in zip(line.at, line.values, strict=True)]
    for first, second in pairwise(places):
        if first and second:
            draw.line((first, second), line.colour, 2 * SCALE)
    radius = (3 if len(places) <= 64 else 1) * SCALE
    for x, y in filter(None, places):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), line.colour)


def _legend(draw: ImageDraw.ImageDraw, lines: list[Line], font: ImageFont.FreeTypeFont, top: int) -> None:
    """The curves' names beside the title, from the right edge inwards."""
    x, y = (WIDTH - RIGHT) * SCALE, (top + 16) * SCALE
    for line in reversed(lines):
        draw.text((x, y), line.name, INK, font, anchor="rm")
        x -= draw.textlength(line.name, font) + 8 * SCALE
        draw.line(((x - 18 * SCALE, y), (x, y)), line.colour, 3 * SCALE)
        x -= 34 * SCALE
