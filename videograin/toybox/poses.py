"""Poses: how a thing of the toy world bends, so that no move of a picture as a whole can follow it.

Points are in a thing's own coordinates: longest side 1, centre (0, 0), x to the right, y down.
"""

from typing import NamedTuple

import numpy as np

ROUNDS = 24  # of the fixed point of `unbent`: what is left is below a hundredth of a pixel
EARS, FEET = -0.12, 0.12  # heights above and below which ears and feet move
SIDE = 0.1  # how soft the border between the left and the right ear or foot is


class Pose(NamedTuple):
    """How a thing is bent in one frame. All zeros: as its picture was drawn.

    lean: the top moves sideways, in shares of the longest side. squash: above 0 lower and wider, below 0 taller and
    narrower. turn: its middle moves sideways between fixed edges, as the face of a head that turns. ears, feet: (left,
    right), the upper corners swing sideways, the lower corners are lifted.
    """

    lean: float = 0.0
    squash: float = 0.0
    turn: float = 0.0
    ears: tuple[float, float] = (0.0, 0.0)
    feet: tuple[float, float] = (0.0, 0.0)


STILL = Pose()


def bent(points: np.ndarray, pose: Pose) -> np.ndarray:
    """The place of a thing's points (..., 2) when it has this pose."""
    return points + _shift(points, pose)


def unbent(points: np.ndarray, pose: Pose) -> np.ndarray:
    """The points (..., 2) of a thing that stand at these places when it has this pose: the inverse of `bent`.

    A fixed point: no part of a pose moves neighbours apart by as much as their distance.
    """
    if pose == STILL:
        return points
    found = points
    for _ in range(ROUNDS):
        found = points - _shift(found, pose)
    return found


def _shift(points: np.ndarray, pose: Pose) -> np.ndarray:
    x, y = points[..., 0], points[..., 1]
    right = 0.5 + 0.5 * np.tanh(x / SIDE)
    ears, feet = (np.clip((EARS - y) / 0.4, 0, 1) ** 2, np.clip((y - FEET) / 0.4, 0, 1) ** 2)
    # Everything stands on its lower edge, y = 0.5.
    across = (
        pose.lean * np.clip(0.5 - y, 0, 1.2) ** 2 + pose.squash * x + pose.turn * np.clip(0.25 - x * x, 0, None) * 2
    )
    across = across + ears * ((1 - right) * pose.ears[0] + right * pose.ears[1])
    down = pose.squash * (0.5 - y) / (1 + abs(pose.squash)) - feet * ((1 - right) * pose.feet[0] + right * pose.feet[1])
    return np.stack([across, down], -1)


def gait(frames: int, life: float, rng: np.random.Generator) -> list[Pose]:
    """The poses of a thing that walks: it turns slowly, its feet and ears alternate. life: 0 still, 1 lively."""
    step = 2 * np.pi * (np.arange(frames) / rng.uniform(5, 8) + rng.uniform())
    look = 2 * np.pi * (np.arange(frames) / rng.uniform(9, 14) + rng.uniform())
    lean, squash, turn = (life * rng.uniform(*span) for span in ((0.06, 0.14), (0.05, 0.11), (0.14, 0.24)))
    ears, feet = life * rng.uniform(0.05, 0.1), life * rng.uniform(0.05, 0.1)
    return [
        Pose(
            lean=lean * np.sin(s + 0.7),
            squash=squash * np.sin(2 * s),
            turn=turn * np.sin(v),
            ears=(ears * np.sin(s), ears * np.sin(s + 2.2)),
            feet=(feet * max(0.0, np.sin(s)), feet * max(0.0, -np.sin(s))),
        )
        for s, v in zip(step, look, strict=True)
    ]
