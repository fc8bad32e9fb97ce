"""Negatives: what is no thing, though it stands where one should. The judges learn them alike, from no edit of any method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter


def negative(thing: np.ndarray, empty: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop that shows no thing, (S, S, 4) uint8, the region as in `thing`.

    Args: crops (S, S, 4) uint8 of a thing, of its place without it, and of another thing.
    """
    make = KINDS[int(rng.integers(len(KINDS)))]
    inside = thing[..., 3:] / 255.0
    filled = make(thing[..., :3].astype(float), empty[..., :3].astype(float), other[..., :3].astype(float), inside, rng)
    return np.concatenate([filled.clip(0, 255).astype(np.uint8), thing[..., 3:]], -1)


Make = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _empty(thing, empty, other, inside, rng) -> np.ndarray:
    """The place alone."""
    return empty


def _flat(thing, empty, other, inside, rng) -> np.ndarray:
    """One colour in the thing's outline."""
    colour = _palette(thing, inside, rng)[0] if rng.random() < 0.6 else rng.uniform(0, 255, 3)
    return _into(empty, colour + rng.normal(0, 4, thing.shape), inside)


def _blob(thing, empty, other, inside, rng) -> np.ndarray:
    """The thing's colours, smoothly, without its parts."""
    cells = int(rng.integers(2, 6))
    colours = _palette(thing, inside, rng, cells * cells).reshape(cells, cells, 3)
    smooth = Image.fromarray(colours.clip(0, 255).astype(np.uint8)).resize(thing.shape[1::-1], Image.Resampling.BICUBIC)
    return _into(empty, np.asarray(smooth, float), inside)


def _blurred(thing, empty, other, inside, rng) -> np.ndarray:
    """The thing, beyond recognition."""
    picture = Image.fromarray(thing.astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(6, 10)))
    return _into(empty, np.asarray(picture, float), inside)


def _half(thing, empty, other, inside, rng) -> np.ndarray:
    """Less than half of the thing; the rest is a blob or the place."""
    rest = _blob(thing, empty, other, inside, rng) if rng.random() < 0.5 else empty
    return np.where(_side(inside, rng.uniform(0.2, 0.42), rng), thing, rest)


def _mixed(thing, empty, other, inside, rng) -> np.ndarray:
    """Two things in one: across each other, or side by side."""
    if rng.random() < 0.5:
        share = rng.uniform(0.4, 0.6)
        return _into(empty, share * thing + (1 - share) * other, inside)
    return _into(empty, np.where(_side(inside, rng.uniform(0.42, 0.58), rng), thing, other), inside)


def _ghost(thing, empty, other, inside, rng) -> np.ndarray:
    """What shows through of a thing that was not wholly replaced."""
    share = rng.uniform(0.12, 0.42)
    return share * thing + (1 - share) * empty


def _shuffled(thing, empty, other, inside, rng) -> np.ndarray:
    """The thing's parts in a wrong order."""
    side = int(rng.choice((8, 16)))
    across = thing.shape[0] // side
    tiles = thing.reshape(across, side, across, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    tiles = rng.permutation(tiles).reshape(across, across, side, side, 3)
    return _into(empty, tiles.swapaxes(1, 2).reshape(thing.shape), inside)


KINDS: tuple[Make, ...] = (_empty, _flat, _blob, _blurred, _half, _mixed, _ghost, _shuffled)


def _into(empty: np.ndarray, picture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return inside * picture + (1 - inside) * empty


def _palette(thing: np.ndarray, inside: np.ndarray, rng: np.random.Generator, count: int = 1) -> np.ndarray:
    """Colours of the thing, (count, 3)."""
    colours = thing[inside[..., 0] > 0.5]
    return colours[rng.integers(len(colours), size=count)] if len(colours) else rng.uniform(0, 255, (count, 3))


def _side(inside: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """One side of the region, with this share of it, in a random direction: (S, S, 1) bool."""
    y, x = np.mgrid[: inside.shape[0], : inside.shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    along = (x * np.cos(angle) + y * np.sin(angle))[..., None]
    within = along[inside > 0.5]
    return along < np.quantile(within, share) if len(within) else along < 0
