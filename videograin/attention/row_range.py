"""Δ, the span of each query's scores, in one streaming pass: no score matrix ever exists as a whole."""

from __future__ import annotations

import torch
from torch import Tensor

# A tile of scores must stay in a core's cache between the product and the two reductions.
QUERIES, KEYS = 128, 2048


def row_range(q: Tensor, k: Tensor) -> Tensor:
    """Δ = max − min over the keys of each query's scores (VideoGrain Eq. 2).

    Args: q (B, H, N, D), k (B, H, M, D), unscaled. Scores are taken in float32, or float64 for float64 inputs,
    so that half-precision inputs neither overflow nor lose the difference.
    Returns (B, H, N) float32 or float64, in units of q·k.
    """
    exact = torch.promote_types(q.dtype, torch.float32)
    shape = q.shape[:3]
    q, k = q.flatten(0, 1).to(exact), k.flatten(0, 1).to(exact).transpose(1, 2)
    delta = q.new_empty(q.shape[:2])
    for i in range(0, q.shape[1], QUERIES):
        high = low = None
        for j in range(0, k.shape[2], KEYS):
            scores = q[:, i : i + QUERIES] @ k[:, :, j : j + KEYS]
            top, bottom = scores.amax(-1), scores.amin(-1)
            high = top if high is None else torch.maximum(high, top)
            low = bottom if low is None else torch.minimum(low, bottom)
        delta[:, i : i + QUERIES] = high - low
    return delta.view(shape)
