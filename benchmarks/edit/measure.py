"""Measures of one edited clip: the judge's words, pixels, motion. Statistics over clips are in report.py."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...videograin.metrics import measures
from ...videograin.toybox import clips
from ...videograin.toybox.judge import Judge, Reading
from . import statistics, suite
from .lpips import Lpips
from .suite import Area, Example

VISIBLE = 0.5  # share of an area's largest size that a frame must show; below it the judge misnames even the source
THERE = 0.25  # least share of a region's cells that show its object, else the region is empty; drawings are far above
NOTHING = "nothing"  # the word for an empty region
FINITE = 99.0  # dB, for equal pictures

Seen = list[list[str | None]]  # area × frame


def measure(one: Example, edited: np.ndarray, judge: Judge, lpips: Lpips | None) -> dict[str, Any]:
    """All numbers of one edit. edited: (F, H, W, 3) uint8.

    In the result, `asked` is each area's word and whether it changes; `seen`, area × frame, the judge's word.
    """
    areas, reading = suite.areas(one), judge.read(edited)
    seen = words_seen(areas, reading)
    source, frames = (torch.from_numpy(clip).float() / 255 for clip in (one.shot.frames, edited))
    where = torch.from_numpy(suite.editable(one))
    masked, unmasked = warp_errors(one, frames)
    judged = judged_words(areas, seen)
    return {
        **judged,
        "background_psnr": min(FINITE, measures.background_psnr(source, frames, where[None])),
        "background_lpips": lpips(source, torch.where(where[..., None], source, frames)) if lpips else nan,
        "embed_f": measures.clip_f(reading.embedding),
        "embed_pairs": measures.frame_consistency(reading.embedding),
        "warp_err": masked,
        "warp_err_unmasked": unmasked,
        "q_edit_acc": measures.q_edit(100 * judged["edit_acc"], masked),
        "asked": [(area.word, area.changes) for area in areas],
        "seen": seen,
    }


def words_seen(areas: tuple[Area, ...], reading: Reading) -> Seen:
    """The judge's word for each area and frame, None where too little of the area shows.

    An accessory is part of the word only where one was asked for.
    """
    dressed = any(" " in area.word for area in areas)
    return [[_word(area, reading, frame, dressed) for frame in range(len(area.mask))] for area in areas]


def _word(area: Area, reading: Reading, frame: int, dressed: bool) -> str | None:
    mask, largest = area.mask[frame], area.mask.sum((1, 2)).max()
    if not mask.any() or mask.sum() < VISIBLE * largest:
        return None
    if area.is_place:
        return reading.place(frame, mask)
    found = reading.region(frame, mask)
    if found.certainty < THERE:  # the judge names an object even for bare snow
        return NOTHING
    return f"{found.name} {found.worn}".strip() if dressed else found.name


def judged_words(areas: tuple[Area, ...], seen: Seen) -> dict[str, float]:
    """Edit-Acc over areas that change, Kept over objects that do not, Leak and share of empty over all objects."""
    both = list(zip(areas, seen, strict=True))
    changed = [(words, area.word) for area, words in both if area.changes]
    stay = [(words, area.word) for area, words in both if not area.changes]
    objects = [(words, area.word) for area, words in both if not area.is_place]
    shown = [word for words, _ in objects for word in words if word is not None]
    others = [{word for j, (_, word) in enumerate(objects) if j != i} for i in range(len(objects))]
    return {
        "edit_acc": statistics.edit_acc(*_unzipped(changed)),
        "kept": statistics.kept(*_unzipped(stay)) if stay else nan,
        "leak": statistics.leak(*_unzipped(objects), others),
        "empty": shown.count(NOTHING) / len(shown) if shown else nan,
    }


def _unzipped(rows: list[tuple[list[str | None], str]]) -> tuple[Seen, list[str]]:
    return [words for words, _ in rows], [word for _, word in rows]


def warp_errors(one: Example, frames: Tensor) -> tuple[float, float]:
    """Warp-Err with the clip's true flow, over the points still visible in the next frame, and over all points.

    The true flow is forward, so each next frame is warped back onto the one before.
    """
    flow, still_seen = (torch.from_numpy(part) for part in clips.flow(one.shot))
    pair = frames[1:], frames[:-1], flow
    return tuple(float(measures.warp_err(*pair, hidden).mean()) for hidden in (~still_seen, None))
