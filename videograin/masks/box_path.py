"""Boxes between boxes: where a thing is boxed in several frames, each frame between two of them gets a box of its own.

Its size changes evenly from one to the other. Its middle goes with the flow inside it, from both ends; what the flow
misses the other end by is spread over the way, and where it misses too far the box moves evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise, permutations

import numpy as np
from torch import Tensor

from .marks import BOX, ON, Mark

MOST = 5  # boxes of one frame that are paired with another's: each more multiplies the ways of pairing
MISS = 0.15  # how far flow may miss the box at the other end, in shares of its diagonal

Flow = Callable[[int, int], Tensor]  # frame numbers (a, b) -> the flow from a to b, on a's grid, (H, W, 2)


def boxes_between(marks: list[Mark], size: tuple[int, int], flow: Flow) -> list[Mark]:
    """Boxes for all frames between two frames with boxes, as many in each as these have.

    None where these have different numbers of boxes, and none in a frame with a point on the thing outside all of them:
    the thing took another way. Args: size, height and width of the pictures; flow between neighbouring frames.
    """
    keys = sorted({mark.frame for mark in marks if mark.kind == BOX})
    found = []
    for before, after in pairwise(keys):
        ends = [[_ordered(m) for m in marks if m.kind == BOX and m.frame == frame] for frame in (before, after)]
        if len(ends[0]) != len(ends[1]) or len(ends[0]) > MOST or after - before < 2:
            continue
        way = _way(np.array(ends[0], float), _matched(*map(np.array, ends)), range(before, after + 1), flow)
        limit = np.array((size[1], size[0]) * 2) - 1
        for frame, boxes in zip(range(before + 1, after), way[1:-1].round().astype(int), strict=True):
            here = [tuple(map(int, np.clip(box, 0, limit))) for box in boxes]
            points = [mark.place for mark in marks if mark.kind == ON and mark.frame == frame]
            if all(any(_holds(box, point) for box in here) for point in points):
                found += [Mark(BOX, box, frame) for box in here]
    return found


def _ordered(box: Mark) -> tuple[int, ...]:
    left, top, right, bottom = box.place
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def _holds(box: tuple[int, ...], point: tuple[int, ...]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _matched(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The last boxes, (n, 4), in the order in which they lie nearest to the first ones."""
    orders = [list(order) for order in permutations(range(len(last)))]
    return last[min(orders, key=lambda order: np.square(first - last[order]).sum())].astype(float)


def _way(first: np.ndarray, last: np.ndarray, frames: range, flow: Flow) -> np.ndarray:
    """The boxes in all of `frames`, (F, n, 4), from the first to the last ones, (n, 4) each."""
    share = np.linspace(0, 1, len(frames))[:, None, None]
    even = first + share * (last - first)
    middle, half = (even[..., :2] + even[..., 2:]) / 2, (even[..., 2:] - even[..., :2]) / 2
    there = _followed(middle, half, frames, flow)
    back = _followed(middle[::-1], half[::-1], frames[::-1], flow)[::-1]
    weights, ways = [], []
    for way, end, near in ((there, -1, 1 - share), (back, 0, share)):
        missed = middle[end] - way[end]
        trusted = np.linalg.norm(missed, axis=-1) < MISS * 2 * np.linalg.norm(half[end], axis=-1)
        weights.append((near + 1e-6) * trusted[:, None])
        ways.append(way + (1 - near) * missed)
    weights.append(np.full_like(weights[0], 1e-12))  # without any other
    ways.append(middle)
    middle = sum(weight * way for weight, way in zip(weights, ways, strict=True)) / sum(weights)
    return np.concatenate([middle - half, middle + half], -1)


def _followed(middle: np.ndarray, half: np.ndarray, frames: Iterable[int], flow: Flow) -> np.ndarray:
    """Where flow carries the boxes' middles from the first frame on, (F, n, 2): by its median in each box's inner half."""
    found = [middle[0]]
    for (now, then), halves in zip(pairwise(frames), half, strict=False):
        moved = flow(now, then).numpy()
        steps = [_median(moved, centre, size / 2) for centre, size in zip(found[-1], halves, strict=True)]
        found.append(found[-1] + np.stack(steps))
    return np.stack(found)


def _median(moved: np.ndarray, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    low, high = np.maximum(0, centre - half).astype(int), np.maximum(0, centre + half).astype(int) + 1
    inner = moved[low[1] : high[1], low[0] : high[0]].reshape(-1, 2)
    return np.median(inner, 0) if len(inner) else np.zeros(2)
