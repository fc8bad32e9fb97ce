"""A region's track: how its shape moves, shrinks and leans through the clip, also where something hides a part of it.

Frames that show the shape whole are compared by its moments: the middle, and the spread in all directions. Where other
things or the border may hide a part, moments are those of what is left; there the whole shape is laid over the frame
where it covers most of the region and least of the free ground, and what lies under other things counts for nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .affine import around, rotation

LEAST = 8  # pixels of a region that show it
TOUCHED = 0.05  # share of the outline at other things or the border from which the shape counts as partly hidden
NEAR = 2  # pixels between two masks that touch
FREE = 0.5  # what a pixel of free ground costs, of a pixel of the region that is covered
FULL = 0.97  # share of the fullest frame's pixels from which the first such frame shows the shape as well
STEP, STEPS = 5, 8  # degrees, and how many of them each way, that a thing may turn from one frame to the next
SURELY = 0.85  # of the error without it, that a turn must leave at most: a bent thing looks turned by a little, too
SEARCHED = 160  # pixels, the longer side of the picture in which shapes are laid


class Track(NamedTuple):
    """A region through the clip.

    first: the frame that shows its shape best. maps: (F, 2, 3) float, pixels (x, y, 1) of that frame to each frame's; NaN
    where the region is out of sight.
    """

    first: int
    maps: np.ndarray

    def shown(self, frame: int) -> bool:
        return bool(np.isfinite(self.maps[frame]).all())


def track(masks: np.ndarray, others: np.ndarray, frames: np.ndarray | None = None) -> Track:
    """The track of a region, masks (F, H, W) bool, not empty; others, alike: what may hide it.

    frames: (F, H, W, 3) uint8, by whose colours it is found how the thing turns; without, it only leans and stretches.
    """
    areas = masks.sum((1, 2))
    seen = np.flatnonzero(areas >= min(LEAST, areas.max()))
    whole = [f for f in seen if touched(masks[f], others[f]) <= TOUCHED]
    fullest = max(areas[f] for f in whole or seen)
    first = next(int(f) for f in whole or seen if areas[f] >= FULL * fullest)
    maps, turns = np.full((len(masks), 2, 3), np.nan), Turns(masks, first, frames)
    for f in sorted(whole, key=lambda f: abs(f - first)):
        maps[f] = turns.of(f)
    known, middle = {f: maps[f][:, :2] for f in whole}, moments(masks[first])[0]
    for f in seen:
        if f not in known:
            start = around(_between(known, f), middle, moments(masks[f])[0])
            maps[f] = laid(masks[first], masks[f], others[f], start)
    return Track(first, maps)


class Turns:
    """The map from the first frame to each other one that shows the thing whole: by the moments of both, and a turn.

    Moments alone say nothing of turns: a bar that lies aslant may have been turned or sheared. The likest picture tells.
    """

    def __init__(self, masks: np.ndarray, first: int, frames: np.ndarray | None):
        self.masks, self.first = masks, first
        self.middle, spread = moments(masks[first])
        self.back = np.linalg.inv(_root(spread))
        self.clip = None if frames is None else _small(frames)
        self.mask = _small(masks[first][None].astype(np.uint8))[0]
        self.angles = {first: 0.0}  # degrees

    def of(self, frame: int) -> np.ndarray:
        near = self.angles[min(self.angles, key=lambda known: abs(known - frame))]
        there, now = moments(self.masks[frame])
        ways = {
            angle: around(_root(now) @ rotation(np.radians(angle)) @ self.back, self.middle, there)
            for angle in (_angles(near) if self.clip else [0.0])
        }
        self.angles[frame] = self._likest(ways, frame, near) if self.clip else 0.0
        return ways[self.angles[frame]]

    def _likest(self, ways: dict[float, np.ndarray], frame: int, near: float) -> float:
        """The angle at which the first frame's thing looks most like this one's; `near`, unless another is clearly better."""
        import cv2

        first, there = self.clip[self.first], self.clip[frame]
        share, size, errors = there.shape[1] / self.masks.shape[2], there.shape[1::-1], {}
        for angle, way in ways.items():
            small = np.concatenate([way[:, :2], share * way[:, 2:]], 1)
            inside = cv2.warpAffine(self.mask, small, size) > 0
            apart = np.abs(cv2.warpAffine(first, small, size).astype(np.int16) - there)[inside]
            errors[angle] = float(apart.mean()) if apart.size else np.inf
        best = min(errors, key=errors.__getitem__)
        return best if errors[best] < SURELY * errors[near] else near


def _angles(near: float) -> list[float]:
    """Degrees that a thing may have turned by: none, and around those of the nearest frame that is known."""
    return sorted({0.0, *(near + step for step in range(-STEPS * STEP, STEPS * STEP + 1, STEP))})


def _searched(shape: tuple[int, int]) -> tuple[float, tuple[int, int]]:
    """How much smaller a picture (H, W) is where shapes are laid, and its (width, height) then."""
    share = min(1.0, SEARCHED / max(shape))
    return share, tuple(max(1, round(side * share)) for side in shape[::-1])


def _small(pictures: np.ndarray) -> list[np.ndarray]:
    """Pictures (F, H, W, ...) uint8, none longer than SEARCHED."""
    import cv2

    _, size = _searched(pictures.shape[1:3])
    return [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]


def touched(mask: np.ndarray, others: np.ndarray) -> float:
    """The share of a mask's outline, (H, W) bool, that lies at other things or the border."""
    import cv2

    kernel = np.ones((2 * NEAR + 1,) * 2, np.uint8)
    wide, beside = (np.pad(part, NEAR, constant_values=edge) for part, edge in ((mask, False), (others, True)))
    ring = (cv2.dilate(wide.astype(np.uint8), kernel) > 0) & ~wide
    return float((ring & beside).sum() / max(1, ring.sum()))


def moments(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle (2,), and the covariance (2, 2), of a mask's pixels (x, y)."""
    points = np.argwhere(mask)[:, ::-1].astype(float)
    middle = points.mean(0)
    return middle, (points - middle).T @ (points - middle) / len(points) + 1e-3 * np.eye(2)


def box(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last pixel (x, y) of a mask's box."""
    y, x = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return np.array([x[0], y[0]]), np.array([x[-1], y[-1]])


def square(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle (2,) and the longer side of a mask's box, in pixels."""
    first, last = box(mask)
    return (first + last) / 2, float((last - first).max() + 1)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


def _between(turns: dict[int, np.ndarray], frame: int) -> np.ndarray:
    """The turn of a frame between those of the nearest known ones before and after it."""
    before = max((f for f in turns if f < frame), default=None)
    after = min((f for f in turns if f > frame), default=None)
    if before is None or after is None:
        known = after if before is None else before
        return np.eye(2) if known is None else turns[known]
    share = (frame - before) / (after - before)
    return (1 - share) * turns[before] + share * turns[after]


def laid(
    shape: np.ndarray, region: np.ndarray, others: np.ndarray, start: np.ndarray, free: float = FREE
) -> np.ndarray:
    """The map (2, 3) that lays a shape (h, w) bool best over a region (H, W) bool, from one near it.

    Each pixel of the region that is covered counts 1, each of the free ground -`free`, and 0 under others or outside the frame.
    Only place and size are sought: the lean is the start's.
    """
    import cv2

    share, size = _searched(region.shape)
    gain = cv2.resize(region - free * (~region & ~others), size, interpolation=cv2.INTER_AREA).astype(np.float32)
    pixels = shape.astype(np.float32)
    middle, _ = moments(shape)

    def at(x: float, y: float, grown: float) -> np.ndarray:
        turn = np.exp(grown) * start[:, :2]
        return around(turn, middle, start @ [*middle, 1] + [x, y])

    def score(place: tuple[float, float, float]) -> float:
        there = cv2.warpAffine(pixels, share * at(*place), size, flags=cv2.INTER_LINEAR)
        return float((there * gain).sum())

    place = _found(pixels, gain, share * start)
    best = (*(place / share), 0.0)
    return at(*_climbed(score, best, reach=4 / share))


def _found(shape: np.ndarray, gain: np.ndarray, start: np.ndarray) -> np.ndarray:
    """How far (x, y) to move the shape, as the map `start` (2, 3) lays it, to where it gains most."""
    import cv2

    height, width = gain.shape
    reach = max(height, width)
    aside = np.array([[0, 0, reach], [0, 0, reach]])  # the whole shape, also where the frame would cut it
    shown = cv2.warpAffine(shape, start + aside, (width + 2 * reach, height + 2 * reach))
    rows, columns = (np.flatnonzero(shown.any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros(2)
    part = shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    padded = np.pad(gain, ((part.shape[0],) * 2, (part.shape[1],) * 2))
    gains = cv2.matchTemplate(padded, part, cv2.TM_CCORR)
    y, x = np.unravel_index(int(gains.argmax()), gains.shape)
    return np.array([x - part.shape[1] - (columns[0] - reach), y - part.shape[0] - (rows[0] - reach)], float)


def _climbed(score, place: tuple[float, float, float], reach: float) -> tuple[float, float, float]:
    """The place (x, y, logarithm of the size) uphill from one: steps along each, halved when none gains."""
    best = score(place)
    steps = np.array([reach, reach, 0.1])
    while steps[0] > reach / 40:
        ways = [tuple(place + sign * step) for step in np.diag(steps) for sign in (1, -1)]
        gains = [score(way) for way in ways]
        if max(gains) > best:
            best, place = max(gains), ways[int(np.argmax(gains))]
        else:
            steps = steps / 2
    return place
