"""How a thing's body moves within its track: every point of it, so that another picture can bend as the thing does.

The track (region_track.py) says how the thing as a whole moves, turns and stretches. What is left is found by optical flow
between the first frame of the track and each other one laid onto it, on flat ground, where the thing's outline counts as
much as what is drawn inside. A point is at rest at the mean of its places over the frames: no frame shows a walking thing
at rest, but what it does to one side, it does to the other one too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch

from ..core.optical_flow import dis_flow
from .affine import after, angle, at, grid, inverse, rotation, size
from .region_track import Track, square

SIDE = 192  # pixels of the picture in which the body is compared
ROOM = 1.6  # its side, in sides of the thing
NEAR, FAR = 0.03, 0.1  # of that side: windows over which motion is smoothed on the thing, and goes on beyond it
SWAY = np.radians(30)  # turns of less than that between two frames are those of a thing that sways
SURE = 0.3  # share of a window that must show the thing


class Body(NamedTuple):
    """A body through the clip. way: of the thing as a whole. rest: its shape at rest in the first frame, (H, W) bool. window: the
    map (2, 3) into the picture in which it is compared. flows: of each frame, back to the first one; settled: from there to
    rest; both (SIDE, SIDE, 2). A thing that moves as a whole has none.
    """

    way: Track
    rest: np.ndarray
    window: np.ndarray | None = None
    flows: Mapping[int, np.ndarray] = MappingProxyType({})
    settled: np.ndarray | None = None

    def places(self, frame: int) -> np.ndarray | None:
        """Where each pixel's point of a frame is in the first one when the thing is at rest, (H, W, 2); None out of sight."""
        if not self.way.shown(frame):
            return None
        points = at(inverse(self.way.maps[frame]), grid(self.rest.shape))
        if self.window is None:
            return points
        point = at(self.window, points)
        point = point + read(self.flows[frame], point)
        return at(inverse(self.window), point + read(self.settled, point))


def rigid(masks: np.ndarray, way: Track) -> Body:
    """The body of a region, (F, H, W) bool, that moves as a whole."""
    return Body(way, masks[way.first])


def bending(
    frames: np.ndarray, masks: np.ndarray, others: np.ndarray, way: Track, tell: Callable[[], None] = lambda: None
) -> Body:
    """The body of a region, masks (F, H, W) bool, of a clip (F, H, W, 3) uint8. others: alike, what may hide it; tell: called
    for each frame.
    """
    import cv2

    window, there, flows = _window(masks[way.first]), {}, {}
    for f in range(len(frames)):
        tell()
        if way.shown(f):
            there[f], flows[f] = _compared(frames, masks, others, way, f, window)
    settled = _rest(there, way, window)
    point = at(window, grid(masks.shape[1:]))
    # Where a point at rest was in the first frame: the way to rest changes little nearby.
    before = at(inverse(window), point - read(settled, point)).astype(np.float32)
    rest = cv2.remap(masks[way.first].astype(np.float32), before[..., 0], before[..., 1], cv2.INTER_LINEAR) > 0.5
    return Body(way, rest if rest.any() else masks[way.first], window, flows, settled)


def _window(mask: np.ndarray) -> np.ndarray:
    """The map (2, 3) from a frame into the picture in which the thing is compared."""
    middle, side = square(mask)
    scale = SIDE / (ROOM * side)
    return np.concatenate([scale * np.eye(2), (SIDE / 2 - scale * middle)[:, None]], 1)


def _compared(
    frames: np.ndarray, masks: np.ndarray, others: np.ndarray, way: Track, frame: int, window: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The flow (SIDE, SIDE, 2) in the window from the first frame to another one laid onto it, and back."""
    import cv2

    first, onto = way.first, after(window, inverse(way.maps[frame]))
    hidden = _laid(others[frame], onto) | _laid(others[first], window)
    shapes = _laid(masks[first], window) & ~hidden, _laid(masks[frame], onto) & ~hidden
    pictures = [
        cv2.warpAffine(frames[f], turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        for f, turn in ((first, window), (frame, onto))
    ]
    inside = pictures[0][shapes[0]]
    ground = 0 if inside.size and inside.mean() > 127 else 255  # the outline is then as clear as it can be
    flat = [
        torch.from_numpy(np.where(shape[..., None], picture, ground)).float() / 255
        for picture, shape in zip(pictures, shapes, strict=True)
    ]
    flows = dis_flow(*flat).numpy(), dis_flow(*flat[::-1]).numpy()
    return tuple(_smooth(flow, shape) for flow, shape in zip(flows, shapes, strict=True))


def _smooth(flow: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A flow (SIDE, SIDE, 2) without noise where the thing is, going on beyond it."""
    import cv2

    weight, found, known = inside.astype(np.float32), 0.0, 0.0
    for window in (NEAR * SIDE, FAR * SIDE, SIDE / 2):
        share = cv2.GaussianBlur(weight, (0, 0), window)[..., None]
        mean = cv2.GaussianBlur(flow * weight[..., None], (0, 0), window) / np.maximum(share, 1e-6)
        trust = np.clip(share / SURE, 0, 1)
        found, known = found + (1 - known) * trust * mean, known + (1 - known) * trust
    return found / np.maximum(known, 1e-6)


def _rest(there: dict[int, np.ndarray], way: Track, window: np.ndarray) -> np.ndarray:
    """From each point of the window, (SIDE, SIDE, 2), to its place at rest.

    Places are compared as if the thing as a whole had neither moved nor turned nor changed its size. A thing that sways
    rests at the mean of its turns, one that tumbles as the first frame has it.
    """
    points, frame = grid((SIDE, SIDE)), inverse(window)
    middle = np.full(2, SIDE / 2)
    angles = np.unwrap([angle(way.maps[f]) for f in there])
    upright = angles.mean() if np.ptp(angles) < SWAY else 0.0
    centre, places = at(frame, middle), []
    for (f, flow), turned in zip(there.items(), angles, strict=True):
        turn = way.maps[f]
        moved = (at(turn, at(frame, points + flow)) - at(turn, centre)) / size(turn)
        places.append(moved @ rotation(upright - turned).T * window[0, 0] + middle)
    return (np.mean(places, 0) - points).astype(np.float32)


def _laid(mask: np.ndarray, turn: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.warpAffine(mask.astype(np.uint8) * 255, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR) > 127


def read(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A field or a picture (H, W, ...) at points (..., 2), pixels from its corner; beyond it, its edge."""
    import cv2

    x, y = points.astype(np.float32)[..., 0], points.astype(np.float32)[..., 1]
    return cv2.remap(field.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
