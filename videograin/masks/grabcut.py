"""Masks from marks: a thing marked by hand in one or more frames becomes a mask for each frame, without a segmenter.

GrabCut (Rother et al. 2004) separates the thing's colours from those around the marks; optical flow carries the outline
to the next frame, where GrabCut draws its edge again. It loses things that look like their surroundings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.optical_flow import occluded, warp_masks
from .box_path import Flow, boxes_between
from .doubts import doubts
from .marks import BESIDE, BOX, BRUSH, ERASE, ON, STROKES, Mark

SEED = 0.012  # radius of certain pixels around a point, in shares of the longer side
REACH = 0.18  # largest distance of the thing from a point, without a box, in shares of the longer side
BAND = 0.03  # largest error of an outline carried by flow, in shares of the longer side
CORE = 0.5  # the middle of a box that is surely the thing: an ellipse, in shares of the box


class Followed(NamedTuple):
    """A thing in every frame: its masks, (F, H, W) bool, and what is doubtful about some of them (doubts.py)."""

    masks: Tensor
    doubts: dict[int, tuple[str, float]]


def follow(
    frames: Tensor, marks: list[Mark], flow: Flow, advance: Callable[[float], None] = lambda done: None
) -> Followed:
    """The marked thing in every frame.

    Frames with a point or a box are cut from their marks, those between two with boxes from boxes between these; what is
    painted is the mask there, or is added to the cut. The outline is carried to all other frames, each from its nearest
    one, of two the earlier; what is erased in a frame is taken away last, and so from the frames that follow from it.
    Without anything that is on the thing, the masks are empty. Args: frames (F, H, W, 3) float in 0…1; flow between neighbouring frames; advance, called with the
    share of frames done.
    """
    marked = _starts(marks)
    if not marked:
        return Followed(torch.zeros(frames.shape[:3], dtype=torch.bool), {})
    brushed = {mark.frame for mark in marks if mark.kind == BRUSH}
    marks = [*marks, *(box for box in boxes_between(marks, frames.shape[1:3], flow) if box.frame not in brushed)]
    starts = _starts(marks)
    pictures = in_bytes(frames)
    found, unclear, done = np.zeros(pictures.shape[:3], bool), {}, 0
    for start in starts:
        found[start] = drawn(pictures[start], [mark for mark in marks if mark.frame == start])
        done += 1
        advance(done / len(pictures))
    nearest = [min(starts, key=lambda start: (abs(start - frame), start)) for frame in range(len(pictures))]
    for start in starts:
        for way in (1, -1):
            frame = start + way
            while 0 <= frame < len(pictures) and nearest[frame] == start:
                there = flow(frame, frame - way)
                carried = redraw(pictures[frame], warp_masks(found[frame - way], there))
                found[frame] = painted(carried, [mark for mark in marks if mark.frame == frame])
                if found[frame].any():
                    hidden = occluded(there, flow(frame - way, frame)).numpy()
                    unclear[frame] = float(hidden[found[frame]].mean())
                done += 1
                advance(done / len(pictures))
                frame += way
    return Followed(torch.from_numpy(found), doubts(found, marked, unclear))


def marked_masks(frames: Tensor, marks: list[Mark]) -> dict[int, Tensor]:
    """The thing in the frames (F, H, W, 3) in which it is marked and found: {frame: (H, W) bool}, ascending."""
    found = {}
    for start in _starts(marks):
        mask = drawn(in_bytes(frames[start]), [mark for mark in marks if mark.frame == start])
        if mask.any():
            found[start] = torch.from_numpy(mask)
    return found


def drawn(picture: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """The thing, (H, W) bool, from one frame's marks: cut out, then painted."""
    return painted(cut(picture, [mark for mark in marks if mark.kind not in STROKES]), marks)


def in_bytes(frames: Tensor) -> np.ndarray:
    """Frames (..., H, W, 3 or more) in 0…1 as uint8, without alpha."""
    return (frames[..., :3].float().cpu().clamp(0, 1) * 255).round().byte().numpy()


def _starts(marks: list[Mark]) -> list[int]:
    """The frames in which the thing itself is marked."""
    return sorted({mark.frame for mark in marks if mark.kind not in (BESIDE, ERASE)})


def painted(mask: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """A mask, (H, W) bool, after one frame's strokes, in their order."""
    import cv2

    canvas = mask.astype(np.uint8)
    for mark in marks:
        if mark.kind in STROKES:
            line, value = np.array(mark.place).reshape(-1, 1, 2), int(mark.kind == BRUSH)
            cv2.polylines(canvas, [line], False, value, 2 * mark.radius)  # this wide to each side, its middle besides
            for point in line[[0, -1], 0].tolist():  # also where the line is one point
                cv2.circle(canvas, point, mark.radius, value, -1)
    return canvas > 0


def cut(picture: np.ndarray, marks: list[Mark]) -> np.ndarray:
    """GrabCut from one frame's marks. Returns (H, W) bool: all parts with a box, else the parts that hold a point; none
    without either."""
    import cv2

    height, width = picture.shape[:2]
    longer = max(height, width)
    hint = np.full((height, width), cv2.GC_BGD, np.uint8)
    boxes = [mark.place for mark in marks if mark.kind == BOX]
    points, beside = ([mark.place for mark in marks if mark.kind == kind] for kind in (ON, BESIDE))
    for left, top, right, bottom in boxes:
        hint[min(top, bottom) : max(top, bottom) + 1, min(left, right) : max(left, right) + 1] = cv2.GC_PR_FGD
    for core in (_core(box, hint.shape) for box in boxes):
        if not any(core[y, x] for x, y in beside):  # else the box's middle is not the thing
            hint[core] = cv2.GC_FGD
    for point in () if boxes else points:  # a box gives the thing's extent
        cv2.circle(hint, point, round(REACH * longer), cv2.GC_PR_BGD, -1)
    for point in () if boxes else points:
        cv2.circle(hint, point, round(REACH * longer / 2), cv2.GC_PR_FGD, -1)
    for mark in marks:
        if mark.kind in (ON, BESIDE):
            value = cv2.GC_BGD if mark.kind == BESIDE else cv2.GC_FGD
            cv2.circle(hint, mark.place, max(1, round(SEED * longer)), value, -1)
    inside = by_hints(picture, hint)
    parts = cv2.connectedComponents(inside.astype(np.uint8))[1]
    held = {int(parts[y, x]) for x, y in points} if points and not boxes else set(np.unique(parts))
    return np.isin(parts, list(held - {0}))


def _core(box: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """The middle of a box that is surely the thing, (H, W) bool."""
    left, top, right, bottom = box
    y, x = np.ogrid[: size[0], : size[1]]
    across = (2 * x - left - right) / (CORE * (abs(right - left) + 1))
    down = (2 * y - top - bottom) / (CORE * (abs(bottom - top) + 1))
    return across**2 + down**2 <= 1


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
    return by_hints(picture, hint) if (hint == cv2.GC_BGD).any() else expected


def by_hints(picture: np.ndarray, hint: np.ndarray) -> np.ndarray:
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
