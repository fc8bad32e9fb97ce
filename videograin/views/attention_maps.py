"""Where phrases and picked points look, as maps over the clip, and as numbers."""

from __future__ import annotations

import re
from math import isnan, nan
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from .centre import centre

POINT = re.compile(r"\(?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)?")


class Point(NamedTuple):
    """A place in the clip: pixels from the left and from the top, number of the frame from 0."""

    x: int
    y: int
    frame: int

    def moved(self, x: int, y: int) -> Point:
        return Point(self.x + x, self.y + y, self.frame)

    def within(self, width: int, height: int) -> Point:
        """The point, or the one nearest to it, in a picture of this size."""
        return Point(min(max(self.x, 0), width - 1), min(max(self.y, 0), height - 1), self.frame)

    def token(self, size: tuple[int, int], grid: tuple[int, int]) -> int:
        """The token of a grid (height, width) that lies there; size: (height, width) of the frames."""
        return self.y * grid[0] // size[0] * grid[1] + self.x * grid[1] // size[1]


class Average:
    """The mean of tensors of one shape, kept in float32 on the CPU."""

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
    """One phrase, or one point.

    name: of the column. maps: (rows, frames, h, w) float32, probabilities; rows are before and after modulation, or one
    where nothing modulates. mask: (frames, H, W) of its region, or None. point: of a query.
    """

    name: str
    maps: Tensor
    mask: Tensor | None = None
    point: Point | None = None

    def inside(self) -> list[float | None]:
        """Of each row, the share that falls inside the region, 0…1; None without a region."""
        if self.mask is None:
            return [None] * len(self.maps)
        shares = [attention_inside(maps, self.mask) for maps in self.maps]
        return [None if isnan(share) else share for share in shares]


def parse_points(text: str, whose: str, frames: int, height: int, width: int) -> list[Point]:
    """Points written as “x, y, frame”, several with semicolons or line ends between them.

    whose: the input's name, for messages. Raises ValueError for what is no point, or lies outside the clip of `frames` frames of height × width pixels.
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

    maps (F, h, w), not negative; mask (F or 1, H, W) in 0…1, brought to the maps' grid by the area it covers there.
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
    """The numbers as lines of text. where: what was averaged over."""
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
