"""Tasks: edits of a clip of the toy world, where they may act, and the clip as it should come out."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .clips import MARGIN, Clip, film
from .light import LIGHTS, shadow
from .looks import MATERIALS, STYLES, recolours
from .world import (
    ACCESSORIES,
    OBJECTS,
    PLACES,
    SIZE,
    Placed,
    accessory,
    caption,
    draw_background,
    require_head,
    sprites,
)

INSTANCE, CLASS, PART, BACKGROUND, OBJECT, SWAP = TASKS = ("instance", "class", "part", "background", "object", "swap")
BIGGER, SMALLER, REMOVE, SMALL, MATERIAL, STYLE = LIVELY_TASKS = (
    "bigger", "smaller", "remove", "small", "material", "style",
)  # fmt: skip
ALL_TASKS = (*TASKS, *LIVELY_TASKS)
LARGE = ("bus", "truck", "firetruck", "tractor", "tree", "rocket", "unicorn", "cow")
LITTLE = ("apple", "mushroom", "chick", "frog", "rabbit", "owl", "penguin", "pumpkin", "sunflower")
GROWTH = {BIGGER: 1.5, SMALLER: 0.6}  # task -> size of the new thing, in sizes of the old one


class Wish(NamedTuple):
    """The wish for one region: what it should show."""

    phrase: str
    mask: np.ndarray  # (F, H, W) bool, where
    track: tuple[Placed, ...]  # the thing in each frame as it should be; empty where none should be left

    @property
    def name(self) -> str:
        """The object, one of OBJECTS, or ""."""
        return self.track[0].name if self.track else ""

    @property
    def worn(self) -> str:
        """What it wears, one of ACCESSORIES, or ""."""
        return self.track[0].worn if self.track else ""


class Task(NamedTuple):
    """An edit of a clip: regions to change, objects to keep, and the caption of the result."""

    kind: str
    prompt: str
    place: str  # what the background should show
    phrases: tuple[str, ...]  # what each object of the clip should be, changed or not
    wishes: tuple[Wish, ...]
    kept: tuple[int, ...]  # objects of the clip that should stay the same
    style: str = ""  # of the whole picture

    def edited(self, shot: Clip) -> np.ndarray:
        """The area that the edit may change, (F, H, W) bool; for another place, everything but the objects."""
        if self.kind == BACKGROUND:
            return ~shot.masks.any(0)
        if self.style:
            return np.ones_like(shot.masks[0])
        return np.any([wish.mask for wish in self.wishes], 0)


def task(kind: str, shot: Clip, seed: int = 0) -> Task:
    """One of ALL_TASKS on a clip of at least two objects; its new words are random, none that the clip already shows.

    instance: the first two become two other things. class: both become the same thing. part: the first wears an
    accessory, or another one. background: another place. object, small: the first becomes another thing, the second
    stays. swap: each becomes the other, with its accessory. bigger, smaller: the first becomes a thing of another size.
    remove: the first goes. material: the first is made of something. style: the first thing, or the whole picture, is
    drawn in a style. A third object always stays.
    Raises ValueError for another kind, `part` if the first object can wear nothing, and `swap` of equal objects.
    """
    if kind not in ALL_TASKS:
        raise ValueError(f"the task is {kind!r}; it must be one of {', '.join(ALL_TASKS)}")
    return CHANGES[kind](shot, kind, np.random.default_rng([seed, ALL_TASKS.index(kind)]))


def truth(shot: Clip, wanted: Task, seed: int = 0) -> Clip:
    """The clip as the edit should come out, drawn: new things move, bend, are lit and hidden as the old ones were.

    seed: of the background's pattern, where the place changes.
    """
    wide = shot.wide
    if wanted.place != shot.place:
        wide = draw_background(wanted.place, (SIZE + 2 * MARGIN,) * 2, np.random.default_rng(seed))
    tracks = [*(wish.track for wish in wanted.wishes), *shot.tracks[len(wanted.wishes) :]]
    light = shot.light and LIGHTS[wanted.place]
    return film(wide, wanted.place, [track for track in tracks if track], shot.camera, light, wanted.style)


def _instance(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    first, second = _spare(shot, rng)[:2]
    return _task(kind, shot, {0: {"name": first, "worn": ""}, 1: {"name": second, "worn": ""}})


def _class(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    both = {"name": _spare(shot, rng)[0], "worn": ""}
    return _task(kind, shot, {0: both, 1: both})


def _part(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    _spare(shot, rng)
    require_head(shot.names[0])
    others = [worn for worn in ACCESSORIES if worn != shot.tracks[0][0].worn]
    return _task(kind, shot, {0: {"worn": str(rng.choice(others))}})


def _background(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    _spare(shot, rng)
    return _task(kind, shot, {}, str(rng.choice([place for place in PLACES if place != shot.place])))


def _object(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    return _task(kind, shot, {0: {"name": _spare(shot, rng)[0], "worn": ""}})


def _swap(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    left, right = (track[0] for track in shot.tracks[:2])
    if left.noun == right.noun:
        raise ValueError(
            f"the task “swap” of {left.noun} and {right.noun} would change nothing; as `right` choose something else "
            f"than {left.noun}, or take another `task`"
        )
    return _task(kind, shot, {0: {"name": right.name, "worn": right.worn}, 1: {"name": left.name, "worn": left.worn}})


def _other_size(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    fitting = [name for name in _spare(shot, rng) if name in (LARGE if kind == BIGGER else LITTLE)]
    return _task(kind, shot, {0: {"name": fitting[0], "worn": ""}})


def _remove(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    mask = shot.masks[0]
    if shot.light is not None:  # its shadow goes with it
        dark = np.stack([shadow(thing, mask.shape[1:], shot.light) > 0 for thing in shot.tracks[0]])
        mask = mask | (dark & ~shot.masks[1:].any(0))
    phrase, *others = PLACES[shot.place], *(track[0].noun for track in shot.tracks[1:])
    kept = tuple(range(1, len(shot.tracks)))
    return Task(kind, caption(others, shot.place), shot.place, (phrase, *others), (Wish(phrase, mask, ()),), kept)


def _material(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    glyph = np.asarray(sprites().glyphs[shot.names[0]])
    return _task(kind, shot, {0: {"material": str(rng.choice([one for one in MATERIALS if recolours(one, glyph)]))}})


def _style(shot: Clip, kind: str, rng: np.random.Generator) -> Task:
    unseen = ("dark", "flat") if shot.place == "night" else ()  # few colours are left there, and no edges to ink
    style = str(rng.choice([style for style in STYLES if style not in unseen]))
    if rng.random() < 0.5:
        return _task(kind, shot, {0: {"style": style}})
    plain = _task(kind, shot, {})
    return plain._replace(prompt=f"{plain.prompt}, {STYLES[style]}", style=style)


CHANGES: dict[str, Callable[[Clip, str, np.random.Generator], Task]] = {
    INSTANCE: _instance, CLASS: _class, PART: _part, BACKGROUND: _background, OBJECT: _object, SWAP: _swap,
    BIGGER: _other_size, SMALLER: _other_size, REMOVE: _remove, SMALL: _object, MATERIAL: _material, STYLE: _style,
}  # fmt: skip


def _spare(shot: Clip, rng: np.random.Generator) -> list[str]:
    """Objects that the clip does not show, in random order."""
    return [str(name) for name in rng.permutation([name for name in OBJECTS if name not in shot.names])]


def _task(kind: str, shot: Clip, changes: dict[int, dict[str, str]], place: str = "") -> Task:
    nouns = [track[0].noun for track in shot.tracks]
    wishes = []
    for k, change in changes.items():
        track = tuple(_grown(thing._replace(**change), GROWTH.get(kind, 1.0)) for thing in shot.tracks[k])
        nouns[k] = track[0].noun
        wishes.append(Wish(nouns[k], _room(shot, k, track, kind), track))
    place = place or shot.place
    kept = tuple(range(len(changes), len(shot.tracks)))
    return Task(kind, caption(nouns, place), place, tuple(nouns), tuple(wishes), kept)


def _grown(thing: Placed, growth: float) -> Placed:
    """The thing in another size, on the same ground, inside the frame."""
    if growth == 1.0:
        return thing
    size = min(growth * thing.size, 0.9 * SIZE)
    low, high = 0.52 * size, SIZE - 0.52 * size
    y = thing.y + 0.5 * (thing.size - size)
    return thing._replace(x=float(np.clip(thing.x, low, high)), y=float(np.clip(y, low, high)), size=size)


def _room(shot: Clip, k: int, track: tuple[Placed, ...], kind: str) -> np.ndarray:
    """Where object k may change, (F, H, W) bool: its outline, and room for what it wears or for a bigger thing."""
    mask = shot.masks[k]
    if track[0].worn:
        mask = mask | _accessories(shot, k, track)
    if kind == BIGGER:  # the box that a person would drag
        y, x = np.mgrid[: mask.shape[1], : mask.shape[2]] + 0.5
        box = [np.maximum(abs(x - thing.x), abs(y - thing.y)) < 0.52 * thing.size for thing in track]
        mask = mask | (np.stack(box) & ~np.delete(shot.masks, k, 0).any(0))
    return mask


def _accessories(shot: Clip, k: int, track: tuple[Placed, ...]) -> np.ndarray:
    """The pixels of the accessory if object k became this, (F, H, W) bool; other objects may hide it."""
    art, size = sprites(), shot.frames.shape[2:0:-1]
    where = np.stack([accessory(thing, size, art) for thing in track])
    return where & ~np.delete(shot.masks, k, 0).any(0)
