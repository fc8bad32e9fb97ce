"""Key sets: the frames that a frame's self-attention sees (VideoGrain §3.1; Tune-A-Video's sparse form).

Tensors arrive as ComfyUI has them, "(cond frame) token ...". `queries` and `keys` regroup them so that one attention
call gives every query its own keys; token labels are regrouped by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

ALL, FIRST_PREVIOUS, MIDDLE, OWN = KEY_SETS = ("all frames", "first + previous", "middle", "own")
LEVELS = (1, 2, 4, 8)  # an attention level is the latent's grid divided by one of these
Visible = tuple[tuple[int, ...], ...]  # the frames that each frame sees


@dataclass(frozen=True)
class KeySets:
    """The key set of each attention level.

    default: one of KEY_SETS. exceptions: ((level, key set), ...) for levels that differ. clip_norm: GroupNorm outside
    transformer blocks takes its statistics over all frames of a clip.
    """

    default: str = OWN
    exceptions: tuple[tuple[int, str], ...] = ()
    clip_norm: bool = False

    def at(self, level: int) -> str:
        return dict(self.exceptions).get(level, self.default)

    def describe(self) -> str:
        """The key sets as text, for comparison: equal texts mean equal key sets."""
        kinds = [self.at(level) for level in LEVELS]
        norm = ", clip-wide GroupNorm" if self.clip_norm else ""
        if len(set(kinds)) == 1:
            return kinds[0] + norm
        return ", ".join(f"{kind} at 1/{level}" for level, kind in zip(LEVELS, kinds, strict=True)) + norm


class KeySet(NamedTuple):
    """The key set in force at one attention site, for clips of `frames` frames."""

    kind: str
    frames: int

    @property
    def alone(self) -> bool:
        """Whether each frame sees only itself."""
        return self.kind == OWN or self.frames == 1

    @property
    def visible(self) -> Visible | None:
        """The frames that each frame sees; None where `kind` says it."""
        return None

    def attend(self, by_query: Sequence[Tensor], by_key: Sequence[Tensor], attend: Callable[..., Tensor]) -> Tensor:
        """Attention over this key set.

        Args: by_query (c, f, n, ...) and by_key (c, f, m, ...), tensors and token labels; attend takes them all in
        that order, "group token ..." each, and returns "group token d". Returns (c, f, n, d).
        """
        looking = (queries(rearrange(x, "c f ... -> (c f) ..."), self.frames, self.kind) for x in by_query)
        seen = (keys(rearrange(x, "c f ... -> (c f) ..."), self.frames, self.kind) for x in by_key)
        out = ungroup(attend(*looking, *seen), self.frames, self.kind)
        return rearrange(out, "(c f) n d -> c f n d", f=self.frames)


def queries(x: Tensor, frames: int, key_set: str) -> Tensor:
    """Queries in groups: one group per cond for "all frames", else one per frame."""
    if key_set == ALL:
        return rearrange(x, "(c f) n ... -> c (f n) ...", f=frames)  # frames become one long picture
    return x


def ungroup(x: Tensor, frames: int, key_set: str) -> Tensor:
    """The inverse of `queries`: back to "(cond frame) token ..."."""
    if key_set == ALL:
        return rearrange(x, "c (f n) ... -> (c f) n ...", f=frames)
    return x


def keys(x: Tensor, frames: int, key_set: str) -> Tensor:
    """Keys, values or their labels for each group of queries.

    "first + previous" gives frame i the tokens of frame 0 and of frame i - 1 (frame 0 sees itself twice);
    "middle" gives every frame the tokens of frame floor(frames / 2).
    """
    if key_set == ALL:
        return rearrange(x, "(c f) m ... -> c (f m) ...", f=frames)
    if key_set == OWN:
        return x
    x = rearrange(x, "(c f) m ... -> c f m ...", f=frames)
    if key_set == MIDDLE:
        return rearrange(x[:, frames // 2].unsqueeze(1).expand_as(x), "c f m ... -> (c f) m ...")
    previous = torch.arange(frames, device=x.device).sub(1).clamp(min=0)
    pair = torch.cat([x[:, :1].expand_as(x), x[:, previous]], dim=2)
    return rearrange(pair, "c f m ... -> (c f) m ...")
