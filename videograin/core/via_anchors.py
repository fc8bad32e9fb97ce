"""Anchor frames (VIA's gather and swap): a few frames are edited together, and every other frame attends to them.

Anchors are frames of the batch and see only each other (gather). So they do not depend on the rest of the batch and
need no cache. All other frames see their own key set and the anchors, or the anchors alone (swap); the cost of a frame
then does not grow with the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from .cross_frame import ALL, Visible

CONCAT, SWAP = MODES = ("concat", "swap")
TOGETHER, EARLIER = GATHERS = ("all anchors", "earlier anchors")


class Group(NamedTuple):
    """Frames of one attention call: G sets of `a` query frames, and the `b` key frames of each set.

    looking: (G, a) query frames; seen: (G, b) key frames; lists of frame numbers.
    """

    looking: list[list[int]]
    seen: list[list[int]]


def spread(count: int, frames: int) -> tuple[int, ...]:
    """`count` frames at even distances from the first to the last, ascending; all frames of a shorter clip."""
    return tuple(sorted({round(i * (frames - 1) / max(1, count - 1)) for i in range(count)}))


def groups(frames: int, anchors: Sequence[int], mode: str, gather: str, key_set: str) -> list[Group]:
    """Groups of frames with their key frames; every frame is in exactly one group's `looking`.

    Args: anchors, ascending; mode, one of MODES: "concat" adds the anchors to the frame's key set (VIA Eq. 9), "swap"
    replaces it by them; gather, one of GATHERS: an anchor sees all anchors, or itself and the earlier ones; key_set,
    "own" or "all frames" (which contains the anchors).
    """
    anchors = list(anchors)
    rest = [frame for frame in range(frames) if frame not in anchors]
    found = [Group([anchors], [anchors])]
    if gather == EARLIER:
        found = [Group([[anchor]], [anchors[: i + 1]]) for i, anchor in enumerate(anchors)]
    if not rest:
        return found
    if mode == SWAP or key_set == ALL:
        return [*found, Group([rest], [anchors if mode == SWAP else list(range(frames))])]
    at_once = max(1, frames // (1 + len(anchors)))  # keys are copied: at most as many as the clip has
    parts = (rest[i : i + at_once] for i in range(0, len(rest), at_once))
    return [*found, *(Group([[f] for f in part], [[f, *anchors] for f in part]) for part in parts)]


class AnchoredKeySet(NamedTuple):
    """The key set in force at one attention site with anchors; same methods as `cross_frame.KeySet`."""

    kind: str
    groups: list[Group]

    @property
    def alone(self) -> bool:
        return False

    @property
    def visible(self) -> Visible:
        return visible_frames(self.groups)

    def attend(self, by_query: Sequence[Tensor], by_key: Sequence[Tensor], attend: Callable[..., Tensor]) -> Tensor:
        return attend_groups(self.groups, by_query, by_key, attend)


def visible_frames(found: list[Group]) -> Visible:
    """The frames that each frame sees, in the order of frames."""
    pairs = {
        frame: tuple(seen)
        for group in found
        for looking, seen in zip(group.looking, group.seen, strict=True)
        for frame in looking
    }
    return tuple(pairs[frame] for frame in sorted(pairs))


def attend_groups(
    found: list[Group], queries: Sequence[Tensor], keys: Sequence[Tensor], attend: Callable[..., Tensor]
) -> Tensor:
    """Attention group by group.

    Args: queries, tensors by query (c, f, n, ...), the first with channels d; keys, tensors by key (c, f, m, ...);
    attend takes them all in that order, "(c G) tokens ..." each, and returns "(c G) tokens d".
    Returns (c, f, n, d), like the first of `queries`.
    """
    out = torch.empty_like(queries[0])
    for looking, seen in found:
        part = attend(*(_taken(x, looking) for x in queries), *(_taken(x, seen) for x in keys))
        frames = [frame for row in looking for frame in row]
        out[:, frames] = rearrange(part, "(c g) (a n) d -> c (g a) n d", c=len(out), g=len(looking), n=out.shape[2])
    return out


def _taken(x: Tensor, frames: list[list[int]]) -> Tensor:
    """Tokens of some sets of frames, each set as one long picture: (c, f, n, ...) -> "(c G) (b n) ..."."""
    return rearrange(x[:, torch.tensor(frames, device=x.device)], "c g b n ... -> (c g) (b n) ...")
