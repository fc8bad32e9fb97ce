"""The benchmark's clips, fixed by their seeds: twelve to choose the method's settings, twenty-four to judge it.

Each clip has one task. A test clip has a pair of objects, or an object in a place, that training never had: in the
target if the task makes a new pair or puts an object in a new place, else in the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ...videograin.toybox import clips, tasks, world
from ...videograin.toybox.clips import Clip
from ...videograin.toybox.looks import STYLES
from ...videograin.toybox.tasks import TASKS, Task

DEVELOPMENT, TEST = SPLITS = ("development", "test")
COUNTS = {DEVELOPMENT: 12, TEST: 24}
SEEDS = {DEVELOPMENT: 1000, TEST: 2000}  # of the first clip; the others follow
SHORT = {DEVELOPMENT: "dev", TEST: "test"}
TRIES = 20  # sets of new words for a clip before another clip is drawn
HELD_OUT_TARGET = ("instance", "object", "background")  # tasks that make a new pair or setting
TRUE, DILATED, ERODED, SHIFTED, BOXES = SHAPES = ("true", "dilated", "eroded", "shifted", "boxes")
SHIFT = 8  # pixels: one latent cell
PLAIN, SIDES = WORDINGS = ("plain", "sides")


class Case(NamedTuple):
    """One clip and its task; the same case is the same clip on every machine."""

    name: str  # "test-03"
    split: str
    kind: str  # one of TASKS
    names: tuple[str, ...]  # of the objects, left to right
    place: str
    seed: int
    wish_seed: int  # for the task's new words
    crossing: bool
    camera: float


class Example(NamedTuple):
    case: Case
    shot: Clip
    task: Task


class Area(NamedTuple):
    """A part of the clip, and what it should show."""

    phrase: str  # in the target prompt, word for word
    word: str  # what the judge should see: "tiger", "cat hat", "night"
    mask: np.ndarray  # (F, H, W) bool
    changes: bool  # else it should stay the same
    is_place: bool


# ---- choosing ---------------------------------------------------------------------------------------------------------


def cases(split: str) -> list[Case]:
    """The cases: tasks alternate; 1 in 3 has a moving camera, 1 in 3 crossing objects, 1 in 4 three objects."""
    held_out = world.held_out_pairs() | world.held_out_settings()
    return [_case(split, number, held_out) for number in range(COUNTS[split])]


def _case(split: str, number: int, held_out: frozenset[tuple[str, str]]) -> Case:
    kind, turn = TASKS[number % len(TASKS)], number // len(TASKS) + number  # else a task would always have the same
    seed = SEEDS[split] + number
    rng = np.random.default_rng(seed)
    while True:
        names = tuple(str(name) for name in rng.choice(list(world.OBJECTS), 3 if turn % 4 == 2 else 2, replace=False))
        place = str(rng.choice(list(world.PLACES)))
        for wish_seed in range(TRIES * seed, TRIES * (seed + 1)):
            case = Case(
                f"{SHORT[split]}-{number:02}", split, kind, names, place, seed, wish_seed,
                crossing=turn % 3 == 1, camera=1.5 if turn % 3 == 0 else 0.0,
            )  # fmt: skip
            if _suits(case, held_out):
                return case


def _suits(case: Case, held_out: frozenset[tuple[str, str]]) -> bool:
    if case.kind == "part" and case.names[0] not in world.HEADS:
        return False
    source, target = (bool(together(*shown) & held_out) for shown in ((case.names, case.place), target_words(case)))
    if case.split == DEVELOPMENT:
        return not source and not target
    return target if case.kind in HELD_OUT_TARGET else source


def target_words(case: Case) -> tuple[tuple[str, ...], str]:
    """The names and the place that the edited clip should show, without drawing the clip."""
    if case.kind == "part":
        return case.names, case.place
    return words_after(case.kind, case.names, case.place, case.wish_seed)


def words_after(kind: str, names: tuple[str, ...], place: str, seed: int) -> tuple[tuple[str, ...], str]:
    """The names and the place after a task on a clip of these, without drawing one."""
    nothing = np.zeros((len(names), 1, 1, 1), bool)
    tracks = tuple((world.Placed(name, 0, 0, 60),) for name in names)
    sketch = Clip(nothing[0], nothing, names, "", place, tracks, np.zeros((1, 2), int), nothing[0])
    task = tasks.task(kind, sketch, seed)
    changed = tuple(wish.name for wish in task.wishes)
    return tuple(name for name in (*changed, *names[len(changed) :]) if name), task.place


def together(names: Sequence[str], place: str) -> set[tuple[str, str]]:
    """Pairs that can be held out: the first two objects together, and each of them in this place.

    A third object does not count, since no task changes it.
    """
    pair = tuple(sorted(names[:2], key=list(world.OBJECTS).index))
    return {pair, *((name, place) for name in names[:2])}


# ---- drawing ----------------------------------------------------------------------------------------------------------


def example(case: Case, frames: int) -> Example:
    motion = 1.0 if case.camera else 1.5
    shot = clips.clip(case.names, case.place, frames, motion, case.seed, clips.Staging(case.crossing, case.camera))
    return Example(case, shot, tasks.task(case.kind, shot, case.wish_seed))


def ideal(one: Example) -> np.ndarray:
    """The ideal edit, drawn by the toy world itself, (F, H, W, 3) uint8: an upper bound for all methods."""
    return tasks.truth(one.shot, one.task, one.case.seed).frames


# ---- what is asked, and where -----------------------------------------------------------------------------------------


def areas(one: Example, shape: str = TRUE) -> tuple[Area, ...]:
    """The areas: every object, left to right, then the background if it should change; masks of one of SHAPES."""
    shot, task = one.shot, one.task
    found = []
    for k, name in enumerate(shot.names):
        wish = task.wishes[k] if k < len(task.wishes) else None
        word = name if wish is None else f"{wish.name} {wish.worn}".strip()
        mask = shot.masks[k] if wish is None else wish.mask
        found.append(Area(task.phrases[k], word, deform(mask, shape), wish is not None or bool(task.style), False))
    if task.place != shot.place or task.style:
        objects = np.any([area.mask for area in found], 0)
        phrase = STYLES[task.style] if task.style else world.PLACES[task.place]
        found.append(Area(phrase, task.place, ~objects, True, True))
    return tuple(found)


def editable(one: Example, shape: str = TRUE) -> np.ndarray:
    """The area that the task may change, (F, H, W) bool."""
    return np.any([area.mask for area in areas(one, shape) if area.changes], 0)


def deform(mask: np.ndarray, shape: str) -> np.ndarray:
    """A mask (F, H, W) bool as a worse segmenter would draw it: SHIFT pixels too large, too small or off; or a box."""
    if shape == DILATED:
        return grown(mask, SHIFT)
    if shape == ERODED:
        return ~grown(~mask, SHIFT)
    if shape == SHIFTED:
        moved = np.zeros_like(mask)
        moved[:, SHIFT:, SHIFT:] = mask[:, :-SHIFT, :-SHIFT]
        return moved
    if shape == BOXES:
        rows, columns = mask.any(2, keepdims=True), mask.any(1, keepdims=True)
        return _between(rows, 1) & _between(columns, 2)
    return mask


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask (F, H, W) bool, larger by `pixels` on every side."""
    side = 2 * pixels + 1
    return (F.max_pool2d(torch.from_numpy(mask).float(), side, stride=1, padding=side // 2) > 0).numpy()


def _between(lines: np.ndarray, axis: int) -> np.ndarray:
    """True from the first to the last true value along an axis."""
    after = np.logical_or.accumulate(lines, axis)
    before = np.flip(np.logical_or.accumulate(np.flip(lines, axis), axis), axis)
    return after & before


def wordings(one: Example) -> dict[str, str]:
    """The target prompt, plain and with sides named, in the words of the training captions."""
    first, *others = one.task.phrases
    named = f"{first} on the left and {others[-1]} on the right"
    if len(others) == 2:
        named = f"{first} on the left, {others[0]} and {others[1]} on the right"
    return {PLAIN: one.task.prompt, SIDES: f"{named}, {world.PLACES[one.task.place]}"}
