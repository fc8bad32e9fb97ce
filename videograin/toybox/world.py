"""The toy world of the demo model: emoji on procedural backgrounds, with true masks, motion and occlusion.

The model was trained on pictures drawn by these functions: their colours, noise and resampling belong to the weights.
Sprites come from `sprites.png`, rendered once from Noto Color Emoji (OFL 1.1) by `demo/make_sprites.py`.
"""

from collections.abc import Sequence
from itertools import combinations
from math import cos, radians, sin
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from PIL import Image

from .light import Light, lit, shadow, shadowed
from .looks import STYLES, drawn_as, made_of
from .poses import STILL, Pose, bent, unbent

OBJECTS = {  # word in a caption -> emoji, in the atlas's order
    "cat": "\U0001f431", "dog": "\U0001f436", "bear": "\U0001f43b", "panda": "\U0001f43c", "tiger": "\U0001f42f", "fox": "\U0001f98a",
    "lion": "\U0001f981", "wolf": "\U0001f43a", "pig": "\U0001f437", "koala": "\U0001f428", "rabbit": "\U0001f430", "monkey": "\U0001f435",
    "cow": "\U0001f42e", "frog": "\U0001f438", "penguin": "\U0001f427", "owl": "\U0001f989", "car": "\U0001f697", "bus": "\U0001f68c",
    "firetruck": "\U0001f692", "taxi": "\U0001f695", "tractor": "\U0001f69c", "rocket": "\U0001f680", "apple": "\U0001f34e", "tree": "\U0001f332",
    "chick": "\U0001f424", "unicorn": "\U0001f984", "robot": "\U0001f916", "alien": "\U0001f47d", "pumpkin": "\U0001f383", "mushroom": "\U0001f344",
    "sunflower": "\U0001f33b", "truck": "\U0001f69a",
}  # fmt: skip
ACCESSORIES = {"hat": "\U0001f3a9", "crown": "\U0001f451", "sunglasses": "\U0001f576", "bow": "\U0001f380"}
PLACES = {  # place -> its phrase in a caption
    "grass": "on grass",
    "snow": "in the snow",
    "sand": "on sand",
    "sea": "at sea",
    "night": "at night",
    "brick": "before a brick wall",
    "road": "on a road",
    "sunset": "at sunset",
}
COLOURS = {
    "grass": (96, 168, 72),
    "snow": (232, 238, 246),
    "sand": (222, 196, 140),
    "sea": (58, 120, 190),
    "night": (24, 26, 58),
    "brick": (150, 74, 60),
    "road": (104, 106, 112),
    "sunset": (226, 132, 120),
}


class Head(NamedTuple):
    """The head of a wearer, where accessories sit, in shares of its picture's width and height."""

    x: float  # middle of the face
    top: float  # crown of the head, under a hat
    eyes: float
    width: float  # face at the eyes


HEADS = {
    "cat": Head(0.50, 0.17, 0.55, 0.78),
    "dog": Head(0.50, 0.08, 0.52, 0.66),
    "bear": Head(0.50, 0.10, 0.45, 0.80),
    "panda": Head(0.50, 0.10, 0.42, 0.80),
    "tiger": Head(0.50, 0.08, 0.33, 0.76),
    "fox": Head(0.50, 0.24, 0.56, 0.70),
    "lion": Head(0.50, 0.12, 0.38, 0.66),
    "wolf": Head(0.50, 0.18, 0.48, 0.76),
    "pig": Head(0.50, 0.10, 0.51, 0.80),
    "koala": Head(0.50, 0.10, 0.52, 0.62),
    "rabbit": Head(0.50, 0.42, 0.60, 0.74),
    "monkey": Head(0.50, 0.08, 0.47, 0.72),
    "cow": Head(0.50, 0.12, 0.42, 0.62),
    "frog": Head(0.50, 0.10, 0.26, 0.84),
    "owl": Head(0.50, 0.12, 0.30, 0.84),
    "alien": Head(0.50, 0.06, 0.52, 0.84),
    "pumpkin": Head(0.50, 0.16, 0.42, 0.78),
}

SIZE = 192  # pixels, the side of a training picture
FPS = 8.0  # frames per second of a clip
ATLAS = Path(__file__).with_name("sprites.png")
ATLAS_CELL, ATLAS_COLUMNS = 136, 8  # pixels, cells
CANVAS = 208  # pixels, side of a sprite with room for its accessories
PATCH = 6  # pixels, side of the patches in which a bent thing is drawn
MIPS = (1.0, 0.75, 0.5, 0.36)  # sizes in which a sprite is stored, so that a small one does not alias


class Sprite(NamedTuple):
    """One object's picture in the middle of a transparent square, in every size of `MIPS`."""

    pictures: tuple[Image.Image, ...]  # RGBA
    extent: float  # longest side of the object at the first size, in pixels, without accessory

    def at(self, size: float) -> tuple[Image.Image, float]:
        """The smallest picture whose object is not smaller than `size`, and the object's longest side in it."""
        fits = [i for i, mip in enumerate(MIPS) if mip * self.extent >= size]
        best = fits[-1] if fits else 0
        return self.pictures[best], self.extent * self.pictures[best].width / CANVAS


class Placed(NamedTuple):
    """One object in one frame: centre and longest side in pixels, rotation counter-clockwise in degrees."""

    name: str
    x: float
    y: float
    size: float
    flip: bool = False
    degrees: float = 0.0
    worn: str = ""  # one of ACCESSORIES, on one of HEADS
    pose: Pose = STILL
    material: str = ""  # one of looks.MATERIALS
    style: str = ""  # one of looks.STYLES

    @property
    def sprite(self) -> str:
        made = f"{self.material}-{self.name}" if self.material else self.name
        return f"{made} {self.worn}" if self.worn else made

    @property
    def noun(self) -> str:
        """ "an owl", "a golden cat with a hat", "a cat as a sketch", as in a caption."""
        accessory = self.worn if self.worn == "sunglasses" else f"a {self.worn}"
        noun = article(f"{self.material} {self.name}".strip()) + (f" with {accessory}" if self.worn else "")
        return f"{noun} {STYLES[self.style]}" if self.style else noun


def require_head(name: str) -> None:
    """Check that this object can wear something; raises ValueError."""
    if name not in HEADS:
        raise ValueError(f"a {name} wears nothing; on the left choose one of {', '.join(HEADS)}")


def article(word: str) -> str:
    return ("an " if word[0] in "aeio" else "a ") + word  # "a unicorn"


def caption(nouns: Sequence[str], place: str) -> str:
    """ "a cat and an owl in the snow", from nouns with or without their article."""
    nouns = [noun if noun.startswith(("a ", "an ")) else article(noun) for noun in nouns]
    return f"{listed(nouns)} {PLACES[place]}"


def listed(nouns: Sequence[str]) -> str:
    """ "a cat", "a cat and a dog", "a cat, a dog and an owl"."""
    return " and ".join(nouns) if len(nouns) < 3 else f"{', '.join(nouns[:-1])} and {nouns[-1]}"


# ---- what training never sees ---------------------------------------------------------------------------------------


def held_out(pairs: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Held-out pairs: a fixed fifth, those whose names have the lowest checksums."""
    return frozenset(sorted(pairs, key=lambda pair: crc32(" ".join(pair).encode()))[: len(pairs) // 5])


def held_out_pairs() -> frozenset[tuple[str, str]]:
    """Pairs of objects, in the order of `OBJECTS`, that are never together in a training picture."""
    return held_out(list(combinations(OBJECTS, 2)))


def held_out_settings() -> frozenset[tuple[str, str]]:
    """Pairs (object, place) that are never together in a training picture."""
    return held_out([(name, place) for name in OBJECTS for place in PLACES])


# ---- sprites --------------------------------------------------------------------------------------------------------


class Art(dict[str, Sprite]):
    """Sprites by name, made on first use: "cat", "golden-cat", "cat hat" with a hat on, "cat hat alone" for the hat."""

    def __init__(self):
        atlas, self.glyphs = Image.open(ATLAS).convert("RGBA"), {}
        for i, name in enumerate([*OBJECTS, *ACCESSORIES]):
            x, y = ATLAS_CELL * (i % ATLAS_COLUMNS), ATLAS_CELL * (i // ATLAS_COLUMNS)
            cell = atlas.crop((x, y, x + ATLAS_CELL, y + ATLAS_CELL))
            self.glyphs[name] = cell.crop(cell.getchannel("A").getbbox())

    def __missing__(self, key: str) -> Sprite:
        name, worn, alone = [*key.split(), "", ""][:3]
        material, _, name = name.rpartition("-")
        glyph = self.glyphs[name]
        if material:
            glyph = Image.fromarray(made_of(material, np.asarray(glyph)))
        accessory = _worn(self.glyphs[worn], worn, HEADS[name], glyph) if worn else None
        sprite = _sprite(glyph, accessory)
        self[key] = sprite._replace(pictures=_sizes(accessory)) if alone else sprite
        return self[key]


def sprites() -> Art:
    """The sprites of all objects, bare and with each accessory that their heads can wear."""
    return Art()


def _sprite(glyph: Image.Image, accessory: Image.Image | None = None) -> Sprite:
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    canvas.paste(glyph, ((CANVAS - glyph.width) // 2, (CANVAS - glyph.height) // 2))
    if accessory is not None:
        canvas.alpha_composite(accessory)
    return Sprite(_sizes(canvas), float(max(glyph.size)))


def _sizes(canvas: Image.Image) -> tuple[Image.Image, ...]:
    sides = [round(mip * CANVAS) for mip in MIPS]
    return tuple(canvas.resize((side, side), Image.Resampling.LANCZOS) for side in sides)


def _worn(accessory: Image.Image, worn: str, head: Head, glyph: Image.Image) -> Image.Image:
    """The accessory alone on a sprite's canvas, at its place on this head."""
    width = head.width * glyph.width * {"hat": 0.78, "crown": 0.66, "sunglasses": 1.06, "bow": 0.52}[worn]
    picture = accessory.resize(
        (round(width), round(width * accessory.height / accessory.width)), Image.Resampling.LANCZOS
    )
    x, y = head.x * glyph.width, head.top * glyph.height
    if worn == "bow":  # over one ear
        x, y = x + 0.34 * head.width * glyph.width, y - 0.1 * picture.height
    elif worn == "sunglasses":
        y = head.eyes * glyph.height
    else:  # its brim on the head
        y -= 0.36 * picture.height
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    corner = (CANVAS - glyph.width) / 2 + x - picture.width / 2, (CANVAS - glyph.height) / 2 + y - picture.height / 2
    canvas.paste(picture, (round(corner[0]), round(corner[1])))
    return canvas


# ---- pictures -------------------------------------------------------------------------------------------------------


def draw_background(place: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """The background of a place, (H, W, 3) uint8: colour, light from above, noise and texture; size (H, W)."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = (0.5 - y / height)[..., None]  # 0.5 at the top, -0.5 at the bottom
    image = np.float32(COLOURS[place]) + 9 * _smooth(size, 16, rng) + rng.normal(0, 2, (height, width, 1))
    phase = rng.uniform(0, 6.28)
    if place == "grass":
        image += 10 * light
        image[..., 1] += 10 * np.sin(x / 3.5 + 3 * np.sin(y / 9 + phase))
    elif place == "snow":
        image -= (
            14 * np.maximum(0, np.sin(y / 17 + 1.5 * np.sin(x / 40 + phase)))[..., None] * np.float32((1, 0.7, 0.3))
        )
    elif place == "sand":
        image += 10 * np.sin((x + 2 * y) / 12 + 1.5 * np.sin(x / 30 + phase))[..., None]
    elif place == "sea":
        image += 16 * light + 14 * np.sin(y / 7 + 2 * np.sin(x / 24 + phase))[..., None]
    elif place == "night":
        image += 30 * light * np.float32((0.6, 0.4, 1))
        for star_y, star_x in rng.integers(1, (height - 1, width - 1), (height * width // 1800, 2)):
            image[star_y - 1 : star_y + 1, star_x - 1 : star_x + 1] = (250, 250, 220)
    elif place == "brick":
        y, x = y + rng.integers(32), x + rng.integers(32)
        row = y // 16
        along = x + 16 * (row % 2)
        image += (16 * np.sin(12.9 * row + 78.2 * (along // 32) + phase))[..., None]
        image[(y % 16 < 3) | (along % 32 < 3)] = (196, 184, 172)
    elif place == "road":
        image += 12 * light
        lane = rng.uniform(0.35, 0.65) * height
        dash = (np.abs(y - lane) < 4) & ((x + rng.integers(48)) % 48 < 28)
        image[dash] = (236, 214, 110)
    elif place == "sunset":
        image += light * np.float32((-90, -60, 130))
        image += 16 * np.sin(y / 11 + 1.5 * np.sin(x / 50 + phase))[..., None] * np.float32((1, 0.7, 0.2))
    return image.clip(0, 255).astype(np.uint8)


def _smooth(size: tuple[int, int], cell: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise, (H, W, 1): unit variance at the nodes of a grid of `cell` pixels, interpolated between them."""
    nodes = rng.normal(0, 1, (size[0] // cell + 2, size[1] // cell + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(nodes).resize(size[::-1], Image.Resampling.BICUBIC))[..., None]


def compose(
    background: np.ndarray, objects: Sequence[Placed], art: Art, light: Light | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One frame: objects drawn in order over a background, a later one in front.

    Args: background (H, W, 3) uint8; art, from `sprites()`; light: the place's, or None for things as bright as drawn
        that cast no shadow.
    Returns the frame (H, W, 3) uint8 and the visible masks (K, H, W) bool.
    """
    if light is not None:
        background = shadowed(background, [shadow(thing, background.shape[:2], light) for thing in objects])
    frame = Image.fromarray(background).convert("RGBA")
    masks = np.zeros((len(objects), *background.shape[:2]), bool)
    for i, thing in enumerate(objects):
        layer = _layer(thing, thing.sprite, frame.size, art)
        if light is not None:
            layer = lit(layer, thing, light)
        frame.alpha_composite(layer)
        masks[i] = np.asarray(layer.getchannel("A")) > 127
        masks[:i] &= ~masks[i]
    picture = np.asarray(frame.convert("RGB"))
    for style in {thing.style for thing in objects if thing.style}:
        where = np.any([mask for mask, thing in zip(masks, objects, strict=True) if thing.style == style], 0)
        picture = np.where(where[..., None], drawn_as(style, picture), picture)
    return picture, masks


def accessory(thing: Placed, size: tuple[int, int], art: Art) -> np.ndarray:
    """The object's accessory in a frame of `size`, (width, height): (H, W) bool, whatever stands before it."""
    return np.asarray(_layer(thing, f"{thing.sprite} alone", size, art).getchannel("A")) > 127


def _layer(thing: Placed, sprite: str, size: tuple[int, int], art: Art) -> Image.Image:
    picture, extent = art[sprite].at(thing.size)
    to_frame = placement(thing)
    if thing.pose == STILL:
        inverse = np.linalg.inv(to_frame @ np.diag((1 / extent, 1 / extent, 1)) @ _to_centre(picture.width))
        return picture.transform(size, Image.Transform.AFFINE, inverse[:2].ravel(), resample=Image.Resampling.BICUBIC)
    boxes, corners = _mesh(thing, size)
    there = extent * unbent(_moved(corners, np.linalg.inv(to_frame)), thing.pose) + picture.width / 2
    patches = list(zip(boxes, there.reshape(-1, 8).tolist(), strict=True))
    return picture.transform(size, Image.Transform.MESH, patches, resample=Image.Resampling.BICUBIC)


def _mesh(thing: Placed, size: tuple[int, int]) -> tuple[list[tuple[int, int, int, int]], np.ndarray]:
    """The patches of the frame where the thing may be: boxes, and their corners (N, 4, 2) in PIL's order."""
    reach = 0.95 * thing.size  # with what it wears, bent
    left, right = (int(np.clip(thing.x + side * reach, 0, size[0])) for side in (-1, 1))
    top, bottom = (int(np.clip(thing.y + side * reach, 0, size[1])) for side in (-1, 1))
    boxes = [
        (x, y, min(x + PATCH, right), min(y + PATCH, bottom))
        for y in range(top, bottom, PATCH)
        for x in range(left, right, PATCH)
    ]
    corners = [((x0, y0), (x0, y1), (x1, y1), (x1, y0)) for x0, y0, x1, y1 in boxes]
    return boxes, np.array(corners, float).reshape(-1, 4, 2)


def travelled(points: np.ndarray, before: Placed, after: Placed) -> np.ndarray:
    """The new places (..., 2) of a thing's points, in pixels, when it has moved and bent from `before` to `after`."""
    own = unbent(_moved(points, np.linalg.inv(placement(before))), before.pose)
    return _moved(bent(own, after.pose), placement(after))


def _moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def _to_centre(side: float) -> np.ndarray:
    return np.array([[1, 0, -side / 2], [0, 1, -side / 2], [0, 0, 1.0]])


def placement(thing: Placed) -> np.ndarray:
    """The matrix (3, 3) from an object's coordinates (longest side 1, centre 0) to the frame's pixels (left edge 0)."""
    turn, mirror = radians(thing.degrees), -1 if thing.flip else 1
    a, b = thing.size * cos(turn), thing.size * sin(turn)
    return np.array([[mirror * a, b, thing.x], [-mirror * b, a, thing.y], [0, 0, 1.0]])
