"""A thing cut out of its picture: roughly by where the model's attention to its name goes, to the pixel by colours (GrabCut)."""

from __future__ import annotations

import numpy as np

from .grabcut import by_hints
from .region_track import touched

SURE, LIKELY, UNLIKELY = 0.4, 0.2, 0.1  # attention, from 0 on the ground to 1 on the thing, which has dim parts too
REACH = 0.02  # how far the thing may go beyond its attention, in shares of the longer side
SPECK = 0.05  # share of the largest part, below which another is none of the thing
GROUND, THING = 0.5, 0.97  # quantiles of the attention that are taken for the two


def levels(attention: np.ndarray) -> np.ndarray:
    """Attention to a thing's name, (h, w), as 0 on the ground to 1 on the thing.

    Some names draw a network's attention everywhere but to the thing: it is high all around at the border then.
    """
    border = np.concatenate([attention[[0, -1]].ravel(), attention[1:-1, [0, -1]].ravel()])
    attention = -attention if np.median(border) > attention.mean() else attention
    low, high = np.quantile(attention, (GROUND, THING))
    return ((attention - low) / max(high - low, 1e-9)).clip(0, 1)


def cut_out(picture: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """The thing, (H, W) bool, in a picture (H, W, 3) uint8. attention: (h, w), coarse, higher on the thing."""
    import cv2

    height, width = picture.shape[:2]
    soft = cv2.resize(levels(attention).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    side = 2 * max(1, round(REACH * max(height, width))) + 1
    hint = np.full((height, width), cv2.GC_BGD, np.uint8)
    hint[cv2.dilate((soft > UNLIKELY).astype(np.uint8), np.ones((side, side), np.uint8)) > 0] = cv2.GC_PR_BGD
    hint[soft > LIKELY] = cv2.GC_PR_FGD
    hint[soft > SURE] = cv2.GC_FGD
    return without_specks(by_hints(picture, hint))


def without_specks(mask: np.ndarray) -> np.ndarray:
    """A mask's large parts, with their holes closed; (H, W) bool."""
    import cv2

    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA] * (np.arange(len(stats)) > 0)
    outlines, _ = cv2.findContours(
        np.isin(parts, np.flatnonzero((areas > 0) & (areas >= SPECK * areas.max()))).astype(np.uint8),
        cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE,
    )  # fmt: skip
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, -1) > 0


def clearness(mask: np.ndarray, attention: np.ndarray) -> float:
    """How well a thing stands alone in its picture: the share of attention that it gets, less what the border cuts.

    Below 0 where nothing was cut out.
    """
    import cv2

    if not mask.any():
        return -1.0
    inside = cv2.resize(mask.astype(np.float32), attention.shape[::-1], interpolation=cv2.INTER_AREA)
    weight = levels(attention)
    return float((weight * inside).sum() / max(weight.sum(), 1e-9)) - touched(mask, np.zeros_like(mask))
