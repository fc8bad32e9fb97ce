"""ST-Layout self-attention beside plain full-frame attention and the dense recipe, on the same tensors.

The dense recipe follows the released code, written from its description: tokens × tokens scores for every head, the map
of positive pairs repeated for each head, softmax in float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...videograin.core import st_layout
from ...videograin.core.score_range import row_range, sampled_keys
from . import machine
from .rows import DENSE, FAST, GROUPED, OURS, SDPA

Problem = tuple[Tensor, ...]
HEADS = 8
DENSE_COPIES = 8  # tokens × tokens matrices that the dense recipe holds at its worst, with some room


def problem(tokens: int, d: int, dtype: torch.dtype, device: torch.device) -> Problem:
    """q, k, v, lambda, labels, positive pairs of one clip: four patterns in stripes, logits of std 3.

    q, k, v (1, 8, tokens, d) are views of (1, tokens, 8·d), as a network has them.
    """
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, tokens, HEADS * d, generator=generator) for _ in range(3))
    q, k, v = (x.to(device, dtype).unflatten(2, (HEADS, d)).transpose(1, 2) for x in (q * 3**0.5, k * 3**0.5, v))
    labels = (torch.arange(tokens, device=device) * 40 // tokens % 4)[None]
    strength = 0.27 * torch.tensor([0.4, 0.6, 0.8, 1.0], device=device)[labels]
    return q, k, v, strength, labels, torch.eye(4, dtype=torch.bool, device=device)


def dense(q: Tensor, k: Tensor, v: Tensor, strength: Tensor, pairs: Tensor) -> Tensor:
    """ST-Layout as in the released code. strength (1, N) and pairs (1, N, N) in q's dtype, 1 where positive."""
    out, strength = torch.empty_like(q), strength[..., None]
    for head in range(q.shape[1]):
        scores = torch.baddbmm(
            q.new_empty(1, q.shape[2], k.shape[2]),
            q[:, head], k[:, head].transpose(-1, -2), beta=0, alpha=q.shape[-1] ** -0.5,
        )  # fmt: skip
        high, low = scores.max(-1, keepdim=True)[0], scores.min(-1, keepdim=True)[0]
        positive = pairs.repeat(1, 1, 1) > 0
        scores = scores + strength * positive * (high - scores) - strength * ~positive * (scores - low)
        out[:, head] = scores.softmax(-1, dtype=torch.float32).to(v.dtype) @ v[:, head]
    return out


def grouped(
    q: Tensor, k: Tensor, v: Tensor, strength: Tensor, query_labels: Tensor, key_labels: Tensor, positive: Tensor
) -> Tensor:
    """ST-Layout by one call per key pattern, as exact as `st_layout.modulated_attention`; for a batch of one.

    The bonus lambda Delta is the same for all keys of a call, so it is added to the call's log-sum-exp, by which the
    results are merged. It works on one head at a time, on a CPU also on 2048 queries at a time, as the other form does.
    """
    order = key_labels[0].argsort()
    counts = key_labels[0].bincount(minlength=positive.shape[1]).tolist()
    out, tokens = torch.empty_like(q), 2048 if q.device.type == "cpu" else 2**16
    for head in range(q.shape[1]):
        some_q, some_k, some_v, some_out = (x[:, head, None] for x in (q, k, v, out))
        keys, values = (x[:, :, order].split(counts, 2) for x in (some_k, some_v))
        used = [pattern for pattern, count in enumerate(counts) if count]
        rows = (x.split(tokens, dim) for x, dim in ((some_q, 2), (strength, 1), (query_labels, 1), (some_out, 2)))
        for row_q, row_strength, labels, row_out in zip(*rows, strict=True):
            share = row_strength[:, None] * q.shape[-1] ** -0.5  # (1, 1, n), lambda/sqrt d
            bonus, pairs = share * row_range(row_q, some_k), positive[labels][:, None]  # (1, 1, n), (1, 1, n, P)
            scaled = (row_q.float() * (q.shape[-1] ** -0.5 - share[..., None])).to(q.dtype)
            parts, logs = zip(*(_with_lse(scaled, keys[pattern], values[pattern]) for pattern in used), strict=True)
            weights = (torch.stack(logs, -1) + bonus[..., None] * pairs[..., used]).softmax(-1).to(q.dtype)
            row_out.copy_(torch.einsum("bhnp,pbhnd->bhnd", weights, torch.stack(parts)))
    return out


def _with_lse(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Attention at scale 1, and the log-sum-exp of each query's scores, (B, H, N) float32."""
    if q.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, scale=1.0)
    out, log, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, True, scale=1.0)
    return out, log[..., : q.shape[2]]


def forms(given: Problem, device: torch.device) -> dict[str, Callable[[], Tensor]]:
    """The forms of attention, ready to call; the dense one only where its matrices fit."""
    q, k, v, strength, labels, positive = given
    attend, modulation = st_layout.attention_on(device), st_layout.Modulation(strength, labels, labels, positive)
    found = {
        SDPA: lambda: F.scaled_dot_product_attention(q, k, v),
        OURS: lambda: attend(q, k, v, modulation),
        FAST: lambda: attend(q, k, v, modulation, spanned=sampled_keys(k)),
        GROUPED: lambda: grouped(q, k, v, strength, labels, labels, positive),
    }
    if DENSE_COPIES * q.shape[2] ** 2 * q.element_size() < machine.free_bytes(device):
        pairs = positive[labels[0]][:, labels[0]][None].to(q.dtype)  # made once a run there too: not timed
        found[DENSE] = lambda: dense(q, k, v, strength.to(q.dtype), pairs)
    return found


def times(tokens: int, d: int, dtype: str, repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each form, interleaved, so that other load falls on all forms alike."""
    warm = forms(problem(256, d, getattr(torch, dtype), device), device)
    found = forms(problem(tokens, d, getattr(torch, dtype), device), device)
    for form in found:
        warm[form]()
    turns = [{form: machine.seconds(work, device) for form, work in found.items()} for _ in range(repeats)]
    return {form: [turn[form] for turn in turns] for form in found}


def fast_error(tokens: int, d: int, dtype: str, device: torch.device) -> float:
    """The error of the result from the estimated Delta: root mean square, relative to the exact result's."""
    ways = forms(problem(tokens, d, getattr(torch, dtype), device), device)
    exact, fast = (ways[form]().float() for form in (OURS, FAST))
    return float(((fast - exact).square().mean() / exact.square().mean()).sqrt())


def memory(form: str, tokens: int, d: int, dtype: str, device: torch.device) -> float:
    """MiB held beyond the inputs while one call runs; in a process of its own."""
    forms(problem(256, d, getattr(torch, dtype), device), device)[form]()  # thread pools, compiled kernels
    given = problem(tokens, d, getattr(torch, dtype), device)
    return machine.peak_mb(forms(given, device)[form], device)[1]
