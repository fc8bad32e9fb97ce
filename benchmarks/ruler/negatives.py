"""Negatives: what is no thing, though it stands where one should. The judges learn them alike, from no edit of any method."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter


class Seen(NamedTuple):
    """What negatives are made from: crops (S, S, 3) float of a thing, of its place without it, and of another thing.

    inside: (S, S, 1) in [0, 1], the region. zoom: pixels of a crop in a pixel of the picture.
    """

    thing: np.ndarray
    empty: np.ndarray
    other: np.ndarray
    inside: np.ndarray
    zoom: float


def negative(
    thing: np.ndarray, empty: np.ndarray, other: np.ndarray, zoom: float, rng: np.random.Generator
) -> np.ndarray:
    """A crop that shows no thing, (S, S, 4) uint8, the region as in `thing`. Args: crops (S, S, 4) uint8, as in Seen."""
    make = KINDS[int(rng.integers(len(KINDS)))]
    colours = (crop[..., :3].astype(float) for crop in (thing, empty, other))
    filled = make(Seen(*colours, thing[..., 3:] / 255.0, zoom), rng)
    return np.concatenate([filled.clip(0, 255).astype(np.uint8), thing[..., 3:]], -1)


def _empty(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """The place alone."""
    return seen.empty


def _flat(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """One colour in the thing's outline."""
    colour = _palette(seen, rng)[0] if rng.random() < 0.6 else rng.uniform(0, 255, 3)
    return _into(seen, colour + rng.normal(0, 4, seen.thing.shape))


def _blob(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """The thing's colours, smoothly, without its parts."""
    cells = int(rng.integers(2, 6))
    colours = _palette(seen, rng, cells * cells).reshape(cells, cells, 3)
    size = seen.thing.shape[1::-1]
    smooth = Image.fromarray(colours.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return _into(seen, np.asarray(smooth, float))


def _blurred(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """The thing, beyond recognition: of a small one the autoencoder itself leaves no sharp picture."""
    radius = rng.uniform(6, 10) * max(1.0, 1.4 * seen.zoom)
    picture = Image.fromarray(seen.thing.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return _into(seen, np.asarray(picture, float))


def _half(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """Less than a third of the thing; the rest is a blob or the place."""
    rest = _blob(seen, rng) if rng.random() < 0.5 else seen.empty
    return np.where(_side(seen, rng.uniform(0.15, 0.33), rng), seen.thing, rest)


def _mixed(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """Two things in one: across each other, or side by side."""
    if rng.random() < 0.5:
        share = rng.uniform(0.4, 0.6)
        return _into(seen, share * seen.thing + (1 - share) * seen.other)
    return _into(seen, np.where(_side(seen, rng.uniform(0.42, 0.58), rng), seen.thing, seen.other))


def _ghost(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """What shows through of a thing that was not wholly replaced."""
    share = rng.uniform(0.12, 0.36)
    return share * seen.thing + (1 - share) * seen.empty


def _shuffled(seen: Seen, rng: np.random.Generator) -> np.ndarray:
    """The thing's parts in a wrong order."""
    side, shape = int(rng.choice((8, 16))), seen.thing.shape
    across = shape[0] // side
    tiles = seen.thing.reshape(across, side, across, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    tiles = rng.permutation(tiles).reshape(across, across, side, side, 3)
    return _into(seen, tiles.swapaxes(1, 2).reshape(shape))


KINDS: tuple[Callable[[Seen, np.random.Generator], np.ndarray], ...] = (
    _empty, _flat, _blob, _blurred, _half, _mixed, _ghost, _shuffled,
)  # fmt: skip


def _into(seen: Seen, picture: np.ndarray) -> np.ndarray:
    return seen.inside * picture + (1 - seen.inside) * seen.empty


def _palette(seen: Seen, rng: np.random.Generator, count: int = 1) -> np.ndarray:
    """Colours of the thing, (count, 3)."""
    colours = seen.thing[seen.inside[..., 0] > 0.5]
    return colours[rng.integers(len(colours), size=count)] if len(colours) else rng.uniform(0, 255, (count, 3))


def _side(seen: Seen, share: float, rng: np.random.Generator) -> np.ndarray:
    """One side of the region, with this share of it, in a random direction: (S, S, 1) bool."""
    y, x = np.mgrid[: seen.inside.shape[0], : seen.inside.shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    along = (x * np.cos(angle) + y * np.sin(angle))[..., None]
    within = along[seen.inside > 0.5]
    return along < np.quantile(within, share) if len(within) else along < 0
