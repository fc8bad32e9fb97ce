"""Seed Regions: a picture of each new thing, drawn alone by the model or the user's own, laid along its region's track."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Need
from ..comfyui.finite import require_colours
from ..comfyui.progress import Notes, counter
from ..comfyui.validate import require_family, require_text
from ..core.choices import Choice
from ..core.regions import Regions, frame_masks
from ..features.base import REGION_MASK
from ..masks.body_motion import bending, rigid
from ..masks.grabcut import in_bytes
from ..masks.laying import along, bared, cut_from, inside, whole, widened
from ..masks.region_track import track
from ..masks.solid import is_ground, masks_of
from ..views.spotlight import spotlight
from .draw_things import NODE, Painter, Thing, clearest, drawn, named, side_of
from .look import require_uncached

Own = Mapping[int, tuple[Tensor, Tensor | None]]  # a region's number -> an IMAGE, and a MASK of the thing in it


class Seeded(NamedTuple):
    """The clip with things laid in, (F, H, W, 3) float; where it was changed, (F, H, W) bool; the things' pictures."""

    frames: Tensor
    changed: Tensor
    pictures: Tensor


def changing(regions: Regions, leave_out: str) -> list[int]:
    """The numbers, from 1, of the regions that get a thing: those with a new phrase, but places beside them and what is left out.

    leave_out: phrases or numbers, with commas. Raises ValueError for one that is no region's, and where no region remains.
    """
    left = _left_out(regions, leave_out)
    kept = [n for n, region in enumerate(regions, 1) if region.phrase and not region.kept and n not in left]
    if not kept:
        raise ValueError(
            f"{NODE} has nothing to draw: each of its `regions` has no phrase, keeps its words or is named in `leave_out`. Give one "
            "a phrase, or take one out of `leave_out`."
        )
    things = [n for n in kept if not is_ground(frame_masks(regions[n - 1].mask))] or kept  # alone, it is a close view
    for n in things:
        if regions[n - 1].empty:
            raise ValueError(
                f"{NODE} has no place for region {n} {regions[n - 1].name}: no pixel of its mask is above 0.5 in any frame. Connect the "
                "mask of the old thing, or name the region in `leave_out`."
            )
    return things


def _left_out(regions: Regions, leave_out: str) -> set[int]:
    left, text = set(), " ".join(leave_out.lower().split())
    for n, region in sorted(enumerate(regions, 1), key=lambda each: -len(each[1].phrase)):
        words = " ".join(region.phrase.lower().split())
        if words and "," in words and words in text:  # commas of its own
            left, text = left | {n}, text.replace(words, "")
    for name in filter(None, (part.strip() for part in text.split(","))):
        found = {n for n, region in enumerate(regions, 1) if name in (" ".join(region.phrase.lower().split()), str(n))}
        if not found:
            known = ", ".join(f"{n} {region.name}" for n, region in enumerate(regions, 1))
            raise ValueError(
                f"{NODE}' `leave_out` names “{name}”, but its `regions` are {known}. Write one of these numbers or phrases."
            )
        left |= found
    return left


class Fit(Choice):
    """How a new thing takes the old one's place."""

    WHOLE = "whole"
    INSIDE = "inside the region"


class Placing(NamedTuple):
    """How things are laid in.

    bend: whether they bend as the old ones do, or move as wholes. size: of WHOLE things, in sizes of the old ones. fill:
    whether what they leave bare of the old ones gives way to the ground around.
    """

    fit: Fit = Fit.WHOLE
    bend: bool = True
    size: float = 1.0
    fill: bool = True


def seed_regions(
    painter: Painter, frames: Tensor, regions: Regions, numbers: Sequence[int], own: Own, placing: Placing
) -> Seeded:
    """Lays a thing into some regions of a clip (F, H, W, 3).

    Args: numbers of these regions, from 1; own, pictures in place of drawings.
    Raises ValueError for a MODEL that cannot be looked into, and where a thing is not found in its pictures.
    """
    require_family(painter.model, NODE, Need.FRAME_BATCH)
    require_uncached(painter.model, f"{NODE}'s")
    for name, pictures in (("frames", frames), *((f"picture_{n}", picture) for n, (picture, _) in own.items())):
        require_colours(pictures, f"{NODE}' `{name}`", "Connect another picture, or run that node anew.")
    _check(own, numbers)
    for n in numbers:
        named(painter, regions[n - 1].phrase)
        texts = (text for text, _ in painter.encoded(painter.words(regions[n - 1].phrase)))
        require_text(painter.model, texts, f"What {NODE}' `clip` encodes")
    masks = masks_of(regions, frames, f"{NODE}'", REGION_MASK).numpy()
    notes, side = Notes(), side_of(tuple(frames.shape[1:3]))
    things = {n: _thing(painter, n, regions[n - 1].phrase, side, own.get(n), notes) for n in numbers}
    found, changed = _laid(in_bytes(frames), masks, things, placing, _laying(notes, len(frames) * len(things)))
    inside = torch.from_numpy(changed)
    mixed = torch.where(inside[..., None], torch.from_numpy(found).float() / 255, frames[..., :3].cpu().float())
    return Seeded(mixed, inside, torch.cat([_preview(thing, side) for thing in things.values()]))


def _laying(notes: Notes, frames: int) -> Callable[[], None]:
    """Called for each frame and thing: moves the bar, and ends where the user has cancelled."""
    advance = counter(2 * frames)

    def tell() -> None:
        notes.tell("Laying the things in")
        advance()

    return tell


def _laid(
    frames: np.ndarray, masks: np.ndarray, things: Mapping[int, Thing], placing: Placing, tell: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Frames with things on them, by their regions' numbers; and where they were changed, (F, H, W) bool."""
    chosen, found = [n - 1 for n in things], frames.copy()
    places = [k for k, mask in enumerate(masks) if k not in chosen and is_ground(torch.from_numpy(mask))]
    solid = masks.copy()
    solid[places] = False  # a place hides nothing
    changed = solid[chosen].any(0)
    if placing.fill:
        changed = widened(changed, np.delete(solid, chosen, 0).any(0))
        found = bared(frames, changed, solid.any(0))
    for n in sorted(things, key=lambda n: -solid[n - 1].sum()):  # a hat comes onto the bear that it is part of
        tell()
        region = solid[n - 1]
        others = np.delete(solid, n - 1, 0).any(0) & ~region
        way = track(region, others, frames)
        body = bending(frames, region, others, way, tell) if placing.bend else rigid(region, way)
        shape = things[n].shape.numpy()
        if placing.fit == Fit.WHOLE:
            home, room = whole(shape, body.rest, placing.size), ~others
        else:
            home, room = inside(shape, body.rest, others[way.first]), region
        changed = changed | widened(
            along(found, cut_from(in_bytes(things[n].picture), shape), room, body, home, tell), ~room
        )
    return found, changed


def _check(own: Own, numbers: Sequence[int]) -> None:
    if lost := sorted(set(own) - set(numbers)):
        raise ValueError(
            f"{NODE}' `picture_{lost[0]}` is connected, but things are laid into the regions {', '.join(map(str, numbers))} only. "
            "Connect it to the socket with its region's number, or take the region out of `leave_out`."
        )


def _thing(painter: Painter, number: int, phrase: str, side: int, own: tuple | None, notes: Notes) -> Thing:
    if own is None:
        notes.tell(f"Drawing {phrase} for region {number}")
        thing = clearest(painter, phrase, drawn(painter, phrase, side, number, notes), notes)
        cure = "Take another `seed` or more `drawings`, write the phrase another way, or connect a picture of your own"
    else:
        picture, mask = _own(*own, side)
        if mask is not None and mask.any():
            return Thing(picture, mask)
        notes.tell(f"Cutting out {phrase} for region {number}")
        thing = clearest(painter, phrase, picture[None], notes)
        cure = f"Connect its mask to `picture_mask_{number}`"
    if thing is None:
        raise ValueError(f'{NODE} found no "{phrase}" in the pictures for region {number}. {cure}.')
    return thing


def _own(image: Tensor, mask: Tensor | None, side: int) -> tuple[Tensor, Tensor | None]:
    """The first picture of an IMAGE, (h, w, 3), and of its MASK, (h, w) bool; no side is longer than `side` pixels."""
    picture = image[:1, ..., :3].cpu().float()
    share = side / max(picture.shape[1:3])
    size = tuple(max(1, round(length * min(1, share))) for length in picture.shape[1:3])
    small = F.interpolate(picture.movedim(-1, 1), size, mode="bilinear", antialias=True).movedim(1, -1)[0]
    if mask is None:
        return small, None
    return small, F.interpolate(mask.reshape(-1, 1, *mask.shape[-2:])[:1].cpu().float(), size, mode="area")[0, 0] > 0.5


def _preview(thing: Thing, side: int) -> Tensor:
    """The picture, dark outside the thing, in a square: (1, side, side, 3)."""
    shown = spotlight(thing.picture[None], thing.shape[None])
    below, beside = (side - length for length in thing.shape.shape)
    return F.pad(shown, (0, 0, 0, beside, 0, below))
