"""Stickers: the drawn thing pasted along a mask's track, with no diffusion at all. The ruler must not let it pass.

The track is the mask's moments: its middle, and its spread in all directions (an affine map, so it leans and stretches with
the old thing). The picture is the toy world's own drawing of the new thing: better than any that a model draws.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from PIL import Image

from ...videograin.masks.laying import cut_from
from ...videograin.toybox import world
from ...videograin.toybox.clips import Clip
from ...videograin.toybox.judge import CELL, WORDS, Judge
from ...videograin.toybox.looks import drawn_as
from ...videograin.toybox.tasks import Task, Wish

DRAWN = 120.0  # pixels, longest side of the drawing


def pasted(shot: Clip, task: Task) -> np.ndarray:
    """The clip with every new thing pasted into its region, (F, H, W, 3) uint8; what cannot be drawn stays."""
    frames = shot.frames.copy()
    for wish in task.wishes:
        if wish.track:
            frames = along(frames, drawing(wish), wish.mask)
    return np.stack([drawn_as(task.style, frame) for frame in frames]) if task.style else frames


def drawing(wish: Wish) -> np.ndarray:
    """The new thing alone as the world draws it, without light, (S, S, 4) uint8."""
    first, side = wish.track[0], 2 * int(DRAWN)
    middle = {"x": side / 2, "y": side / 2, "size": DRAWN}
    alone = world.Placed(first.name, **middle, worn=first.worn, material=first.material, style=first.style)
    picture, (mask,) = world.compose(np.full((side, side, 3), 128, np.uint8), [alone], world.sprites())
    return cut_from(picture, mask)


def cut_out(pictures: np.ndarray, word: str, judge: Judge) -> np.ndarray | None:
    """The best of some drawings (N, S, S, 3) uint8, cut out: (S, S, 4) uint8; None where none shows the thing.

    The best shows most of the thing and does not touch the border. The judge of the demo model cuts it out, as a person
    would with a segmenter.
    """
    cells = judge.read(pictures).cells  # (N, words, S/4, S/4)
    shown = cells.argmax(1) == WORDS.index(word)
    inside, whole = (part.flatten(1).sum(1) for part in (shown[:, 1:-1, 1:-1], shown))
    best = int((inside - 2 * (whole - inside)).argmax())
    if not shown[best].any():
        return None
    mask = shown[best].repeat_interleave(CELL, 0).repeat_interleave(CELL, 1).numpy()
    return cut_from(pictures[best], mask)


def along(frames: np.ndarray, drawing: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 with a cut-out drawing, (S, S, 4) uint8, along masks (F, H, W) bool."""
    areas = masks.sum((1, 2))
    fullest = int(areas.argmax())
    _, spread = _moments(masks[fullest])
    own_middle, _ = _moments(drawing[..., 3] > 127)
    scale = sqrt(areas[fullest] / (drawing[..., 3] > 127).sum())
    found = frames.copy()
    for f in np.flatnonzero(areas > 8):
        here, now = _moments(masks[f])
        turn = scale * _root(now) @ np.linalg.inv(_root(spread))  # from the drawing to this frame, both around middles
        back = np.linalg.inv(turn)
        there = np.concatenate([back, (own_middle - back @ here)[:, None]], 1)
        size = frames.shape[2], frames.shape[1]
        layer = np.asarray(
            Image.fromarray(drawing).transform(size, Image.Transform.AFFINE, there.ravel(), Image.Resampling.BICUBIC)
        )
        alpha = layer[..., 3:] / 255 * masks[f][..., None]
        found[f] = (alpha * layer[..., :3] + (1 - alpha) * frames[f]).round().astype(np.uint8)
    return found


def _moments(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle (2,), and the covariance (2, 2), of a mask's pixels (x, y)."""
    points = np.argwhere(mask)[:, ::-1] + 0.5
    return points.mean(0), np.cov(points.T) + 1e-3 * np.eye(2)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T
