"""Clips of the toy world with their ground truth: masks, motion, occlusion."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .light import Light
from .looks import STYLES, drawn_as
from .world import SIZE, Placed, caption, compose, draw_background, require_head, sprites, travelled

MARGIN = 24  # pixels of background beyond each edge, room for camera moves


class Clip(NamedTuple):
    frames: np.ndarray  # (F, H, W, 3) uint8
    masks: np.ndarray  # (K, F, H, W) bool, the visible part of each object
    names: tuple[str, ...]  # K words, left to right in the first frame
    caption: str
    place: str
    tracks: tuple[tuple[Placed, ...], ...]  # K × F
    camera: np.ndarray  # (F, 2) int, the camera's position (x, y) in pixels
    wide: np.ndarray  # (SIZE + 2 MARGIN, SIZE + 2 MARGIN, 3) uint8, the whole background
    light: Light | None = None
    style: str = ""  # of the whole picture, one of looks.STYLES


class Staging(NamedTuple):
    """Whatever happens besides in a clip.

    crossing: the first two walk towards each other until they all but meet, the second in front. camera: how far it moves
    over the background in all, 0 to 2 times 12 px. worn: by the first object, one of ACCESSORIES, or "".
    """

    crossing: bool = False
    camera: float = 0.0
    worn: str = ""


PLAIN = Staging()


def clip(
    names: Sequence[str], place: str, frames: int = 8, motion: float = 1.0, seed: int = 0, staging: Staging = PLAIN
) -> Clip:
    """Objects side by side that drift along a line and bob; the same call, the same bytes.

    Objects stay inside the frame. At a motion above 1, a corner of a turned object or an accessory may leave it: at 3,
    less than 10 % of an object.

    Args:
        names: left to right; a later one stands in front.
        frames: at least 1.
        motion: 0 stands still, 1 wanders about 18 px in all; from about 2 on two objects may overlap.
    Raises ValueError where the first object has nothing to wear it on.
    """
    crossing, camera, worn = staging
    if worn:
        require_head(names[0])
    rng = np.random.default_rng(seed)
    wide = draw_background(place, (SIZE + 2 * MARGIN,) * 2, rng)
    lanes = [(k + 0.5) / len(names) for k in range(len(names))]
    paths = [_path(lane, len(names), frames, motion, rng) for lane in lanes]
    if crossing:
        for path, side in zip(paths, (1, -1), strict=False):
            path[:, 0] += np.linspace(0, 0.45 * side, frames) * SIZE / len(names)
    turns = motion * rng.uniform(1, 4, len(names))[:, None] * np.sin(np.arange(frames) / 2 + rng.uniform(0, 6))
    way = camera * 12 * np.linspace(-0.5, 0.5, frames)[:, None] * _direction(rng)
    tracks = tuple(
        tuple(Placed(name, *path[f], degrees=float(turns[k, f]), worn="" if k else worn) for f in range(frames))
        for k, (name, path) in enumerate(zip(names, paths, strict=True))
    )
    return film(wide, place, tracks, way.round().astype(int))


def film(
    wide: np.ndarray,
    place: str,
    tracks: Sequence[Sequence[Placed]],
    camera: np.ndarray,
    light: Light | None = None,
    style: str = "",
) -> Clip:
    """The clip of some tracks, over the part of the background (SIZE + 2 MARGIN a side) that the camera sees."""
    art = sprites()
    drawn = []
    for f, (x, y) in enumerate(camera + MARGIN):
        seen = wide[y : y + SIZE, x : x + SIZE]
        picture, masks = compose(seen, [track[f] for track in tracks], art, light)
        drawn.append((drawn_as(style, picture) if style else picture, masks))
    pictures, masks = zip(*drawn, strict=True)
    first = [track[0] for track in tracks]
    words = caption([thing.noun for thing in first], place)
    words = f"{words}, {STYLES[style]}" if style else words
    names = tuple(thing.name for thing in first)
    return Clip(
        np.stack(pictures),
        np.stack(masks, 1),
        names,
        words,
        place,
        tuple(map(tuple, tracks)),
        camera,
        wide,
        light,
        style,
    )


def _path(lane: float, lanes: int, frames: int, motion: float, rng: np.random.Generator) -> np.ndarray:
    """An object's path, (F, 3): centre x, centre y, size in pixels; `lane` is the relative x that it moves around."""
    size = rng.uniform(0.36, 0.42) * SIZE * min(1.0, 2.4 / lanes)
    low, high = size / 2 + 1, SIZE - size / 2 - 1
    drift = motion * rng.uniform(6, 12) * rng.choice((-1, 1))
    # A straight line between two points inside the frame stays inside, and so does a bob no higher than the free room.
    x = np.linspace(*np.clip((lane * SIZE - drift / 2, lane * SIZE + drift / 2), low, high), frames)
    middle = rng.uniform(0.46, 0.58) * SIZE
    bob = min(motion * rng.uniform(6, 12), middle - low, high - middle)
    y = middle + bob * np.sin(2 * np.pi * (np.arange(frames) / 12 + rng.uniform()))
    return np.stack([x, y, np.full(frames, size)], -1)


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array((np.cos(angle), np.sin(angle)))


def flow(shot: Clip) -> tuple[np.ndarray, np.ndarray]:
    """True optical flow: the motion of each visible point from a frame to the next.

    Returns the displacement (F-1, H, W, 2) float32 in pixels (x, y), and (F-1, H, W) bool: the point is still visible,
    neither hidden behind another object nor out of the frame.
    """
    height, width = shot.frames.shape[1:3]
    y, x = np.mgrid[:height, :width] + 0.5
    labels = _labels(shot.masks)
    steps = []
    for f in range(len(shot.frames) - 1):
        step = np.broadcast_to((shot.camera[f] - shot.camera[f + 1]).astype(np.float64), (height, width, 2)).copy()
        for k, track in enumerate(shot.tracks):
            here = np.stack([x, y], -1)[labels[f] == k]
            step[labels[f] == k] = travelled(here, track[f], track[f + 1]) - here
        steps.append(step)
    steps = np.float32(steps).reshape(-1, height, width, 2)  # a single frame has no step
    return steps, _still_seen(labels, steps)


def _labels(masks: np.ndarray) -> np.ndarray:
    """The number of the visible object at each pixel, (F, H, W), -1 for none."""
    return np.where(masks.any(0), masks.argmax(0), -1)


def _still_seen(labels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    height, width = labels.shape[1:]
    y, x = np.mgrid[:height, :width]
    visible = np.zeros(steps.shape[:3], bool)
    for f, step in enumerate(steps):
        tx, ty = np.rint(x + step[..., 0]).astype(int), np.rint(y + step[..., 1]).astype(int)
        inside = (tx >= 0) & (tx < width) & (ty >= 0) & (ty < height)
        there = labels[f + 1][ty.clip(0, height - 1), tx.clip(0, width - 1)]
        visible[f] = inside & (there == labels[f])
    return visible
