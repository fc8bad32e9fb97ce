"""Lively clips of the toy world: things bend, come nearer, are lit by the place, and pass behind each other.

`clips.clip` draws rigid things; a sticker that follows a mask can copy those. It cannot copy these.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .clips import MARGIN, Clip, film
from .light import LIGHTS
from .poses import Pose, gait
from .world import SIZE, Placed, draw_background

SMALL = 24.0  # pixels, the longest side of a small thing
NEARER = (0.6, 1.6)  # least and greatest size in a clip, as shares of a thing's middle size


class Lively(NamedTuple):
    """Whatever happens in a lively clip.

    passing: the first two change places, the first behind the second. nearing: the first comes from far to near.
    camera: how far it moves over the background, 0 to 2 times 12 px. small: the first is SMALL. life: how far things
    bend, 0 not at all.
    """

    passing: bool = False
    nearing: bool = False
    camera: float = 0.0
    small: bool = False
    life: float = 1.0


def lively_clip(names: Sequence[str], place: str, frames: int, seed: int, staging: Lively | None = None) -> Clip:
    """A lively clip of one to three things; the same call, the same bytes.

    names: left to right in the first frame; a later one stands in front.
    """
    staging = staging or Lively()
    rng = np.random.default_rng([seed, 23])
    side = SIZE + 2 * MARGIN
    wide = draw_background(place, (side, side), rng)
    tracks = _tracks(names, frames, staging, rng)
    angle = rng.uniform(0, 2 * np.pi)
    way = staging.camera * 12 * np.linspace(-0.5, 0.5, frames)[:, None] * np.array((np.cos(angle), np.sin(angle)))
    return film(wide, place, tracks, way.round().astype(int), LIGHTS[place])


def _tracks(names: Sequence[str], frames: int, staging: Lively, rng: np.random.Generator) -> list[list[Placed]]:
    count, time = len(names), np.linspace(0, 1, frames)
    tracks = []
    for k, name in enumerate(names):
        size = np.full(frames, rng.uniform(0.34, 0.42) * SIZE * min(1.0, 2.4 / count))
        low, high = NEARER
        if k == 0 and staging.small:
            size = np.full(frames, SMALL)
        elif k == 0 and staging.nearing:
            size = size * 0.9 * np.linspace(low, high, frames)
        else:
            size = size * (
                1 + rng.uniform(0.05, 0.15) * np.sin(2 * np.pi * (time * rng.uniform(0.5, 1) + rng.uniform()))
            )
        x = (k + 0.5) / count * SIZE + rng.uniform(8, 16) * rng.choice((-1, 1)) * (time - 0.5)
        if staging.passing and k < 2:
            x = x + (1 - 2 * k) * time * SIZE / count
        floor = rng.uniform(0.66, 0.8) * SIZE + rng.uniform(4, 8) * np.sin(2 * np.pi * (time + rng.uniform()))
        bounce = rng.uniform(2, 6) * np.abs(np.sin(2 * np.pi * (np.arange(frames) / rng.uniform(5, 8))))
        tracks.append(_stood(name, x, floor - bounce, size, gait(frames, staging.life, rng), rng))
    return tracks


def _stood(
    name: str, x: np.ndarray, floor: np.ndarray, size: np.ndarray, poses: list[Pose], rng: np.random.Generator
) -> list[Placed]:
    """A thing that stands on `floor`, the height of its lower edge, inside the frame."""
    reach = 0.54 * size  # a bent thing is a little wider
    x = np.clip(x, reach, SIZE - reach)
    y = np.clip(floor - 0.5 * size, reach, SIZE - 0.55 * size)
    turns = rng.uniform(1, 5) * np.sin(np.arange(len(x)) / 2 + rng.uniform(0, 6))
    return [
        Placed(name, *map(float, at), degrees=float(turn), pose=pose)
        for *at, turn, pose in zip(x, y, size, turns, poses, strict=True)
    ]
