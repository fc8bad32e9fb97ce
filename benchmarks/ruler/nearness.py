"""Nearness: how far an edit's crop is from the drawn truth's, and how far other draws of the same thing are.

The limit comes from drawings alone. The other draws show the same thing in the same place and light, its pose three tenths
of the way to another one, on other ground, after the autoencoder, through which every edit goes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...videograin.toybox.clips import Clip, film
from ...videograin.toybox.poses import Pose, gait
from ...videograin.toybox.world import draw_background
from .crops import crop

SCALE = 3.0  # pixels of a crop: deviation of the window in which pictures are compared
TOWARDS = 0.3  # of the way from a pose to another; at more, a quarter of the stickers pass the gate on some clips
DRAWS = 6
SHARE = 0.95  # of the other draws are as near as the limit
STABLE = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """1 - SSIM (Wang et al. 2004) of two crops (S, S, 4) uint8 within the first one's region: 0 is equal, about 1 unrelated."""
    import cv2

    inside = one[..., 3] > 127
    a, b = (crop_[..., :3].astype(np.float32) for crop_ in (one, other))

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (0, 0), SCALE)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, both = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    light, texture = STABLE
    same = (2 * mean_a * mean_b + light) * (2 * both + texture)
    same = same / ((mean_a**2 + mean_b**2 + light) * (var_a + var_b + texture))
    return float(1 - same[inside].mean()) if inside.any() else 0.0


def distances(truth: np.ndarray, edited: np.ndarray, outline: np.ndarray, frames: list[int]) -> np.ndarray:
    """The distance of each of these frames, (F, H, W, 3) uint8, from the truth's, within an outline (F, H, W) bool."""
    return np.array([distance(crop(truth[f], outline[f]), crop(edited[f], outline[f])) for f in frames])


def other_draws(truth: Clip, restored: Callable[[np.ndarray], np.ndarray], seed: int) -> list[np.ndarray]:
    """The truth drawn again DRAWS times with slightly other poses on other ground, (F, H, W, 3) uint8 each.

    restored: frames after the autoencoder.
    """
    rng = np.random.default_rng([seed, 41])
    drawn = []
    for _ in range(DRAWS):
        tracks = [[thing._replace(pose=_nudged(thing.pose, rng)) for thing in track] for track in truth.tracks]
        ground = draw_background(truth.place, truth.wide.shape[:2], rng)
        again = film(ground, truth.place, tracks, truth.camera, truth.light, truth.style)
        drawn.append(restored(again.frames))
    return drawn


def _nudged(pose: Pose, rng: np.random.Generator) -> Pose:
    """The pose a part of the way to another one of a lively thing."""
    (other,) = gait(1, 1.0, rng)
    return Pose(*(_between(a, b) for a, b in zip(pose, other, strict=True)))


def _between(a: float | tuple[float, float], b: float | tuple[float, float]) -> float | tuple[float, float]:
    if isinstance(a, tuple):
        return _between(a[0], b[0]), _between(a[1], b[1])
    return a + TOWARDS * (b - a)


def limit(truth: np.ndarray, draws: list[np.ndarray], outline: np.ndarray, frames: list[int]) -> float:
    """The distance within which SHARE of the other draws of this region are."""
    return float(np.quantile(np.concatenate([distances(truth, one, outline, frames) for one in draws]), SHARE))
