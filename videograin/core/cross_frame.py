"""Which frames a frame's self-attention sees (full-frame attention, VideoGrain §3.1; Tune-A-Video's sparse form).

Tensors arrive as ComfyUI has them, "(chunk frame) token ...". `queries` and `keys` regroup them so that one attention
call serves every query with its own keys; labels of tokens are regrouped by the same functions.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

ALL, FIRST_PREVIOUS, MIDDLE, OWN = KEY_SETS = ("all frames", "first + previous", "middle", "own")


def queries(x: Tensor, frames: int, key_set: str) -> Tensor:
    """Groups queries: one group per chunk for "all frames", else one per frame."""
    if key_set == ALL:
        return rearrange(x, "(c f) n ... -> c (f n) ...", f=frames)  # frames become one long picture
    return x


def ungroup(x: Tensor, frames: int, key_set: str) -> Tensor:
    """Undoes `queries`: back to "(chunk frame) token ..."."""
    if key_set == ALL:
        return rearrange(x, "c (f n) ... -> (c f) n ...", f=frames)
    return x


def keys(x: Tensor, frames: int, key_set: str) -> Tensor:
    """Collects keys, or values, or their labels, for each group of queries.

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
