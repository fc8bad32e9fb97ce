"""Flow-guided attention (FLATTEN §3.3): after dense attention, each token looks along its own motion path."""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

PATHS_AT_ONCE = 8192  # bounds the gathered copies


def along_paths(q: Tensor, k: Tensor, v: Tensor, paths: Tensor, heads: int) -> Tensor:
    """Attention of every token over the tokens of its path; a token alone on its path keeps its value.

    Paths are disjoint, so each is one short sequence of its own: no token is gathered twice.

    Args: q, k, v (clips, F, tokens, heads · d), v the dense attention's output; paths (P, F) from `paths.paths`.
    Returns (clips, F, tokens, heads · d).
    """
    out = v.clone()
    frames = paths.new_tensor(range(paths.shape[1]))
    for part in paths.split(PATHS_AT_ONCE):
        there = part >= 0
        where = frames.expand_as(part), part.clamp(min=0)
        near = (rearrange(x[:, where[0], where[1]], "c p f (h d) -> (c p) h f d", h=heads) for x in (q, k, v))
        mask = there[:, None, None].repeat(len(v), 1, 1, 1)
        seen = rearrange(F.scaled_dot_product_attention(*near, mask), "(c p) h f d -> c p f (h d)", c=len(v))
        out[:, where[0][there], where[1][there]] = seen[:, there]
    return out
