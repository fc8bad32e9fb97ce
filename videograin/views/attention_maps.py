"""Attention of phrases and of picked points, as maps over the clip and as numbers."""

from __future__ import annotations

import re
from math import isnan, nan
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from .centre import centre

POINT = re.compile(r"\(?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)?")


class Point(NamedTuple):
    """A point in the clip: x from the left and y from the top in pixels, frame number from 0."""

    x: int
    y: int
    frame: int

    def moved(self, x: int, y: int) -> Point:
        return Point(self.x + x, self.y + y, self.frame)

    def within(self, width: int, height: int) -> Point:
        """The point, or the one nearest to it, in a picture of this size."""
        return Point(min(max(self.x, 0), width - 1), min(max(self.y, 0), height - 1), self.frame)

    def token(self, size: tuple[int, int], grid: tuple[int, int]) -> int:
        """The token of a grid (height, width) at this point; size: (height, width) of the frames."""
        return self.y * grid[0] // size[0] * grid[1] + self.x * grid[1] // size[1]


class Average:
    """A running mean of tensors of one shape, float32 on the CPU."""

    def __init__(self):
        self.total: Tensor | None = None
        self.count = 0

    def add(self, x: Tensor) -> None:
        x = x.float().cpu()
        self.total = x if self.total is None else self.total + x
        self.count += 1

    def mean(self) -> Tensor:
        return self.total / self.count


class Column(NamedTuple):
    """The maps of one phrase or one point.

    name: of the column. maps: (rows, frames, h, w) float32, probabilities; rows are before and after modulation, or one
    row without modulation. mask: (frames, H, W) of the phrase's region, or None. point: the query.
    """

    name: str
    maps: Tensor
    mask: Tensor | None = None
    point: Point | None = None

    def inside(self) -> list[float | None]:
        """The share of each row that falls inside the region, 0…1; None without a region."""
        if self.mask is None:
            return [None] * len(self.maps)
        shares = [attention_inside(maps, self.mask) for maps in self.maps]
        return [None if isnan(share) else share for share in shares]


def parse_points(text: str, whose: str, frames: int, height: int, width: int) -> list[Point]:
    """Points from text, “x, y, frame” each, separated by semicolons or line ends.

    whose: the input's name, for messages. Raises ValueError for text that is no point, and for points outside the clip
    of `frames` frames of height × width pixels.
    """
    points = []
    for part in filter(str.strip, re.split(r"[;\n]", text)):
        found = POINT.fullmatch(part.strip())
        if not found:
            raise ValueError(
                f'{whose} has "{part.strip()}", but a point is written as three whole numbers, x, y '
                'and frame, as in "310, 200, 0"; a semicolon comes between two points.'
            )
        point = Point(*map(int, found.groups()))
        if point.x >= width or point.y >= height or point.frame >= frames:
            raise ValueError(
                f"{whose} has {tuple(point)}, which lies outside the clip: x goes from 0 to {width - 1}, "
                f"y from 0 to {height - 1}, the frame from 0 to {frames - 1}."
            )
        points.append(point)
    return points


def attention_inside(maps: Tensor, mask: Tensor) -> float:
    """Share of a phrase's cross-attention that falls inside its region, 0…1 (VideoGrain Fig. 7 as a number).

    maps (F, h, w), not negative; mask (F or 1, H, W) in 0…1, averaged over the cells of the maps' grid.
    """
    inside = F.interpolate(mask[:, None].to(maps), maps.shape[-2:], mode="area")[:, 0]
    total = float(maps.double().sum())
    return float((maps * inside).double().sum()) / total if total else nan


def middle(mask: Tensor) -> Point:
    """The pixel of a region nearest to its centre, in the first frame that shows it. mask (frames, H, W) bool."""
    frame = int(mask.flatten(1).any(1).float().argmax())
    y, x = centre(mask[frame])
    return Point(x, y, frame)


def report(phrases: list[Column], points: list[Column], where: str) -> str:
    """The numbers as lines of text. where: the layers and steps that were averaged, as text."""
    lines = [f"Mean of {where}.", "", "Cross-attention: a phrase's share of a pixel's attention."]
    lines += [f"  {column.name}: {_arrow([float(maps.mean()) for maps in column.maps])}{_inside(column)}"
              for column in phrases]  # fmt: skip
    lines += ["", "Self-attention: where a point looks in all frames it sees."]
    lines += [f"  {column.name} at {tuple(column.point)}{_inside(column)}" for column in points]
    return "\n".join(lines)


def _arrow(values: list[float]) -> str:
    return " \u2192 ".join(f"{value:.1%}" for value in values)


def _inside(column: Column) -> str:
    shares = column.inside()
    return "" if None in shares else f", inside its region {_arrow(shares)} of it"
