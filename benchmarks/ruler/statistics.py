"""Statistics of the edit benchmark: intervals over clips, many comparisons, seams between chunks."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan, nan, sqrt

import numpy as np
import torch
from torch import Tensor

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


def bootstrapped(differences: Sequence[float], draws: int = 10_000, seed: int = 0) -> tuple[float, float, float, float]:
    """The mean of differences, one per clip, the 95 % percentile interval over clips drawn with replacement, and p.

    p: two-sided, twice the smaller share of draws on the other side of 0, at least 1 / draws. NaN clips are left out.
    """
    values = np.array([value for value in differences if not isnan(value)])
    if len(values) < 2:
        return (float(values.mean()) if len(values) else nan), nan, nan, nan
    means = np.random.default_rng(seed).choice(values, (draws, len(values))).mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    p = 2 * min((means <= 0).mean(), (means >= 0).mean())
    return float(values.mean()), float(low), float(high), float(min(1.0, max(p, 1 / draws)))


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979); NaN stays NaN and does not count."""
    order = sorted((i for i, value in enumerate(p) if not isnan(value)), key=lambda i: p[i])
    found, most = list(p), 0.0
    for rank, i in enumerate(order):
        most = max(most, min(1.0, (len(order) - rank) * p[i]))
        found[i] = most
    return found
