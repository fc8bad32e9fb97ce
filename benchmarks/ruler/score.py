"""The score of an edit against the drawn truth. Its names are said in benchmarks/RULER.md."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, nan
from typing import NamedTuple

import numpy as np
import torch

from ...videograin.metrics import measures
from ...videograin.toybox import clips
from ...videograin.toybox.clips import Clip
from ...videograin.toybox.tasks import Task, truth
from .crops import crop
from .judges import HEADS, NOTHING, Judges, Reading
from .nearness import distances, limit, other_draws
from .regions import Region, grown, regions, uncovered

VISIBLE = 0.5  # share of a region's largest size that a frame must show to be judged
LEAST = 60  # pixels of it
RING = 6  # pixels around an outline
FINITE = 99.0  # dB, for equal pictures


class Standard(NamedTuple):
    """Everything that an edit of one clip is held against; made once for a clip, from drawings alone."""

    shot: Clip
    task: Task
    truth: Clip
    regions: tuple[Region, ...]
    frames: tuple[tuple[int, ...], ...]  # of each region, that are judged
    limits: tuple[float, ...]  # of each region's distance from the truth
    flicker: float  # of the truth


def standard(shot: Clip, task: Task, restored: Callable[[np.ndarray], np.ndarray], seed: int) -> Standard:
    """The standard of a task on a clip. restored: frames (F, H, W, 3) uint8 after the autoencoder."""
    drawn = truth(shot, task, seed)
    found = regions(shot, task, drawn)
    seen = tuple(_judged(region.outline) for region in found)
    draws = other_draws(drawn, restored, seed)
    limits = tuple(
        limit(drawn.frames, draws, one.outline, list(seen[i])) if seen[i] else 0.0 for i, one in enumerate(found)
    )
    return Standard(shot, task, drawn, found, seen, limits, flicker(drawn, restored(drawn.frames)))


def _judged(outline: np.ndarray) -> tuple[int, ...]:
    sizes = outline.sum((1, 2))
    return tuple(int(f) for f in np.flatnonzero((sizes >= LEAST) & (sizes >= VISIBLE * sizes.max())))


def score(held: Standard, edited: np.ndarray, judges: Judges) -> dict[str, float]:
    """All numbers of one edit, (F, H, W, 3) uint8; NaN where a clip has nothing to count."""
    words, chances, gaps = [], [], []
    for region, frames, far in zip(held.regions, held.frames, held.limits, strict=True):
        reading = judges.read(np.stack([crop(edited[f], region.outline[f]) for f in frames])) if frames else None
        words.append([reading.agree(i, region.wanted, region.asked) for i in range(len(frames))] if reading else [])
        chances.append(reading)
        apart = distances(held.truth.frames, edited, region.outline, list(frames))
        gaps.append(apart / far if frames else apart)
    near = [gap <= 1 for gap in gaps]
    strict = [np.logical_and(a, b) for a, b in zip(words, near, strict=True)]
    changed = [i for i, region in enumerate(held.regions) if region.changes]
    stay = [i for i, region in enumerate(held.regions) if not region.changes]
    together = _union(held, strict, changed)
    return {
        "word": _mean(words, changed),
        "near": _mean(near, changed),
        "gap": _mean(gaps, changed),
        "strict": _mean(strict, changed),
        "union": float(np.mean(together)) if together else nan,
        "union_clip": float(all(together)) if together else nan,
        "kept": _mean(words, stay),
        **_instances(held, chances),
        **_pixels(held, edited),
        "flicker": flicker(held.truth, edited) / held.flicker if held.flicker else nan,
    }


def _mean(values: list, which: list[int]) -> float:
    kept = [value for i in which for value in values[i]]
    return float(np.mean(kept)) if kept else nan


def _union(held: Standard, strict: list[np.ndarray], changed: list[int]) -> list[bool]:
    """Of each frame in which a changed region is judged: all of them are right."""
    by_frame: dict[int, list[bool]] = {}
    for i in changed:
        for frame, right in zip(held.frames[i], strict[i], strict=True):
            by_frame.setdefault(frame, []).append(bool(right))
    return [all(rights) for _, rights in sorted(by_frame.items())]


def _instances(held: Standard, readings: list[Reading | None]) -> dict[str, float]:
    """IA and CIA (MIVE, 2024), with the judges in place of CLIP; Leak, and the share of empty regions.

    IA: the chance of a region's own word. CIA: its own word beats those of all other regions. Leak: another region's word
    wins over all words.
    """
    names, own, beats, leaks, empty = HEADS["name"], [], [], [], []
    wanted = [region.wanted.name for region in held.regions]
    for i, reading in enumerate(readings):
        others = [names.index(word) for word in {*wanted} - {wanted[i]}]
        for chance in reading.chances if reading else ():
            mine, best = chance[names.index(wanted[i])], int(chance.argmax())
            own.append(mine)
            beats.append(all(mine > chance[j] for j in others))
            leaks.append(best in others)
            empty.append(names[best] == NOTHING)
    values = {"ia": own, "cia": beats, "leak": leaks, "empty": empty}
    return {name: float(np.mean(value)) if value else nan for name, value in values.items()}


def _pixels(held: Standard, edited: np.ndarray) -> dict[str, float]:
    """Mean difference from the drawn truth, of 255: in a ring around what changes, on uncovered ground; and the PSNR, in
    dB, of the source outside what may change."""
    gap = np.abs(edited.astype(np.float32) - held.truth.frames).mean(-1)
    inside = np.any([region.outline for region in held.regions if region.changes], 0)
    ring = grown(inside, RING) & ~inside
    bare = uncovered(held.shot, held.truth)
    source, frames = (torch.from_numpy(clip).float() / 255 for clip in (held.shot.frames, edited))
    near = torch.from_numpy(grown(held.task.edited(held.shot) | inside, RING))
    background = measures.background_psnr(source, frames, near[None])
    return {
        "ring": float(gap[ring].mean()) if ring.any() else nan,
        "uncovered": float(gap[bare].mean()) if bare.any() else nan,
        "background": background if isnan(background) else min(FINITE, background),
    }


def flicker(drawn: Clip, frames: np.ndarray) -> float:
    """Change of things along the truth's own motion: the mean warp error inside outlines; 0 without things."""
    flow, still_seen = (torch.from_numpy(part) for part in clips.flow(drawn))
    inside = torch.from_numpy(drawn.masks.any(0)[:-1])
    if not (still_seen & inside).any():
        return 0.0
    pictures = torch.from_numpy(frames).float() / 255
    return float(measures.warp_err(pictures[1:], pictures[:-1], flow, ~(still_seen & inside)).nanmean())
