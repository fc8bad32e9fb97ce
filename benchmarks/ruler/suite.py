"""The benchmark's lively clips: 24 to choose settings on, 36 to judge every row, 120 to judge the finalists.

A clip is fixed by its split, its number and the split's first seed, which may be any: `--seed` of a run takes the place of
the one here, so that the benchmark can be run on clips that nobody has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...videograin.toybox import tasks, world
from ...videograin.toybox.clips import Clip
from ...videograin.toybox.lively import Lively, lively_clip
from ...videograin.toybox.tasks import ALL_TASKS, MATERIAL, PART, SMALL, Task


class Split(NamedTuple):
    count: int  # of clips; each of ALL_TASKS has the same share
    seed: int  # of the first clip
    short: str


SPLITS = {
    "development": Split(24, 1_000_000, "dev"),
    "test": Split(36, 2_000_000, "test"),
    "finalists": Split(120, 3_000_000, "final"),
    "claims": Split(12, 4_000_000, "claim"),  # for each claim of a paper, of its own tasks
}
HELD_OUT = ("test", "finalists")  # show or ask for a pair that training never had


class Case(NamedTuple):
    """One clip and its task; the same case is the same clip on every machine."""

    name: str  # "test-003-swap"
    kind: str  # one of ALL_TASKS
    names: tuple[str, ...]
    place: str
    seed: int  # of the clip, and of the task's words
    staging: Lively


class Example(NamedTuple):
    """The clip of a case, and what to do with it."""

    case: Case
    shot: Clip
    task: Task


def cases(split: str, seed: int | None = None, kinds: Sequence[str] = ALL_TASKS) -> list[Case]:
    """The clips of a split. seed: of the first one, if not the split's own. kinds: tasks, which alternate.

    One clip in three has things that pass each other, one that come nearer, one a moving camera; one in
    four has three things.
    """
    count, first, short = SPLITS[split]
    first = first if seed is None else seed
    found = []
    for number in range(count):
        kind, turn = kinds[number % len(kinds)], number // len(kinds) + number
        found.append(_case(f"{short}-{number:03}-{kind}", kind, turn, first + 1000 * number, split in HELD_OUT))
    return found


def _case(name: str, kind: str, turn: int, seed: int, held_out: bool) -> Case:
    near = turn % 3 == 2 and kind not in (
        SMALL,
        MATERIAL,
    )  # spots on a far thing are finer than the autoencoder's cells
    staging = Lively(turn % 3 == 1, near, 1.5 * (turn % 3 == 0), kind == SMALL)
    never = world.held_out_pairs() | world.held_out_settings()
    for offset in range(1000):  # clips of other cases begin at other thousands
        rng = np.random.default_rng([seed + offset, 5])
        names = tuple(str(word) for word in rng.choice(list(world.OBJECTS), 3 if turn % 4 == 2 else 2, replace=False))
        case = Case(name, kind, names, str(rng.choice(list(world.PLACES))), seed + offset, staging)
        if kind == PART and names[0] not in world.HEADS:
            continue
        shown = together(names, case.place) | together(*asked_for(case))
        if bool(shown & never) == held_out:
            return case
    raise ValueError(f"no clip from seed {seed} suits {name}; take another seed")


def asked_for(case: Case) -> tuple[tuple[str, ...], str]:
    """The names and the place that the edited clip should show, without drawing the clip."""
    names, place = case.names, case.place
    nothing = np.zeros((len(names), 1, 1, 1), bool)
    tracks = tuple((world.Placed(name, 0, 0, 60),) for name in names)
    sketch = Clip(nothing[0], nothing, names, "", place, tracks, np.zeros((1, 2), int), nothing[0])
    task = tasks.task(case.kind, sketch, case.seed)
    changed = tuple(wish.name for wish in task.wishes)
    return tuple(name for name in (*changed, *names[len(changed) :]) if name), task.place


def together(names: Sequence[str], place: str) -> set[tuple[str, str]]:
    """Pairs that can be held out: the first two objects together, and each of them in this place.

    A third object does not count, since no task changes it.
    """
    pair = tuple(sorted(names[:2], key=list(world.OBJECTS).index))
    return {pair, *((name, place) for name in names[:2])}


def example(case: Case, frames: int) -> Example:
    shot = lively_clip(case.names, case.place, frames, case.seed, case.staging)
    return Example(case, shot, tasks.task(case.kind, shot, case.seed))
