"""Statistics of the edit benchmark: the judge's words in regions, seams between chunks, intervals over clips."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan, nan, sqrt

import torch
from torch import Tensor

from ...videograin.metrics.measures import share_of

# A classifier, the judge, names what it sees in each region of each frame.

Seen = Sequence[Sequence[str | None]]  # region × frame: the judge's word; None where the region is out of sight


def edit_acc(seen: Seen, asked: Sequence[str]) -> float:
    """Edit-Acc: share of region-frames in which the region shows its word, 0…1. asked: one word per region."""
    return share_of([word == own for words, own in zip(seen, asked, strict=True) for word in words if word is not None])


def leak(seen: Seen, asked: Sequence[str], others: Sequence[set[str]]) -> float:
    """Leak: share of region-frames in which a region shows the word of another region instead of its own, 0…1.

    asked: one word per region. others: per region, the words of the other regions.
    """
    rows = zip(seen, asked, others, strict=True)
    return share_of(
        [word != own and word in foreign for words, own, foreign in rows for word in words if word is not None]
    )


def kept(seen: Seen, own: Sequence[str]) -> float:
    """Kept: share of object-frames in which an object that should stay is still the same, 0…1.

    seen and own: of the objects that should stay only; own: the word of each.
    """
    return edit_acc(seen, own)


# Chunks.


def seam_ratio(errors: Tensor, borders: Sequence[int]) -> float:
    """Seam ratio of a clip edited in chunks: mean Warp-Err where chunks meet, over its mean elsewhere; 1 for no seam.

    errors (F - 1,), one per pair of frames; borders, the pairs at which chunks meet. Pairs without a value are left out;
    NaN where either side has none, infinite where only borders err.
    """
    at_border = torch.zeros(len(errors), dtype=torch.bool)
    at_border[list(borders)] = True
    there, elsewhere = (float(errors[side].double().nanmean()) for side in (at_border, ~at_border))
    return there / elsewhere if elsewhere else there * inf


# Several clips.


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Student's t interval of the mean, (mean, low, high), n - 1 degrees of freedom; NaN bounds below two values.

    values: one per clip; NaN ones are left out.
    """
    from scipy.stats import t

    values = [value for value in values if not isnan(value)]
    count = len(values)
    if not all(isfinite(value) for value in values):
        return sum(values), nan, nan  # infinite PSNR: its mean is infinite and has no spread
    if count < 2:
        return (values[0] if values else nan), nan, nan
    mean = sum(values) / count
    spread = sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(t.ppf((1 + level) / 2, count - 1)) * spread / sqrt(count)
    return mean, mean - half, mean + half


def paired_interval(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Interval of ours - theirs, clip by clip, as (mean, low, high); t interval as in `mean_interval`.

    A clip that is NaN on either side is left out. Raises ValueError for lists of different lengths.
    """
    return mean_interval([a - b for a, b in zip(ours, theirs, strict=True)], level)
