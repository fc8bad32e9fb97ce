"""Depth pictures of the toy world: the hints of the demo's ControlNet."""

import numpy as np
from PIL import Image, ImageFilter

SOFT = 1.5  # pixels of blur: estimated depth never has sharp edges


def depth(masks: np.ndarray) -> np.ndarray:
    """Depth of one frame, (H, W) uint8, bright is near, from the visible masks (K, H, W) bool; the last is in front.

    The ground comes nearer towards the bottom; objects stand before it, each nearer than the ones that it may hide.
    """
    height, width = masks.shape[1:]
    picture = np.repeat(np.linspace(20, 90, height, dtype=np.float32)[:, None], width, 1)
    for k, mask in enumerate(masks):
        picture[mask] = 150 + 105 * (k + 1) / len(masks)
    return np.asarray(Image.fromarray(picture.round().astype(np.uint8)).filter(ImageFilter.GaussianBlur(SOFT)))


def depth_clip(masks: np.ndarray) -> np.ndarray:
    """Depth of a clip, (F, H, W, 3) uint8, grey, from its visible masks (K, F, H, W) bool."""
    return np.stack([depth(frame) for frame in masks.swapaxes(0, 1)])[..., None].repeat(3, -1)
