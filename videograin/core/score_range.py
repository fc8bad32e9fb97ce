"""Delta (VideoGrain Eq. 2), the span of each query's scores, in one streaming pass without a full score matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SAMPLED, FEWEST = 8, 512  # one key in SAMPLED, but at least FEWEST


def sampled_keys(k: Tensor) -> Tensor:
    """A fixed sample of the keys k (B, H, M, D), for a fast estimate of Delta.

    The span of a sample is never wider than the span of all keys: the estimate is never too large.
    """
    count = max(FEWEST, k.shape[2] // SAMPLED)
    if count >= k.shape[2]:
        return k
    chosen = torch.randperm(k.shape[2], generator=torch.Generator().manual_seed(0))[:count]
    return k[:, :, chosen.sort().values.to(k.device)]


def row_range(q: Tensor, k: Tensor) -> Tensor:
    """Delta = max - min of each query's scores over the keys (VideoGrain Eq. 2).

    Args: q (B, H, N, D), k (B, H, M, D), unscaled. Scores are computed in float32, or float64 for float64 inputs, so
    that half-precision inputs neither overflow nor lose the difference.
    Returns (B, H, N) float32 or float64, in units of q·k.
    """
    exact = torch.promote_types(q.dtype, torch.float32)
    shape, (q, k) = q.shape[:3], (x.flatten(0, 1) for x in (q, k))
    # On a CPU, a 1 MB tile stays in cache until max and min are taken; other devices want large tiles.
    scores, keys = (2**18, min(512, k.shape[1])) if q.device.type == "cpu" else (2**24, min(8192, k.shape[1]))
    queries = max(32, scores // (len(q) * keys))
    scratch = torch.empty(len(q) * queries * keys, dtype=exact, device=q.device)  # reused: a heap would grow
    delta = torch.empty(q.shape[:2], dtype=exact, device=q.device)
    for rows, out in zip(q.split(queries, 1), delta.split(queries, 1), strict=True):
        rows, high, low = rows.to(exact), None, None
        for columns in k.split(keys, 1):
            size = len(q), rows.shape[1], columns.shape[1]
            tile = scratch[: math.prod(size)].view(size)
            torch.bmm(rows, columns.to(exact).transpose(1, 2), out=tile)
            top, bottom = tile.amax(-1), tile.amin(-1)
            high = top if high is None else torch.maximum(high, top)
            low = bottom if low is None else torch.minimum(low, bottom)
        torch.sub(high, low, out=out)
    return delta.view(shape)
