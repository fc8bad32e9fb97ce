"""An edit made steady: each point of a thing is averaged with what the other frames show there, along the thing's motion.

The motion is the old thing's, found in the source (body_motion.py): a new thing moves as it did. Every frame is brought to
the body at rest; there a pixel is mixed with the same pixel of the frames around, each the less the more it differs
(a bilateral filter over time: Tomasi and Manduchi, ICCV 1998), and only the change is brought back: what is the same in all
frames stays as sharp as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .affine import at, grid
from .body_motion import Body, read
from .laying import soft, widened
from .region_track import box, square

LIKENESS = 0.24  # deviation of the colours, of 1, at which a pixel of another frame counts 0.6
PATCH = 2.0  # pixels: deviation of the window in which colours are compared
REACH = 4  # frames before and after
ROOM = 0.1  # of the thing's longer side, by which it may be larger than the old one
STEPS = 5  # from a point of the body at rest to its place in a frame


class Sight(NamedTuple):
    """A frame on the body at rest. colours (h, w, 3) and seen (h, w) float32: 0 where another thing is in front; places (H, W, 2):
    of the frame's pixels there.
    """

    colours: np.ndarray
    seen: np.ndarray
    places: np.ndarray


def steadied(
    frames: np.ndarray,
    body: Body,
    masks: np.ndarray,
    others: np.ndarray,
    reach: int = REACH,
    tell: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Edited frames (F, H, W, 3) float32 in 0…1, steady where the thing is.

    masks, others: (F, H, W) bool, the old thing, and what may hide it. tell: called for each frame.
    """
    corner, size = _box(body.rest)
    room = widened(masks, others, _margin(body.rest))
    shown = [f for f in range(len(frames)) if body.way.shown(f)]
    found, sights = frames.copy(), {}
    for f in shown:
        tell()
        near = [g for g in shown if abs(g - f) <= reach]
        sights = {g: sights.get(g) or _sight(frames[g], others[g], body, g, corner, size) for g in near}
        change = _averaged(sights, f) - sights[f].colours
        inside = (soft(room[f]) * ~others[f])[..., None]
        found[f] += inside * read(change, sights[f].places)
    return found


def _margin(rest: np.ndarray) -> int:
    return max(1, round(ROOM * square(rest)[1]))


def _box(rest: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The corner (x, y) and the size (height, width) of the body's picture at rest; it may reach beyond the frame."""
    around = 2 * _margin(rest)
    first, last = box(rest)
    width, height = last - first + 1 + 2 * around
    return first - around, (height, width)


def _sight(
    frame: np.ndarray, hidden: np.ndarray, body: Body, number: int, corner: np.ndarray, size: tuple[int, int]
) -> Sight:
    places, points = body.places(number), grid(size) + corner
    there = _found(places, points, body.way.maps[number])
    height, width = hidden.shape
    x, y = there[..., 0], there[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    return Sight(read(frame, there), read((~hidden).astype(np.float32), there) * inside, places - corner)


def _found(places: np.ndarray, points: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Where in a frame points (h, w, 2) of the body at rest are: from where the thing as a whole would bring them, closer by
    what is missed there.
    """
    there = at(way, points)
    for _ in range(STEPS):
        there = there - (read(places, there) - points) @ way[:, :2].T
    return there


def _averaged(sights: dict[int, Sight], frame: int) -> np.ndarray:
    """The colours of a frame, (h, w, 3), mixed with those of the others."""
    import cv2

    own = sights[frame].colours
    total, weights = own.copy(), np.ones(own.shape[:2], np.float32)
    for number, other in sights.items():
        if number != frame:
            apart = cv2.GaussianBlur(((other.colours - own) ** 2).mean(-1), (0, 0), PATCH)
            weight = other.seen * np.exp(-apart / (2 * LIKENESS**2))
            total += weight[..., None] * other.colours
            weights += weight
    return total / weights[..., None]
