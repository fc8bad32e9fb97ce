"""Doubles: masks of different things that cover nearly the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch.nn.functional as F
from torch import Tensor

MOST = 0.8  # of the smaller mask's pixels that two things may share


def doubles(masks: Sequence[Tensor]) -> list[tuple[int, int, float]]:
    """Pairs of masks that share more than MOST of the smaller one: (first, second, share), counted from 0.

    Args: masks, each (frames or 1, H, W), above 0.5 inside.
    """
    found = []
    for (one, first), (other, second) in combinations(enumerate(masks), 2):
        size = tuple(first.shape[-2:])
        inside = first > 0.5, _fitted(second, size) > 0.5
        frames = max(len(part) for part in inside)
        first_area, second_area = (int(part.sum()) * (frames // len(part)) for part in inside)
        share = int((inside[0] & inside[1]).sum()) / max(1, min(first_area, second_area))
        if share > MOST:
            found.append((one, other, share))
    return found


def _fitted(mask: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(mask.shape[-2:]) == size:
        return mask
    return F.interpolate(mask[:, None].float(), size, mode="nearest-exact")[:, 0]
