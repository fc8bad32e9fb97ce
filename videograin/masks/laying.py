"""A cut-out picture laid along a region's track, and the old thing taken away where the new one leaves it bare."""

from __future__ import annotations

import numpy as np

from .region_track import Track, laid, moments

SPILL = 1.0  # what a pixel of the picture beyond its region costs, of one of the region that is covered
EDGE = 2.0  # pixels over which a laid picture fades into the frame, inside the region
RIM = 2  # pixels around a region that still show the old thing's edge


def along(
    frames: np.ndarray, picture: np.ndarray, shape: np.ndarray, room: np.ndarray, others: np.ndarray, way: Track
) -> np.ndarray:
    """Lays a picture along a track, in place.

    Args: frames (F, H, W, 3) uint8; picture (h, w, 3) uint8 and its shape (h, w) bool; room (F, H, W) bool, where it may
    show; others, what may hide it; way, the region's.
    Returns where it changed them, (F, H, W) bool.
    """
    shown = np.zeros(room.shape, bool)
    home = _home(shape, room[way.first], others[way.first])
    for f in range(len(frames)):
        if way.shown(f):
            colours, cover = _moved(picture, shape, _after(way.maps[f], home), room.shape[1:])
            alpha = cover * _soft(room[f])
            frames[f] = (alpha[..., None] * colours + (1 - alpha[..., None]) * frames[f]).round().astype(np.uint8)
            shown[f] = alpha > 0
    return shown


def _home(shape: np.ndarray, region: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The map (2, 3) that lays a picture's shape over a region: most of both covered, upright, in its own proportions."""
    (own, _), (there, _) = moments(shape), moments(region)
    scale = np.sqrt(region.sum() / shape.sum())
    turn = scale * np.eye(2)
    return laid(shape, region, others, np.concatenate([turn, (there - turn @ own)[:, None]], 1), SPILL)


def _after(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The map (2, 3) that does `inner`, then `outer`."""
    return np.concatenate([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2:] + outer[:, 2:]], 1)


def _moved(
    picture: np.ndarray, shape: np.ndarray, turn: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The picture as a map lays it: colours (H, W, 3) float, and how much of each pixel it covers, (H, W), 0 to 1."""
    import cv2

    scale = np.sqrt(abs(np.linalg.det(turn[:, :2])))
    whole = np.concatenate([picture, 255 * shape[..., None].astype(np.uint8)], -1).astype(np.float32)
    whole[..., :3] *= shape[..., None]  # the ground's colours stay behind
    if scale < 1:  # else pixels would be skipped
        small = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
        shares = np.array([small[0] / picture.shape[1], small[1] / picture.shape[0]])
        whole = cv2.resize(whole, small, interpolation=cv2.INTER_AREA)
        back = np.concatenate([np.diag(1 / shares), (0.5 / shares - 0.5)[:, None]], 1)
        turn = _after(turn, back)
    there = cv2.warpAffine(whole, turn, size[::-1], flags=cv2.INTER_LINEAR)
    cover = there[..., 3] / 255
    return there[..., :3] / np.maximum(cover, 1e-6)[..., None], cover


def _soft(room: np.ndarray) -> np.ndarray:
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
