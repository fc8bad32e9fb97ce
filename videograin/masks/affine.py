"""Affine maps of points (x, y), each (2, 3): the last column is the shift."""

from __future__ import annotations

import numpy as np


def at(turn: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where a map brings points (..., 2)."""
    return points @ turn[:, :2].T + turn[:, 2]


def around(turn: np.ndarray, middle: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The map that turns (2, 2) around `middle` and brings it there."""
    return np.concatenate([turn, (there - turn @ middle)[:, None]], 1)


def after(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The map that does `inner`, then `outer`."""
    return np.concatenate([outer[:, :2] @ inner[:, :2], at(outer, inner[:, 2])[:, None]], 1)


def inverse(turn: np.ndarray) -> np.ndarray:
    back = np.linalg.inv(turn[:, :2])
    return np.concatenate([back, -(back @ turn[:, 2])[:, None]], 1)


def size(turn: np.ndarray) -> float:
    """How many times longer it makes things, in the mean of all directions."""
    return float(np.sqrt(abs(np.linalg.det(turn[:, :2]))))


def angle(turn: np.ndarray) -> float:
    """By how much it turns things, in radians: its rotation nearest to it (polar decomposition)."""
    left, _, right = np.linalg.svd(turn[:, :2])
    nearest = left @ right
    return float(np.arctan2(nearest[1, 0], nearest[0, 0]))


def rotation(radians: float) -> np.ndarray:
    """(2, 2), in the sense of `angle`."""
    cos, sin = np.cos(radians), np.sin(radians)
    return np.array([[cos, -sin], [sin, cos]])


def grid(shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of a picture (H, W) as points, (H, W, 2)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return np.stack([x, y], -1)
