"""Scenes: captioned pictures of the toy world for training, one to three objects anywhere, captions in many forms."""

from typing import NamedTuple

import numpy as np

from .light import LIGHTS
from .looks import MATERIALS, STYLES, drawn_as
from .poses import gait
from .world import (
    ACCESSORIES,
    HEADS,
    OBJECTS,
    PLACES,
    SIZE,
    Art,
    Placed,
    compose,
    draw_background,
    held_out_pairs,
    held_out_settings,
    listed,
)

COUNTS = {1: 0.3, 2: 0.55, 3: 0.15}  # number of objects -> share of the pictures
EXTENT = {1: (70, 118), 2: (58, 84), 3: (48, 64)}  # number of objects -> range of their longest sides in pixels
LIMIT = {1: 0.75, 2: 0.48, 3: 0.36}  # number of objects -> limit of their longest side, in shares of the picture's
TWINS = 0.08  # share of the pairs that are the same word twice
WORN = 0.3  # share of the wearers that wear something
# Of lively scenes, shares of: small things, and their sizes in pixels; things with a material, with a style; pictures
# with a style; pictures that are lit; pictures in which the second thing hides a part of the first.
SMALL, SMALL_EXTENT, MADE, STYLED, STYLED_WHOLE, LIT, HIDING = 0.18, (20, 40), 0.16, 0.08, 0.1, 0.85, 0.3
SEEN = (0.4, 0.9)  # range of the share of a partly hidden thing's width that can be seen


class Scene(NamedTuple):
    picture: np.ndarray  # (H, W, 3) uint8
    masks: np.ndarray  # (K, H, W) bool, visible parts
    objects: tuple[Placed, ...]  # K, drawn in this order
    place: str
    caption: str
    background: np.ndarray  # (H, W, 3) uint8, without objects
    lit: bool = False
    style: str = ""  # of the whole picture


class Scenes:
    """A generator of scenes without held-out pairs, of objects or of object and place, or with held-out pairs only.

    lively: things are bent, lit, small, made of something and drawn in styles, as in `lively.py`. rare: how many times as
    often as SMALL, MADE and STYLED say.
    """

    def __init__(
        self, art: Art, size: int = SIZE, only_held_out: bool = False, lively: bool = False, rare: float = 1.0
    ):
        self.art, self.size, self.only_held_out, self.lively, self.rare = art, size, only_held_out, lively, rare
        self.pairs, self.settings = held_out_pairs(), held_out_settings()

    def __call__(self, rng: np.random.Generator, count: int | None = None) -> Scene:
        """One scene; equal generator states give equal bytes. count: number of objects, random if None."""
        names, place = self.cast(rng, count or int(rng.choice(list(COUNTS), p=list(COUNTS.values()))))
        objects = tuple(self.stage(rng, names))
        background = draw_background(place, (self.size, self.size), rng)
        if self.lively:
            return self.lively_scene(objects, place, background, rng)
        picture, masks = compose(background, objects, self.art)
        return Scene(picture, masks, objects, place, describe(objects, place, rng), background)

    def lively_scene(
        self, objects: tuple[Placed, ...], place: str, background: np.ndarray, rng: np.random.Generator
    ) -> Scene:
        """The scene of these objects, bent and dressed up at random."""
        objects = tuple(enlivened(thing, rng, self.rare) for thing in objects)
        if len(objects) > 1 and rng.random() < HIDING:
            objects = behind(*objects[:2], self.size, rng), *objects[1:]
        whole = rng.random() < self.rare * STYLED_WHOLE
        lit, style = bool(rng.random() < LIT), str(rng.choice(list(STYLES))) if whole else ""
        if style:
            objects = tuple(thing._replace(style="") for thing in objects)
        picture, masks = compose(background, objects, self.art, LIGHTS[place] if lit else None)
        words = describe(objects, place, rng)
        if style:
            picture, words = drawn_as(style, picture), f"{words}, {STYLES[style]}"
        return Scene(picture, masks, objects, place, words, background, lit, style)

    def cast(self, rng: np.random.Generator, count: int) -> tuple[list[str], str]:
        """Random words and a place."""
        order = {name: i for i, name in enumerate(OBJECTS)}
        while True:
            names = [str(name) for name in rng.choice(list(OBJECTS), count, replace=False)]
            if count == 2 and rng.random() < TWINS and not self.only_held_out:
                names[1] = names[0]
            place = str(rng.choice(list(PLACES)))
            ranked = sorted(names, key=order.__getitem__)
            unseen = any((a, b) in self.pairs for i, a in enumerate(ranked) for b in ranked[i + 1 :])
            if count == 1:
                unseen = (names[0], place) in self.settings
            elif any((name, place) in self.settings for name in names):
                continue  # with several objects, only their pairs decide
            if unseen == self.only_held_out:
                return names, place

    def extent(self, rng: np.random.Generator, count: int) -> float:
        """One object's longest side in pixels."""
        low, high = EXTENT[count]
        high = min(high, LIMIT[count] * self.size)
        return rng.uniform(min(low, 0.85 * high), high)

    def stage(self, rng: np.random.Generator, names: list[str]) -> list[Placed]:
        """Objects with sizes, accessories and positions in the picture; two overlap by at most a fifth of a side."""
        while True:
            placed: list[Placed] = []
            for name in names:
                worn = str(rng.choice(list(ACCESSORIES))) if name in HEADS and rng.random() < WORN else ""
                size = self.extent(rng, len(names))
                low, high = 0.46 * size, self.size - 0.46 * size
                above = 0.22 * size if worn in ("hat", "crown") else 0  # room for a hat or crown
                x, y = rng.uniform(low, high), rng.uniform(low + above, high)
                placed.append(Placed(name, x, y, size, bool(rng.random() < 0.5), rng.uniform(-12, 12), worn))
            if all(
                max(abs(a.x - b.x), abs(a.y - b.y)) > 0.4 * (a.size + b.size)
                for i, a in enumerate(placed)
                for b in placed[i + 1 :]
            ):
                return placed


def enlivened(thing: Placed, rng: np.random.Generator, rare: float = 1.0) -> Placed:
    """The thing bent, perhaps small, perhaps of a material or in a style."""
    if rng.random() < rare * SMALL:
        thing = thing._replace(size=rng.uniform(*SMALL_EXTENT))
    return thing._replace(
        pose=gait(1, rng.uniform(0, 1.1), rng)[0],
        material=str(rng.choice(MATERIALS)) if rng.random() < rare * MADE else "",
        style=str(rng.choice(list(STYLES))) if rng.random() < rare * STYLED else "",
    )


def behind(thing: Placed, front: Placed, size: int, rng: np.random.Generator) -> Placed:
    """The thing on the ground of the one in front of it, which hides a part of it; in a picture of `size` pixels."""
    side = 1 if front.x < size / 2 else -1  # where there is room
    x = front.x + side * (front.size / 2 + (rng.uniform(*SEEN) - 0.5) * thing.size)
    y = front.y + 0.5 * (front.size - thing.size) + rng.uniform(-0.15, 0.05) * thing.size
    low, high = 0.46 * thing.size, size - 0.46 * thing.size
    return thing._replace(x=float(np.clip(x, low, high)), y=float(np.clip(y, low, high)))


def describe(objects: tuple[Placed, ...], place: str, rng: np.random.Generator) -> str:
    """One of several true sentences; about one in six names sides, one in ten leaves out the place."""
    objects = [objects[i] for i in rng.permutation(len(objects))]
    where = "" if rng.random() < 0.1 else PLACES[place]
    left_to_right = sorted(objects, key=lambda thing: thing.x)
    apart = len(objects) == 2 and left_to_right[1].x - left_to_right[0].x > 0.5 * left_to_right[0].size
    style = rng.random()
    if apart and style < 0.3:
        left, right = (thing.noun for thing in left_to_right)
        things = f"{left} on the left and {right} on the right"
        if style < 0.15:
            things = f"{right} on the right and {left} on the left"
        return f"{things}, {where}" if where else things
    nouns = [thing.noun for thing in objects]
    things = f"{nouns[0]} next to {nouns[1]}" if len(nouns) == 2 and style < 0.45 else listed(nouns)
    if where and rng.random() < 0.15:
        return f"{where}, {things}"
    return f"{things} {where}".strip()
