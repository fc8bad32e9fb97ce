"""Attention probabilities before and after modulation, a few rows or columns at a time, for display.

Sampling never forms them (st_layout.py); here the equations are written out and averaged over heads. No tensor is as
large as tokens × tokens: a phrase needs only the text's tokens as keys, one frame at a time; a point is one query.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from . import cross_frame
from .cross_frame import KeySet
from .score_range import sampled_keys
from .st_layout import Modulation


def probabilities(
    q: Tensor,
    k: Tensor,
    strength: Tensor | None = None,
    positive: Tensor | None = None,
    fast: bool = False,
    count: Tensor | float = 0.0,
) -> Tensor:
    """Modulated attention as probabilities (VideoGrain Eq. 1–2): softmax of the scores, mean over heads.

    Args: q (H, N, D), k (H, M, D), scale 1/sqrt D; strength (N,), lambda of each query, None for plain attention;
    positive (N, M) bool; fast, as in st_layout.Settings; count (M,), ln n of keys that are n copies of one token.
    Returns (N, M) float32; each row sums to 1.
    """
    q, k = q.float() * q.shape[-1] ** -0.5, k.float()
    scores = q @ k.transpose(-1, -2)
    if strength is not None:
        spanned = q @ sampled_keys(k[None])[0].transpose(-1, -2) if fast else scores + count
        span = spanned.amax(-1, keepdim=True) - spanned.amin(-1, keepdim=True)
        strength = strength[:, None].to(scores)
        scores = (1 - strength) * scores + strength * (span * positive - count)
    return scores.softmax(-1).mean(0)


def phrase_shares(q: Tensor, k: Tensor, heads: int, tokens: Tensor, modulation: Modulation | None) -> Tensor:
    """Share of each pixel's cross-attention that goes to each phrase, before and after modulation.

    Args: q (frames, N, heads · d), k (frames, L, heads · d); tokens (K, L) bool, of each phrase; modulation of this
    cond, None where it is not modulated.
    Returns (2, K, frames, N) float32, 0 to 1.
    """
    found = []
    for frame, (some_q, some_k) in enumerate(zip(q, k, strict=True)):
        pair = _heads(some_q, heads), _heads(some_k, heads)
        before = after = probabilities(*pair)
        if modulation is not None:
            labels, key_labels = modulation.query_labels[frame], modulation.key_labels[frame]
            positive = modulation.positive[labels][:, key_labels]
            count = 0.0 if modulation.log_count is None else modulation.log_count[key_labels]
            after = probabilities(*pair, modulation.strength[frame], positive, count=count)
        found.append(torch.stack((before, after)) @ tokens.T.to(before))
    return rearrange(torch.stack(found), "f r n k -> r k f n")


def point_shares(
    q: Tensor, k: Tensor, heads: int, points: list[tuple[int, int]], key_set: KeySet, modulation: Modulation | None
) -> Tensor:
    """Where single queries look in self-attention, before and after modulation.

    Args: q, k (frames, N, heads · d), k may have further tokens another patch appended; points, (frame, token) each;
    key_set, the one in force, with anchors or without; modulation as above.
    Returns (2, points, frames, N) float32: each row's probabilities, 0 in frames it does not see.
    """
    frames, n = q.shape[:2]
    keys = k.shape[1]
    tokens = torch.arange(frames * keys, device=k.device).view(frames, keys)
    places = cross_frame.keys(tokens, frames, key_set.kind)
    if key_set.visible is not None:
        places = [tokens[list(seen)].flatten() for seen in key_set.visible]
    found = []
    for frame, token in points:
        chosen = places[frame if len(places) > 1 else 0]  # (M,): all queries of "all frames" see the same keys
        pair = _heads(q[frame, token][None], heads), _heads(k.flatten(0, 1)[chosen], heads)
        before = after = probabilities(*pair)
        if modulation is not None:
            label, key_labels = modulation.query_labels[frame, token], modulation.key_labels.flatten()[chosen]
            positive = modulation.positive[label][key_labels][None]
            after = probabilities(*pair, modulation.strength[frame, token][None], positive, modulation.fast)
        # "first + previous" shows a frame twice where both are one: what the two copies get is added up.
        rows = before.new_zeros(2, frames * keys).index_add_(1, chosen, torch.cat((before, after)))
        found.append(rows.view(2, frames, keys)[..., :n])
    return torch.stack(found, 1)


def _heads(x: Tensor, heads: int) -> Tensor:
    return rearrange(x, "n (h d) -> h n d", h=heads)
