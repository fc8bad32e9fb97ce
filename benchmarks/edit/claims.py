"""Claims of the papers whose methods are nodes here: each on its own task, against the same without it.

A claim is reproduced if the interval of the difference lies on the claimed side of 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...videograin.toybox.judge import CELL, WORDS, Judge
from ...videograin.toybox.tasks import BACKGROUND, CLASS, INSTANCE, MATERIAL, OBJECT, PART, STYLE, SWAP
from ..ruler.score import Standard

SEEN = 6  # cells of a thing, at least, to count as seen
PLACED = (INSTANCE, OBJECT, SWAP)  # tasks in which two different things have their places


class Claim(NamedTuple):
    """row minus against in `measure`, on clips of `kinds`, should be above 0 (sign 1) or below (-1).

    before: the measure of `against`, if another one.
    """

    says: str
    kinds: tuple[str, ...]
    row: str
    against: str
    measure: str
    sign: int = 1
    frames: int = 0  # of its clips, if not the run's
    before: str = ""


CLAIMS = {
    "fatezero-style": Claim(
        "FateZero: fusion keeps the shape of things in edits of style", (STYLE,), "fatezero-style", "middle", "near"
    ),
    "fatezero-attribute": Claim(
        "FateZero: fusion keeps all else in edits of attributes", (MATERIAL, PART), "fatezero-attribute", "middle", "background"
    ),
    "fatezero-shape": Claim(
        "FateZero: fusion outside the old words keeps all else in edits of shape", (OBJECT, CLASS), "fatezero-shape", "middle",
        "background",
    ),
    "reatco-place": Claim(
        "ReAtCo: Place Objects brings things to their places (VISOR)", PLACED, "reatco-place", "noise", "relation"
    ),
    "regions-place": Claim(
        "VideoGrain: regions bring things to their places (VISOR)", PLACED, "regions-noise", "noise", "relation"
    ),
    "reatco-irjs": Claim(
        "ReAtCo: IRJS leaves no border around the edit", (OBJECT, CLASS), "reatco-irjs", "unpasted", "ring", -1
    ),
    "via-anchors": Claim(
        "VIA: anchors keep a long clip from drifting", (OBJECT, BACKGROUND), "via-anchors", "per-frame", "drift", -1, 300
    ),
    "via-adapted": Claim(
        "VIA: learning the first frame of an edit makes the rest alike", (OBJECT, CLASS), "via-adapted", "regions", "word"
    ),
    "videograin-joint": Claim(
        "VideoGrain: all regions at once are better than one after the other", (INSTANCE, SWAP), "regions", "passes", "word"
    ),
    "videograin-depth": Claim(
        "VideoGrain: a ControlNet for depth helps to keep what is there", (MATERIAL, CLASS), "depth", "regions", "word"
    ),
    "videograin-mass": Claim(
        "VideoGrain: a phrase's attention lies in its region (Fig. 7)", (INSTANCE, SWAP), "unblended", "unblended", "attn_in",
        before="attn_in_before",
    ),
}  # fmt: skip


def relation(held: Standard, edited: np.ndarray, judge: Judge) -> float:
    """Share of frames that show the first two things, left to right as in the drawn truth (VISOR, Gokhale et al. 2022).

    edited: (F, H, W, 3) uint8. The demo's judge is the detector. NaN where the two are the same.
    """
    first, second = (region.wanted.name for region in held.regions[:2])
    if first == second:
        return float("nan")
    words = judge.read(edited).cells.argmax(1)  # (F, H/4, W/4)
    right = []
    for f, cells in enumerate(words):
        there = [(cells == WORDS.index(name)).nonzero()[:, 1].float() for name in (first, second)]
        drawn = [np.argwhere(region.outline[f])[:, 1] / CELL for region in held.regions[:2]]
        if all(len(part) for part in drawn):
            seen = all(len(part) >= SEEN for part in there)
            right.append(seen and (there[0].mean() < there[1].mean()) == (drawn[0].mean() < drawn[1].mean()))
    return float(np.mean(right)) if right else float("nan")


def drift(held: Standard, edited: np.ndarray) -> float:
    """How far the mean colour inside what changes wanders from the drawn truth's over the clip: deviation, of 255."""
    spread = []
    for region in (region for region in held.regions if region.changes):
        seen = [f for f in range(len(edited)) if region.outline[f].any()]
        gaps = [edited[f][region.outline[f]].mean(0) - held.truth.frames[f][region.outline[f]].mean(0) for f in seen]
        spread.append(np.std(gaps, 0).mean())
    return float(np.mean(spread)) if spread else float("nan")
