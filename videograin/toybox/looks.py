"""Looks: what a thing of the toy world is made of, and the style that a thing or a whole picture is drawn in."""

from collections.abc import Callable

import numpy as np

MATERIALS = ("golden", "silver", "blue", "green", "pink", "striped", "spotted")  # "a golden cat"
STYLES = {  # style -> its phrase in a caption
    "flat": "as a flat drawing",
    "sketch": "as a sketch",
    "dark": "in the dark",
    "watercolour": "as a watercolour",
}
RAMPS = {  # material -> colours of the darkest, the middle and the brightest parts
    "golden": ((70, 40, 0), (214, 160, 36), (255, 244, 176)),
    "silver": ((44, 48, 56), (160, 168, 178), (250, 252, 255)),
    "blue": ((8, 20, 70), (44, 110, 220), (196, 226, 255)),
    "green": ((4, 44, 16), (48, 160, 72), (206, 250, 200)),
    "pink": ((90, 10, 50), (240, 110, 170), (255, 220, 236)),
}
INK = (38, 34, 44)
OWN_COLOUR, FAINT = 32, 22  # mean change, of 255, up to which a thing has a colour already, or hardly shows a pattern
PERIOD = 23  # pixels of a sprite at full size between two stripes or two rows of spots


def made_of(material: str, picture: np.ndarray) -> np.ndarray:
    """A sprite (H, W, 4) uint8 made of one of MATERIALS: its shape stays, and light and dark within it."""
    found, colour = picture.copy(), picture[..., :3].astype(np.float32)
    if material in RAMPS:
        grey = colour @ np.float32((0.299, 0.587, 0.114))
        found[..., :3] = np.stack([np.interp(grey, (0, 128, 255), c) for c in zip(*RAMPS[material], strict=True)], -1)
        return found
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    if material == "striped":
        inked = (x + 0.45 * y + 3 * np.sin(y / 9)) % PERIOD < 0.42 * PERIOD
    else:
        shifted = x + PERIOD / 2 * ((y // PERIOD) % 2)
        inked = np.hypot(shifted % PERIOD - PERIOD / 2, y % PERIOD - PERIOD / 2) < 0.3 * PERIOD
    found[inked, :3] = (0.2 * colour[inked] + 0.8 * np.float32(INK)).astype(np.uint8)
    return found


def recolours(material: str, picture: np.ndarray) -> bool:
    """Whether a sprite (H, W, 4) uint8 made of this looks other than before: a silver wolf is the grey wolf it was, and
    stripes on a dark tree are hardly seen."""
    inside = picture[..., 3] > 127
    change = np.abs(made_of(material, picture).astype(float) - picture)[inside][:, :3].mean()
    return change > (OWN_COLOUR if material in RAMPS else FAINT)


def drawn_as(style: str, picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 in one of STYLES; each pixel depends on its near surroundings only."""
    return STYLE_OF[style](picture)


def _flat(picture: np.ndarray) -> np.ndarray:
    """Few colours in even areas, with inked edges."""
    import cv2

    smooth = cv2.medianBlur(picture, 7)
    found = (np.round(smooth / 85.0) * 85).clip(0, 255).astype(np.uint8)
    edges = cv2.morphologyEx(smooth, cv2.MORPH_GRADIENT, np.ones((3, 3))).max(-1) > 40
    found[edges] = INK
    return found


def _sketch(picture: np.ndarray) -> np.ndarray:
    """Pencil lines on paper."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    paper = cv2.GaussianBlur(255 - grey, (0, 0), 4)
    lines = np.clip(255 * grey / np.maximum(255 - paper, 1), 0, 255)
    return np.repeat((252 - 1.5 * (255 - lines)).clip(20, 252)[..., None], 3, -1).astype(np.uint8)


def _dark(picture: np.ndarray) -> np.ndarray:
    """Moonlight: little of it, and blue."""
    grey = picture.astype(np.float32).mean(-1, keepdims=True)
    return ((0.55 * picture + 0.45 * grey) * np.float32((0.26, 0.32, 0.52))).astype(np.uint8)


def _watercolour(picture: np.ndarray) -> np.ndarray:
    """Blurred washes that run into each other on cream paper: pigment pools in blotches and dries dark at their edges."""
    import cv2

    wash = cv2.bilateralFilter(cv2.GaussianBlur(picture, (0, 0), 2.2), 9, 60, 5).astype(np.float32)
    edges = np.hypot(*(cv2.Sobel(wash, cv2.CV_32F, *axis, scale=0.25) for axis in ((1, 0), (0, 1)))).max(
        -1, keepdims=True
    )
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)[..., None]
    pools = 1 + 0.3 * np.sin(x / 8 + 1.5 * np.sin(y / 13)) * np.sin(y / 9 + 1.5 * np.sin(x / 15))
    pigment = 0.55 * (255 - wash) * pools + np.minimum(1.6 * edges, 60)
    return (np.float32((255, 243, 205)) - pigment).clip(0, 255).astype(np.uint8)


STYLE_OF: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flat": _flat,
    "sketch": _sketch,
    "dark": _dark,
    "watercolour": _watercolour,
}
