"""Boxes as text, one line for each thing: “cat: 24, 40, 60, 60 @ 0; 90, 40, 60, 60 @ 7”.

A box is x, y, width and height in pixels from the top left corner; the number of its frame, from 0, follows @ or “at”.
Boxes that place objects are keyframes: a box moves and grows evenly between two of them, and stays still before the
first and after the last. Boxes that are detections (VISOR) belong to their own frame only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.regions import Region

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
BOX = re.compile(
    rf"({NUMBER})\s*,\s*({NUMBER})\s*,\s*({NUMBER})\s*,\s*({NUMBER})\s*(?:(?:@|at)\s*(\d+))?", re.IGNORECASE
)
FORM = "“cat: 24, 40, 60, 60 at 0; 90, 40, 60, 60 at 7”: x, y, width and height in pixels, after “at” the frame from 0"
FAR = 1e9  # pixels, larger than any picture


class Box(NamedTuple):
    """A box. left, top, width, height: pixels. frame: from 0; None for every frame."""

    left: float
    top: float
    width: float
    height: float
    frame: int | None = None

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


Boxes = dict[str, list[Box]]  # name -> boxes in the order they are written


def parse_boxes(text: str, whose: str, frames: int) -> Boxes:
    """Boxes from text, one line for each thing; a name may have several lines. whose: the input's name, for messages.

    Raises ValueError for text that is no box, a box without area, and a frame that a clip of `frames` frames lacks.
    """
    found: Boxes = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, boxes = line.rpartition(":")
        if not colon or not name.strip():
            raise ValueError(f"{whose} has the line “{line.strip()}” without a name and a colon. Write it as {FORM}.")
        parts = [part.strip() for part in boxes.split(";") if part.strip()]
        if not parts:
            raise ValueError(f"{whose} gives “{name.strip()}” no box. Write it as {FORM}.")
        found.setdefault(name.strip(), []).extend(_box(part, whose, frames) for part in parts)
    return found


def _box(text: str, whose: str, frames: int) -> Box:
    match = BOX.fullmatch(text)
    if not match:
        raise ValueError(f"{whose} has “{text}”, which is no box. Write it as {FORM}.")
    *numbers, frame = match.groups()
    box = Box(*map(float, numbers), None if frame is None else int(frame))
    if any(abs(number) > FAR for number in box[:4]):
        raise ValueError(f"{whose} has the box “{text}”, which no picture could show: its numbers are pixels.")
    if box.width <= 0 or box.height <= 0:
        raise ValueError(
            f"{whose} has the box “{text}”, which is {box.width:g} wide and {box.height:g} high. The third and the fourth "
            "number are width and height (not the right and the lower edge) and must be above 0."
        )
    if box.frame is not None and box.frame >= frames:
        raise ValueError(f"{whose} has the box “{text}”, but the clip's frames are numbered 0 to {frames - 1}.")
    return box


def moving_box(keys: list[Box], frames: int, whose: str) -> list[Box]:
    """One box for each frame, linear between the keyframes. Raises ValueError for two boxes of one frame."""
    keys = sorted((key._replace(frame=key.frame or 0) for key in keys), key=lambda key: key.frame)
    if clash := [b.frame for a, b in pairwise(keys) if a.frame == b.frame]:
        raise ValueError(
            f"{whose} gives one thing two boxes at frame {clash[0]} (a box without a frame stands at 0). Give each keyframe its "
            "own frame, and each thing its own name."
        )
    found = []
    for frame in range(frames):
        before = next((key for key in reversed(keys) if key.frame <= frame), keys[0])
        after = next((key for key in keys if key.frame >= frame), keys[-1])
        share = (frame - before.frame) / (after.frame - before.frame) if after.frame > before.frame else 0.0
        found.append(Box(*(a + share * (b - a) for a, b in zip(before[:4], after[:4], strict=True)), frame))
    return found


def box_masks(boxes: list[Box], height: int, width: int) -> Tensor:
    """Masks of boxes, (len(boxes), height, width) float32, 1 inside; edges rounded to pixels, cut to the picture."""
    masks = torch.zeros(len(boxes), height, width)
    for mask, box in zip(masks, boxes, strict=True):
        left, right = (min(max(round(x), 0), width) for x in (box.left, box.left + box.width))
        top, bottom = (min(max(round(y), 0), height) for y in (box.top, box.top + box.height))
        mask[top:bottom, left:right] = 1
    return masks


def box_regions(text: str, clip: tuple[int, int, int], whose: str, warn: Callable[[str], None]) -> tuple[Region, ...]:
    """A region for each thing in the text; its box moves between keyframes.

    Args: clip, its frames, height and width in pixels; whose, the input's name, for messages; warn, called with a text
    for a box that reaches out of the picture. Raises ValueError as `parse_boxes`, and for boxes that no frame shows.
    """
    count, height, width = clip
    found = []
    for name, keys in parse_boxes(text, whose, count).items():
        mask = box_masks(moving_box(keys, count, whose), height, width)
        if not mask.any():
            raise ValueError(
                f"{whose} put “{name}” outside the picture, which is {width}×{height} pixels, or too small to "
                "hold a pixel of it, in every frame. Move or widen the box: its numbers are pixels (not shares), from the top left corner."
            )
        over = max(max(key.left + key.width - width, key.top + key.height - height) for key in keys)
        if over > 0:
            warn(
                f"{whose}: a box of “{name}” reaches {over:g} pixels beyond the right or the lower edge of the picture ({width}×{height}). "
                "A box's third and fourth numbers are its width and height, not its other corner."
            )
        found.append(Region(mask, name))
    return tuple(found)
