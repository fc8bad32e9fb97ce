"""Doubles: masks of different things that cover nearly the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from torch import Tensor

from ..core.regions import fitted

MOST = 0.8  # of the smaller mask's pixels that two things may share


def doubles(masks: Sequence[Tensor]) -> list[tuple[int, int, float]]:
    """Pairs of masks that share more than MOST of the smaller one: (first, second, share), counted from 0.

    Args: masks, each (frames or 1, H, W), above 0.5 inside.
    """
    found = []
    for (one, first), (other, second) in combinations(enumerate(masks), 2):
        inside = first > 0.5, fitted(second, *first.shape[-2:]) > 0.5
        frames = max(len(part) for part in inside)
        first_area, second_area = (int(part.sum()) * (frames // len(part)) for part in inside)
        share = int((inside[0] & inside[1]).sum()) / max(1, min(first_area, second_area))
        if share > MOST:
            found.append((one, other, share))
    return found
