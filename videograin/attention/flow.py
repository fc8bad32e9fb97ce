"""Flow-guided attention (FLATTEN §3.3): after dense attention, each token looks along its own motion path."""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

PATHS_AT_ONCE = 2048  # bounds the gathered copies, and how unlike the lengths are that are padded to one


def along_paths(q: Tensor, k: Tensor, v: Tensor, paths: Tensor, heads: int) -> Tensor:
    """Attention of every token over the tokens of its path; a token alone on its path keeps its value.

    Paths are disjoint, so each is one short sequence of its own: no token is gathered twice. Those of like length, which
    stand side by side, are worked on together and padded to the longest of them only.

    Args: q, k, v (clips, F, tokens, heads · d), v the dense attention's output; paths (P, F) from `paths.paths`.
    Returns (clips, F, tokens, heads · d).
    """
    out = v.clone()
    for part in paths.split(PATHS_AT_ONCE):
        present = part >= 0
        longest = int(present.sum(1).max()) if len(part) else 0
        if not longest:  # none at all, or none within a window of the clip
            continue
        frames = present.int().argsort(dim=1, descending=True, stable=True)[:, :longest]  # a path's own, in their order
        tokens = part.gather(1, frames)
        there, where = tokens >= 0, (frames, tokens.clamp(min=0))
        near = (rearrange(x[:, where[0], where[1]], "c p f (h d) -> (c p) h f d", h=heads) for x in (q, k, v))
        mask = there[:, None, None].repeat(len(v), 1, 1, 1)
        seen = rearrange(F.scaled_dot_product_attention(*near, mask), "(c p) h f d -> c p f (h d)", c=len(v))
        out[:, where[0][there], where[1][there]] = seen[:, there]
    return out
