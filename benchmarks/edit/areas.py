"""Areas of an edit: each part of the clip with its phrase and its mask, as a person would hand them to nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...videograin.toybox import world
from ...videograin.toybox.looks import STYLES
from ..ruler.suite import Example


class Area(NamedTuple):
    """A part of the clip, and what it should show."""

    phrase: str  # in the target prompt, word for word
    word: str  # the thing or the place: "tiger", "cat hat", "night"
    mask: np.ndarray  # (F, H, W) bool, in the source
    changes: bool  # else it should stay the same
    is_place: bool


def areas(one: Example) -> tuple[Area, ...]:
    """Every object, left to right, then the background if it should change."""
    shot, task = one.shot, one.task
    found = []
    for k, name in enumerate(shot.names):
        wish = task.wishes[k] if k < len(task.wishes) else None
        word = name if wish is None else f"{wish.name} {wish.worn}".strip()
        mask = shot.masks[k] if wish is None else wish.mask
        found.append(Area(task.phrases[k], word, mask, wish is not None or bool(task.style), False))
    if task.place != shot.place or task.style:
        objects = np.any([area.mask for area in found], 0)
        phrase = STYLES[task.style] if task.style else world.PLACES[task.place]
        found.append(Area(phrase, task.place, ~objects, True, True))
    return tuple(found)


def changed(one: Example) -> tuple[int, ...]:
    """The numbers of the areas that should change."""
    return tuple(number for number, area in enumerate(areas(one)) if area.changes)


def sides_named(one: Example) -> str:
    """The target prompt for methods that have words only: with sides where two things should change."""
    task = one.task
    if sum(bool(wish.track) for wish in task.wishes) < 2:
        return task.prompt
    first, *others = task.phrases
    named = f"{first} on the left and {others[-1]} on the right"
    if len(others) == 2:
        named = f"{first} on the left, {others[0]} and {others[1]} on the right"
    return f"{named}, {world.PLACES[task.place]}"
