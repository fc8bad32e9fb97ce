"""Crops: what the judges see of a region, always of one size."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 64  # pixels of a crop
AROUND = 1.3  # side of the square that is cut out, in longest sides of the region
LEAST = 16.0  # pixels of that square


def crop(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The surroundings of a region, (SIDE, SIDE, 4) uint8: the picture, and the region in the last channel.

    Args: frame (H, W, 3) uint8; mask (H, W) bool. Raises ValueError for an empty mask.
    """
    y, x, half = _square(mask)
    pad = int(np.ceil(2 * half))
    around = (pad, pad), (pad, pad)
    wide = np.pad(frame, (*around, (0, 0)), "edge"), np.pad(255 * mask.astype(np.uint8), around)
    box = (x - half + pad, y - half + pad, x + half + pad, y + half + pad)
    parts = [Image.fromarray(part).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box) for part in wide]
    return np.concatenate([np.asarray(parts[0]), np.asarray(parts[1])[..., None]], -1)


def zoom(mask: np.ndarray) -> float:
    """Pixels of this region's crop in a pixel of the picture."""
    return float(SIDE / (2 * _square(mask)[2]))


def _square(mask: np.ndarray) -> tuple[float, float, float]:
    """The middle, (y, x), and half the side of what is cut out, in pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise ValueError("the mask is empty on this frame: there is no region to cut out")
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    middle = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    return *middle, max(LEAST, AROUND * max(height, width)) / 2
