"""A cut-out picture laid on a body that moves, and the old thing taken away where the new one leaves it bare."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .affine import around, at, inverse
from .body_motion import Body
from .region_track import laid, moments, square

SPILL = 1.0  # what a pixel of the picture beyond its region costs, of one of the region that is covered
EDGE = 2.0  # pixels over which a laid picture fades into the frame, inside its room
RIM = 2  # pixels around a region that still show the old thing's edge


def whole(shape: np.ndarray, region: np.ndarray, growth: float = 1.0) -> np.ndarray:
    """The map (2, 3) that lays a picture's shape (h, w) bool where a region (H, W) bool is: upright, the longest sides alike.

    growth: of the new thing, in sizes of the old one; larger or smaller, it stands on the same ground.
    """
    (own, length), (there, old) = square(shape), square(region)
    scale = growth * old / length
    return around(scale * np.eye(2), own, there + np.array([0, 0.5 * old * (1 - growth)]))


def inside(shape: np.ndarray, region: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The map (2, 3) that lays a picture's shape over a region: most of both covered, upright, in its own proportions."""
    (own, _), (there, _) = moments(shape), moments(region)
    turn = np.sqrt(region.sum() / shape.sum()) * np.eye(2)
    return laid(shape, region, others, around(turn, own, there), SPILL)


def along(
    frames: np.ndarray,
    picture: np.ndarray,
    room: np.ndarray,
    body: Body,
    home: np.ndarray,
    tell: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Lays a picture on a body, in place.

    Args: frames (F, H, W, 3) uint8; picture (h, w, 4) uint8, a thing cut out; room (F, H, W) bool, where it may show; home
    (2, 3), the map that lays it on the body at rest; tell, called for each frame.
    Returns where it changed them, (F, H, W) bool.
    """
    shown, back = np.zeros(room.shape, bool), inverse(home)
    for f in range(len(frames)):
        tell()
        places = body.places(f)
        if places is not None:
            colours, cover = _moved(picture, at(back, places))
            alpha = (cover * soft(room[f]))[..., None]
            frames[f] = (alpha * colours + (1 - alpha) * frames[f]).round().astype(np.uint8)
            shown[f] = alpha[..., 0] > 0
    return shown


def _moved(picture: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a picture shows at places (H, W, 2) of it: colours (H, W, 3) float, and how much of each pixel it covers, 0 to 1."""
    import cv2

    shown = picture.astype(np.float32)
    shown[..., :3] *= shown[..., 3:] / 255  # the ground's colours stay behind
    steps = np.linalg.norm(np.diff(places, axis=1), axis=-1)  # of the picture's pixels, for each of the frame's
    shrunk = max(1.0, float(np.median(steps)))
    small = tuple(max(1, round(side / shrunk)) for side in picture.shape[1::-1])  # else pixels would be skipped
    shares = np.array(small) / picture.shape[1::-1]
    there = ((places + 0.5) * shares - 0.5).astype(np.float32)
    shown = cv2.resize(shown, small, interpolation=cv2.INTER_AREA)
    found = cv2.remap(shown, there[..., 0], there[..., 1], cv2.INTER_LINEAR)
    cover = found[..., 3] / 255
    return found[..., :3] / np.maximum(cover, 1e-6)[..., None], cover


def soft(room: np.ndarray) -> np.ndarray:
    """A mask (H, W) bool that rises from 0 at its outline to 1 within EDGE pixels; the frame's border is no outline."""
    import cv2

    inside = cv2.distanceTransform(np.pad(room, 2, mode="edge").astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return (inside[2:-2, 2:-2] / EDGE).clip(0, 1)


def widened(masks: np.ndarray, others: np.ndarray, pixels: int = RIM) -> np.ndarray:
    """Masks (F, H, W) bool, wider by some pixels but for others'; by default to where the old thing's edge still shows."""
    return np.stack([_wider(mask, pixels) for mask in masks]) & ~others


def _wider(mask: np.ndarray, pixels: int) -> np.ndarray:
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def cut_from(picture: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """A thing (h, w, 4) uint8 cut out of its picture (h, w, 3) uint8 by its shape (h, w) bool."""
    return np.concatenate([picture, 255 * shape[..., None].astype(np.uint8)], -1)


def bared(frames: np.ndarray, areas: np.ndarray, things: np.ndarray) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 whose areas (F, H, W) bool show the ground around, as it may go on behind.

    things: (F, H, W) bool, all that is no ground.
    """
    import cv2

    found = frames.copy()
    for f in np.flatnonzero(areas.any((1, 2))):
        unknown = areas[f] | _wider(things[f], RIM)
        if not unknown.all():
            filled = cv2.inpaint(np.ascontiguousarray(frames[f]), unknown.astype(np.uint8), 3, cv2.INPAINT_TELEA)
            found[f][areas[f]] = filled[areas[f]]
    return found
