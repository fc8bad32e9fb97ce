"""The toy world of the demo model: emoji on procedural backgrounds, with true masks.

The model was trained on pictures drawn by these functions: their colours, noise and resampling belong to the weights.
Sprites come from `sprites.png`, rendered once from Noto Color Emoji (OFL 1.1) by `make_sprites.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

OBJECTS = {  # word in a caption: the emoji, in the atlas's order
    "cat": "🐱", "dog": "🐶", "bear": "🐻", "panda": "🐼", "tiger": "🐯", "fox": "🦊",
    "lion": "🦁", "wolf": "🐺", "pig": "🐷", "koala": "🐨", "rabbit": "🐰", "monkey": "🐵",
    "cow": "🐮", "frog": "🐸", "penguin": "🐧", "owl": "🦉", "car": "🚗", "bus": "🚌",
    "firetruck": "🚒", "taxi": "🚕", "tractor": "🚜", "rocket": "🚀", "apple": "🍎", "tree": "🌲",
}  # fmt: skip
PLACES = {  # place: its phrase in a caption
    "grass": "on grass",
    "snow": "in the snow",
    "sand": "on sand",
    "sea": "at sea",
    "night": "at night",
    "brick": "before a brick wall",
}
COLOURS = {
    "grass": (96, 168, 72),
    "snow": (236, 240, 246),
    "sand": (222, 196, 140),
    "sea": (58, 120, 190),
    "night": (24, 26, 58),
    "brick": (150, 74, 60),
}
SIZE = 128  # pixels, the side of a training picture
FPS = 8.0  # frames per second of a clip
ATLAS = Path(__file__).with_name("sprites.png")
ATLAS_CELL, ATLAS_COLUMNS = 136, 6  # pixels, cells

Sprites = Mapping[str, Image.Image]


class Placed(NamedTuple):
    """One object in one frame: centre and longest side in pixels, rotation counter-clockwise in degrees."""

    name: str
    x: float
    y: float
    size: float
    flip: bool = False
    degrees: float = 0.0


class Clip(NamedTuple):
    frames: np.ndarray  # (F, H, W, 3) uint8
    masks: np.ndarray  # (K, F, H, W) bool, the visible part of each object
    names: tuple[str, ...]  # K words, left to right in the first frame
    caption: str


def sprites() -> dict[str, Image.Image]:
    """Every object's RGBA picture, cropped to its visible box (about 120 px)."""
    atlas, art = Image.open(ATLAS).convert("RGBA"), {}
    for i, name in enumerate(OBJECTS):
        x, y = ATLAS_CELL * (i % ATLAS_COLUMNS), ATLAS_CELL * (i // ATLAS_COLUMNS)
        cell = atlas.crop((x, y, x + ATLAS_CELL, y + ATLAS_CELL))
        art[name] = cell.crop(cell.getchannel("A").getbbox())
    return art


def caption(names: Sequence[str], place: str) -> str:
    """ "a cat and an owl in the snow", in the training captions' form."""
    nouns = [("an " if name[0] in "aeiou" else "a ") + name for name in names]
    return f"{' and '.join(nouns)} {PLACES[place]}"


def draw_background(place: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size, 3) uint8: the place's colour, smooth and fine noise, and its texture. Size is a multiple of 8."""
    coarse = Image.fromarray(rng.normal(0, 1, (size // 8, size // 8)).astype(np.float32))
    coarse = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))[..., None]
    image = np.float32(COLOURS[place]) + 10 * coarse + rng.normal(0, 4, (size, size, 1))
    y, x = np.mgrid[:size, :size]
    phase = rng.uniform(0, 6.28)
    if place == "grass":
        image[..., 1] += 12 * np.sin(x / 2.2 + 3 * np.sin(y / 7 + phase))
    elif place == "sand":
        image += 8 * np.sin((x + 2 * y) / 9 + phase)[..., None]
    elif place == "sea":
        image += 12 * np.sin(y / 5 + 2 * np.sin(x / 17 + phase))[..., None]
    elif place == "night":
        stars = rng.integers(0, size, (12, 2))
        image[stars[:, 0], stars[:, 1]] = (250, 250, 220)
    elif place == "brick":
        y = y + rng.integers(16)
        mortar = (y % 12 < 2) | ((x + 8 * (y // 12 % 2)) % 20 < 2)
        image[mortar] = 0.3 * image[mortar] + 0.7 * np.float32((200, 190, 180))
    return image.clip(0, 255).astype(np.uint8)


def compose(background: np.ndarray, objects: Sequence[Placed], art: Sprites) -> tuple[np.ndarray, np.ndarray]:
    """Draw the objects in order, so that a later one stands in front.

    Args: background (H, W, 3) uint8; art, from `sprites()`.
    Returns the frame (H, W, 3) uint8 and the visible masks (K, H, W) bool.
    """
    frame = Image.fromarray(background).convert("RGBA")
    masks = np.zeros((len(objects), *background.shape[:2]), bool)
    for i, thing in enumerate(objects):
        sprite = _transform(art[thing.name], thing)
        layer = Image.new("RGBA", frame.size)
        layer.paste(sprite, (int(thing.x - sprite.width / 2), int(thing.y - sprite.height / 2)))
        frame.alpha_composite(layer)
        masks[i] = np.asarray(layer.getchannel("A")) > 127
        masks[:i] &= ~masks[i]
    return np.asarray(frame.convert("RGB")), masks


def _transform(sprite: Image.Image, thing: Placed) -> Image.Image:
    scale = thing.size / max(sprite.size)
    sprite = sprite.resize((int(sprite.width * scale), int(sprite.height * scale)), Image.Resampling.BICUBIC)
    if thing.flip:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if thing.degrees:
        sprite = sprite.rotate(thing.degrees, expand=True, resample=Image.Resampling.BICUBIC)
    return sprite


def clip(names: Sequence[str], place: str, frames: int = 8, motion: float = 1.0, seed: int = 0) -> Clip:
    """Objects side by side that drift along a line and bob, always fully inside the frame, on a still background.

    Args: names, left to right; frames, at least 1; motion, 0 stands still, 1 wanders about 12 px in all, from about 2
    on two objects may overlap (the right one is in front). The same arguments give the same bytes.
    """
    rng, art = np.random.default_rng(seed), sprites()
    background = draw_background(place, SIZE, rng)
    paths = [_path((k + 0.5) / len(names), len(names), frames, motion, rng) for k in range(len(names))]
    drawn = [
        compose(background, [Placed(name, *path[f]) for name, path in zip(names, paths, strict=True)], art)
        for f in range(frames)
    ]
    pictures, masks = zip(*drawn, strict=True)
    return Clip(np.stack(pictures), np.stack(masks, 1), tuple(names), caption(names, place))


def _path(lane: float, lanes: int, frames: int, motion: float, rng: np.random.Generator) -> np.ndarray:
    """(F, 3) centre x, centre y and size in pixels; `lane` is the relative x around which the object moves."""
    size = rng.uniform(0.36, 0.42) * SIZE * min(1.0, 2.4 / lanes)
    low, high = size / 2 + 1, SIZE - size / 2 - 1
    drift = motion * rng.uniform(4, 8) * rng.choice((-1, 1))
    # A straight line between two points inside the frame stays inside, and so does a bob no higher than the room left.
    x = np.linspace(*np.clip((lane * SIZE - drift / 2, lane * SIZE + drift / 2), low, high), frames)
    middle = rng.uniform(0.42, 0.58) * SIZE
    bob = min(motion * rng.uniform(4, 8), middle - low, high - middle)
    y = middle + bob * np.sin(2 * np.pi * (np.arange(frames) / 12 + rng.uniform()))
    return np.stack([x, y, np.full(frames, size)], -1)
