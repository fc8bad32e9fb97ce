"""Marks of a thing in a clip, as text: points on it, points beside it, boxes around it."""

from __future__ import annotations

import re
from typing import NamedTuple

MARK = re.compile(r"(not\s+|box\s+)?(\d+(?:\s*,\s*\d+)*)", re.ASCII)
ON, BESIDE, BOX = "", "not", "box"  # kinds of marks, as written in the text


class Mark(NamedTuple):
    """A point on the thing (kind ON), a point beside it (BESIDE), or a box around it (BOX), in one frame.

    place: (x, y) or (left, top, right, bottom), in pixels.
    """

    kind: str
    place: tuple[int, ...]
    frame: int


def parse_marks(text: str, frames: int, height: int, width: int) -> list[Mark]:
    """Marks from text such as “310, 200, 0; not 50, 60, 0; box 250, 120, 400, 330, 0”; the frame number is last.

    Raises ValueError for text that is no mark, and for marks outside the clip.
    """
    marks = []
    for part in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        found = MARK.fullmatch(part)
        kind = (found[1] or "").strip() if found else ""
        numbers = tuple(map(int, re.split(r"\s*,\s*", found[2]))) if found else ()
        if len(numbers) != (5 if kind == BOX else 3):
            raise ValueError(
                f'"{part}" is no mark. A point on the thing is “x, y, frame”, a point beside it “not x, y, frame”, a box '
                "around it “box left, top, right, bottom, frame”; a semicolon comes between two marks"
            )
        *place, frame = numbers
        if frame >= frames or max(place[::2]) >= width or max(place[1::2]) >= height:
            raise ValueError(
                f'"{part}" lies outside the clip: x goes from 0 to {width - 1}, y from 0 to {height - 1}, the frame from '
                f"0 to {frames - 1}"
            )
        marks.append(Mark(kind, tuple(place), frame))
    return marks
