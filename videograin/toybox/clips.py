"""Clips of the toy world with their ground truth: masks, motion, occlusion, and edits to make."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .world import (
    ACCESSORIES,
    HEADS,
    OBJECTS,
    PLACES,
    SIZE,
    Art,
    Placed,
    accessory,
    caption,
    compose,
    draw_background,
    placement,
    sprites,
)

MARGIN = 24  # pixels of background beyond each edge, room for camera moves
INSTANCE, CLASS, PART, BACKGROUND, OBJECT, SWAP = TASKS = ("instance", "class", "part", "background", "object", "swap")


class Clip(NamedTuple):
    frames: np.ndarray  # (F, H, W, 3) uint8
    masks: np.ndarray  # (K, F, H, W) bool, the visible part of each object
    names: tuple[str, ...]  # K words, left to right in the first frame
    caption: str
    place: str
    tracks: tuple[tuple[Placed, ...], ...]  # K × F
    camera: np.ndarray  # (F, 2) int, the camera's position (x, y) in pixels


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
        _require_head(names[0])
    rng, art = np.random.default_rng(seed), sprites()
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
    return film(wide, place, tracks, way.round().astype(int), art)


def film(wide: np.ndarray, place: str, tracks: Sequence[Sequence[Placed]], camera: np.ndarray, art: Art) -> Clip:
    """The clip of some tracks, over the part of the background (SIZE + 2 MARGIN a side) that the camera sees."""
    drawn = []
    for f, (x, y) in enumerate(camera + MARGIN):
        drawn.append(compose(wide[y : y + SIZE, x : x + SIZE], [track[f] for track in tracks], art))
    pictures, masks = zip(*drawn, strict=True)
    first = [track[0] for track in tracks]
    words = caption([thing.noun for thing in first], place)
    names = tuple(thing.name for thing in first)
    return Clip(np.stack(pictures), np.stack(masks, 1), names, words, place, tuple(map(tuple, tracks)), camera)


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
            move = placement(track[f + 1]) @ np.linalg.inv(placement(track[f]))
            there = np.stack([x, y, np.ones_like(x)], -1) @ move.T
            inside = labels[f] == k
            step[inside] = (there[..., :2] - np.stack([x, y], -1))[inside]
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


# ---- tasks ----------------------------------------------------------------------------------------------------------


class Wish(NamedTuple):
    """The wish for one region: what it should show."""

    phrase: str
    name: str  # the object, one of OBJECTS
    worn: str  # one of ACCESSORIES, or ""
    mask: np.ndarray  # (F, H, W) bool, where


class Task(NamedTuple):
    """An edit of a clip: regions to change, objects to keep, and the caption of the result."""

    kind: str
    prompt: str
    place: str  # what the background should show
    phrases: tuple[str, ...]  # what each object of the clip should be, changed or not
    wishes: tuple[Wish, ...]
    kept: tuple[int, ...]  # objects of the clip that should stay the same

    def edited(self, shot: Clip) -> np.ndarray:
        """The area that the edit may change, (F, H, W) bool; for another place, everything but the objects."""
        if self.kind == BACKGROUND:
            return ~shot.masks.any(0)
        return np.any([wish.mask for wish in self.wishes], 0)


def task(kind: str, shot: Clip, seed: int = 0) -> Task:
    """One of TASKS on a clip of at least two objects; its new words are random, none that the clip already shows.

    instance: the first two become two other things. class: both become the same thing. part: the first wears an
    accessory, or another one. background: another place. object: the first becomes another thing, the second stays.
    swap: each becomes the other, with its accessory. A third object always stays.
    Raises ValueError for another kind, `part` if the first object can wear nothing, and `swap` of equal objects.
    """
    if kind not in TASKS:
        raise ValueError(f"the task is {kind!r}; it must be one of {', '.join(TASKS)}")
    rng = np.random.default_rng([seed, TASKS.index(kind)])
    spare = [str(name) for name in rng.permutation([name for name in OBJECTS if name not in shot.names])]
    kept = tuple(range(2, len(shot.names)))
    if kind == BACKGROUND:
        others = [place for place in PLACES if place != shot.place]
        return _task(kind, shot, {}, (0, 1, *kept), str(rng.choice(others)))
    if kind == PART:
        _require_head(shot.names[0])
        others = [worn for worn in ACCESSORIES if worn != shot.tracks[0][0].worn]
        return _task(kind, shot, {0: (shot.names[0], str(rng.choice(others)))}, (1, *kept))
    if kind == OBJECT:
        return _task(kind, shot, {0: (spare[0], "")}, (1, *kept))
    if kind == SWAP:
        left, right = (track[0] for track in shot.tracks[:2])
        if left.noun == right.noun:
            raise ValueError(
                f"the task “swap” of {left.noun} and {right.noun} would change nothing; as `right` choose something else "
                f"than {left.noun}, or take another `task`"
            )
        return _task(kind, shot, {0: (right.name, right.worn), 1: (left.name, left.worn)}, kept)
    first, second = spare[:2] if kind == INSTANCE else (spare[0], spare[0])
    return _task(kind, shot, {0: (first, ""), 1: (second, "")}, kept)


def _require_head(name: str) -> None:
    if name not in HEADS:
        raise ValueError(f"a {name} wears nothing; on the left choose one of {', '.join(HEADS)}")


def _task(kind: str, shot: Clip, changes: dict[int, tuple[str, str]], kept: tuple[int, ...], place: str = "") -> Task:
    nouns = [track[0].noun for track in shot.tracks]
    wishes = []
    for k, (name, worn) in changes.items():
        wanted = shot.tracks[k][0]._replace(name=name, worn=worn)
        nouns[k] = wanted.noun
        mask = shot.masks[k] | (_accessories(shot, k, name, worn) if worn else False)
        wishes.append(Wish(wanted.noun, name, worn, mask))
    place = place or shot.place
    return Task(kind, caption(nouns, place), place, tuple(nouns), tuple(wishes), kept)


def _accessories(shot: Clip, k: int, name: str, worn: str) -> np.ndarray:
    """The pixels of the accessory if object k became `name`, (F, H, W) bool; other objects may hide it."""
    art, size = sprites(), shot.frames.shape[2:0:-1]
    where = np.stack([accessory(thing._replace(name=name, worn=worn), size, art) for thing in shot.tracks[k]])
    others = np.delete(shot.masks, k, 0).any(0)
    return where & ~others
