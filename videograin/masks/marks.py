"""Marks of a thing in a clip, as text: points on it, points beside it, boxes around it, and what is painted or erased."""

from __future__ import annotations

import re
from typing import NamedTuple

MARK = re.compile(r"((?:not|box|brush|erase)\s+)?(\d+(?:\s*,\s*\d+)*)", re.ASCII)
ON, BESIDE, BOX, BRUSH, ERASE = "", "not", "box", "brush", "erase"  # kinds of marks, as written in the text
STROKES = (BRUSH, ERASE)


class Mark(NamedTuple):
    """A point on the thing (kind ON), a point beside it (BESIDE), a box around it (BOX), or a stroke that paints the mask or
    takes away from it (BRUSH, ERASE), in one frame.

    place: x, y of a point; left, top, right, bottom; or x, y of each point of a stroke's line. radius: of a stroke. In pixels.
    """

    kind: str
    place: tuple[int, ...]
    frame: int
    radius: int = 0


def parse_marks(text: str, frames: int, height: int, width: int) -> list[Mark]:
    """Marks from text such as “310, 200, 0; not 50, 60, 0; box 250, 120, 400, 330, 0; brush 310, 200, 330, 210, 12, 0”; the
    frame number is last, a stroke's radius before it.

    Raises ValueError for text that is no mark, and for marks outside the clip.
    """
    marks = []
    for part in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        found = MARK.fullmatch(part)
        kind = (found[1] or "").strip() if found else ""
        numbers = tuple(map(int, re.split(r"\s*,\s*", found[2]))) if found else ()
        if not _complete(kind, len(numbers)):
            raise ValueError(
                f'"{_short(part)}" is no mark. A point on the thing is “x, y, frame”, a point beside it “not x, y, frame”, a box '
                "around it “box left, top, right, bottom, frame”, a stroke “brush x, y, x, y, …, radius, frame”, or with “erase” "
                "in place of “brush”; a semicolon comes between two marks"
            )
        *rest, frame = numbers
        *place, radius = rest if kind in STROKES else (*rest, 0)
        if frame >= frames or max(place[::2]) >= width or max(place[1::2]) >= height:
            raise ValueError(
                f'"{_short(part)}" lies outside the clip: x goes from 0 to {width - 1}, y from 0 to {height - 1}, the frame from '
                f"0 to {frames - 1}"
            )
        if kind in STROKES and not 1 <= radius <= max(width, height):
            raise ValueError(
                f'"{_short(part)}" has the radius {radius}, but it must be from 1 to {max(width, height)}: the last number but one'
            )
        marks.append(Mark(kind, tuple(place), frame, radius))
    return marks


def _complete(kind: str, count: int) -> bool:
    """True if so many numbers make a mark of a kind."""
    return count >= 4 and count % 2 == 0 if kind in STROKES else count == (5 if kind == BOX else 3)


def _short(part: str) -> str:
    return part if len(part) <= 60 else f"{part[:60]}…"
