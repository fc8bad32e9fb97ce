"""Masks from marks: a thing marked by hand in one or more frames becomes a mask for each frame, without a segmenter.

GrabCut (Rother et al. 2004) separates the thing's colours from those around the marks; optical flow carries the outline
to the next frame, where GrabCut draws its edge again. It loses things that look like their surroundings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.optical_flow import warp_masks

MARK = re.compile(r"(not\s+|box\s+)?(\d+(?:\s*,\s*\d+)*)", re.ASCII)
ON, BESIDE, BOX = "", "not", "box"  # kinds of marks, as written in the text
SEED = 0.012  # radius of certain pixels around a point, in shares of the longer side
REACH = 0.18  # largest distance of the thing from a point, without a box, in shares of the longer side
BAND = 0.03  # largest error of an outline carried by flow, in shares of the longer side

Flow = Callable[[int, int], Tensor]  # frame numbers (a, b) -> the flow from a to b, on a's grid, (H, W, 2)


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


def follow(frames: Tensor, marks: list[Mark], flow: Flow) -> Tensor:
    """The marked thing in every frame, (F, H, W) bool.

    Frames with a point or a box are cut from their marks; from these the outline is carried to all other frames, each
    from its nearest one, of two the earlier. With “not” marks only, the masks are empty.
    Args: frames (F, H, W, 3) float in 0…1; flow between neighbouring frames.
    """
    starts = sorted({mark.frame for mark in marks if mark.kind != BESIDE})
    if not starts:
        return torch.zeros(frames.shape[:3], dtype=torch.bool)
    pictures = (frames[..., :3].cpu().clamp(0, 1) * 255).round().byte().numpy()
    found = np.zeros(pictures.shape[:3], bool)
    for start in starts:
        found[start] = cut(pictures[start], [mark for mark in marks if mark.frame == start])
    nearest = [min(starts, key=lambda start: (abs(start - frame), start)) for frame in range(len(pictures))]
    for start in starts:
        for way in (1, -1):
            frame = start + way
            while 0 <= frame < len(pictures) and nearest[frame] == start:
                found[frame] = redraw(pictures[frame], warp_masks(found[frame - way], flow(frame, frame - way)))
                frame += way
    return torch.from_numpy(found)


def cut(picture: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """GrabCut from one frame's marks. Returns (H, W) bool: all parts with a box, else the parts that hold a point."""
    import cv2

    height, width = picture.shape[:2]
    longer = max(height, width)
    hint = np.full((height, width), cv2.GC_BGD, np.uint8)
    boxes = [mark.place for mark in marks if mark.kind == BOX]
    points = [mark.place for mark in marks if mark.kind == ON]
    for left, top, right, bottom in boxes:
        hint[min(top, bottom) : max(top, bottom) + 1, min(left, right) : max(left, right) + 1] = cv2.GC_PR_FGD
    for point in () if boxes else points:  # a box gives the thing's extent
        cv2.circle(hint, point, round(REACH * longer), cv2.GC_PR_BGD, -1)
    for point in () if boxes else points:
        cv2.circle(hint, point, round(REACH * longer / 2), cv2.GC_PR_FGD, -1)
    for mark in marks:
        if mark.kind != BOX:
            value = cv2.GC_BGD if mark.kind == BESIDE else cv2.GC_FGD
            cv2.circle(hint, mark.place, max(1, round(SEED * longer)), value, -1)
    inside = _grabcut(picture, hint)
    parts = cv2.connectedComponents(inside.astype(np.uint8))[1]
    held = {int(parts[y, x]) for x, y in points} if points and not boxes else set(np.unique(parts))
    return np.isin(parts, list(held - {0}))


def redraw(picture: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """An expected outline, (H, W) bool, corrected by GrabCut on the picture within a band around it."""
    import cv2

    if not expected.any():
        return expected
    side = 2 * max(1, round(BAND * max(picture.shape[:2]))) + 1
    kernel, shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), expected.astype(np.uint8)
    hint = np.full(expected.shape, cv2.GC_BGD, np.uint8)
    hint[cv2.dilate(shape, kernel) > 0] = cv2.GC_PR_BGD
    hint[expected] = cv2.GC_PR_FGD
    hint[cv2.erode(shape, kernel, borderValue=1) > 0] = cv2.GC_FGD
    return _grabcut(picture, hint) if (hint == cv2.GC_BGD).any() else expected


def _grabcut(picture: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """GrabCut. hint: its labels, (H, W) uint8. Returns (H, W) bool."""
    import cv2

    sure = np.isin(hint, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if sure.all() or not sure.any():  # only one class: GrabCut would abort the process
        return sure
    cv2.setRNGSeed(0)  # its first colours are random
    hint = hint.copy()
    cv2.grabCut(
        np.ascontiguousarray(picture[..., ::-1]),
        hint,
        None,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        4,
        cv2.GC_INIT_WITH_MASK,
    )
    return np.isin(hint, (cv2.GC_FGD, cv2.GC_PR_FGD))
