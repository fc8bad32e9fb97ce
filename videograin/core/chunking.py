"""Overlapping windows of a long clip: their frames, and the join of their results into one clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """The frames from `start` up to, not including, `stop`."""

    start: int
    stop: int


def windows(frames: int, length: int, overlap: int) -> list[Window]:
    """Windows that cover a clip; each shares `overlap` frames with the next, 0 <= overlap < length.

    The last window starts earlier, to be as long as the others, and so may share more.
    """
    last = max(0, frames - length)
    starts = {min(start, last) for start in range(0, max(1, frames - overlap), length - overlap)}
    return [Window(start, min(frames, start + length)) for start in sorted(starts)]


def borders(found: list[Window]) -> list[int]:
    """The joints between windows: the first frame of each pair of neighbours across which a crossfade runs."""
    return sorted({pair for one, other in pairwise(found) for pair in range(other.start - 1, one.stop)})


def crossfade(before: Tensor, after: Tensor) -> Tensor:
    """The n frames that two windows share, (n, ...): the first window fades into the second in n + 1 even steps."""
    weight = torch.arange(1, len(after) + 1).to(after) / (len(after) + 1)
    return torch.lerp(before.to(after), after, weight.view(-1, *[1] * (after.ndim - 1)))


def joined(found: list[Window], results: Iterable[Tensor]) -> Iterator[Tensor]:
    """The clip in order, yielded as soon as frames are final; only the shared frames of one window are held.

    results: (frames, ...) of each window in turn.
    """
    held = None
    nexts = [window.start for window in found[1:]] + [found[-1].stop]
    for window, following, result in zip(found, nexts, results, strict=True):
        if held is not None and len(held):
            result = torch.cat([crossfade(held, result[: len(held)]), result[len(held) :]])
        yield result[: following - window.start]
        held = result[following - window.start :].clone()
