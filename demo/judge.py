"""Which of the world's words does a region of a picture show? By correlation with the rendered sprites; no network."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from .world import Sprites, sprites

SCALES = (0.85, 1.0)  # sprite's size relative to the mask's bounding box: an edit may draw a smaller thing
SHIFTS = (-3, 0, 3)  # pixels, in x and y: or a little beside it


def best_word(frame: np.ndarray, mask: np.ndarray, part: np.ndarray | None = None) -> tuple[str, float]:
    """The word whose sprite, fitted into the mask's bounding box, correlates best with the frame inside the mask.

    Args: frame (H, W, 3) uint8; mask (H, W) bool, one object's visible part; part (H, W) bool, the pixels of the
        object that are compared, all by default.
    Returns the word and its correlation over pixels and colours, -1 to 1. Raises ValueError on an empty mask.
    """
    scores = word_scores(frame, mask, sprites(), part)
    word = max(scores, key=scores.get)
    return word, scores[word]


def word_scores(frame: np.ndarray, mask: np.ndarray, art: Sprites, part: np.ndarray | None = None) -> dict[str, float]:
    """Every word's best correlation, over a few sizes and shifts of its sprite; arguments as in `best_word`."""
    if not mask.any():
        raise ValueError("the mask is empty on this frame: there is no object to name")
    # What surrounds the object shows where a sprite is transparent.
    surroundings = np.median(frame[~mask] if (~mask).any() else frame, 0)
    rows, columns = np.nonzero(mask)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    frame, compared = frame[box], (mask if part is None else part)[box]
    canvas = Image.new("RGB", compared.shape[::-1], tuple(int(c) for c in surroundings))
    seen = frame[compared].astype(np.float32)
    return {
        word: max(correlation(seen, np.float32(picture)[compared]) for picture in fitted(canvas, sprite))
        for word, sprite in art.items()
    }


def fitted(canvas: Image.Image, sprite: Image.Image) -> Iterator[Image.Image]:
    """Pictures of the sprite on the canvas, stretched to it at each scale and shift."""
    for scale in SCALES:
        size = max(1, round(scale * canvas.width)), max(1, round(scale * canvas.height))
        small = sprite.resize(size, Image.Resampling.BICUBIC)
        for dx in SHIFTS:
            for dy in SHIFTS:
                picture = canvas.copy()
                picture.paste(small, ((canvas.width - size[0]) // 2 + dx, (canvas.height - size[1]) // 2 + dy), small)
                yield picture


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two (N, 3) arrays of pixels, each colour about its own mean; 0 where either is flat.

    About one common mean, a patch of bare grass would correlate 0.8 with a green frog.
    """
    a, b = a - a.mean(0), b - b.mean(0)
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
