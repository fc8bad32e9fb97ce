"""How far things are, as a picture: what the demo's ControlNet is shown."""

import numpy as np
from PIL import Image, ImageFilter

SOFT = 1.5  # pixels: estimated depth never has sharp edges


def depth(masks: np.ndarray) -> np.ndarray:
    """(H, W) uint8, bright is near, of one frame's visible masks (K, H, W) bool, drawn in this order, the last in front.

    The ground comes nearer towards the bottom; objects stand before it, each nearer than the ones it may hide.
    """
    height, width = masks.shape[1:]
    picture = np.repeat(np.linspace(20, 90, height, dtype=np.float32)[:, None], width, 1)
    for k, mask in enumerate(masks):
        picture[mask] = 150 + 105 * (k + 1) / len(masks)
    return np.asarray(Image.fromarray(picture.round().astype(np.uint8)).filter(ImageFilter.GaussianBlur(SOFT)))


def depth_clip(masks: np.ndarray) -> np.ndarray:
    """(F, H, W, 3) uint8, grey, of a clip's visible masks (K, F, H, W) bool."""
    return np.stack([depth(frame) for frame in masks.swapaxes(0, 1)])[..., None].repeat(3, -1)
