"""Regions of an edit: what each should show, and where the drawn truth shows it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ...videograin.toybox.clips import Clip
from ...videograin.toybox.tasks import Task
from .judges import NOTHING, Answer

ALWAYS = ("name", "worn")
COLOURLESS = ("dark", "sketch")  # styles in which no place can be told from another
WHERE_WANTED = ("material", "style")  # a tree that is called green is still the tree that was asked for


class Region(NamedTuple):
    """A part of the clip.

    outline: (F, H, W) bool, of the thing in the drawn truth; where a thing should go, of the old one.
    """

    wanted: Answer
    asked: tuple[str, ...]
    outline: np.ndarray
    changes: bool


def regions(shot: Clip, task: Task, truth: Clip) -> tuple[Region, ...]:
    """Every thing of the clip, left to right, then the ground if it should change."""
    found, outlines = [], list(truth.masks)
    for k, track in enumerate(shot.tracks):
        wish = task.wishes[k] if k < len(task.wishes) else None
        if wish is not None and not wish.track:
            found.append(Region(Answer(NOTHING), ("name",), shot.masks[k] & ~truth.masks.any(0), True))
            continue
        thing = (track if wish is None else wish.track)[0]
        wanted = Answer(thing.name, thing.worn, thing.material, thing.style or task.style)
        found.append(Region(wanted, asked_of(wanted), outlines.pop(0), wish is not None or bool(task.style)))
    if task.place != shot.place or task.style:
        ground = ~shot.masks.any(0) & ~truth.masks.any(0)
        wanted = Answer(task.place, style=task.style)
        asked = ("style",) if task.style in COLOURLESS else ("name", *asked_of(wanted)[len(ALWAYS) :])
        found.append(Region(wanted, asked, ground, True))
    return tuple(found)


def asked_of(wanted: Answer) -> tuple[str, ...]:
    """What the judges must agree on."""
    return (*ALWAYS, *(what for what in WHERE_WANTED if getattr(wanted, what)))


def uncovered(shot: Clip, truth: Clip) -> np.ndarray:
    """Ground that the old things covered and the new ones do not, (F, H, W) bool."""
    return shot.masks.any(0) & ~truth.masks.any(0)


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask (F, H, W) bool, larger by `pixels` on every side."""
    side = 2 * pixels + 1
    return (F.max_pool2d(torch.from_numpy(mask).float(), side, stride=1, padding=side // 2) > 0).numpy()
