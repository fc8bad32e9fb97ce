"""ST-Layout attention as one CUDA kernel: the span of each query's scores, then softmax of the modulated scores.

Each block of queries passes over the keys twice, so no tokens × tokens tensor leaves the chip and the inputs need no
extra channels. A positive pair is one bit: each query has an int64 with a bit for each key pattern, each key has the
number of its pattern. Import needs Triton; `usable` says where the kernel may run.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

PATTERNS = 63  # bits of an int64 less its sign
LOG2E = tl.constexpr(1.4426950408889634)


def usable(q: Tensor, positive: Tensor) -> bool:
    """Whether `attention` takes these inputs on their device: half precision on an NVIDIA card of 2020 or later."""
    return (
        q.is_cuda
        and torch.version.hip is None
        and q.dtype in (torch.float16, torch.bfloat16)
        and q.shape[-1] <= 256
        and positive.shape[1] <= PATTERNS
        and torch.cuda.get_device_capability(q.device) >= (8, 0)
    )


def attention(q: Tensor, k: Tensor, v: Tensor, modulation: tuple[Tensor, ...], spanned: Tensor | None = None) -> Tensor:
    """As `st_layout.modulated_attention`, computed in float32 and rounded once to q's dtype; D at most 256."""
    strength, query_labels, key_labels, positive, _, log_count = modulation
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    spanned = k if spanned is None else spanned
    batch, heads, queries, d = q.shape
    bits = (positive.long() << torch.arange(positive.shape[1], device=positive.device)).sum(1)[query_labels]
    out = torch.empty((batch, queries, heads, d), dtype=q.dtype, device=q.device).transpose(1, 2)
    copies = log_count is not None
    counts = log_count.float()[key_labels].contiguous() if copies else strength  # without copies never read
    shape, options = blocks(d)
    _kernel[(triton.cdiv(queries, shape["BLOCK_QUERIES"]), batch * heads)](
        q, k, v, spanned, out, strength.float().contiguous(), bits.contiguous(), key_labels.int().contiguous(), counts,
        *q.stride()[:3], *k.stride()[:3], *v.stride()[:3], *spanned.stride()[:3], *out.stride()[:3],
        heads, queries, k.shape[2], spanned.shape[2], 1 / math.sqrt(d),
        COPIES=copies, D=d, **shape, **options,
    )  # fmt: skip
    return out


def blocks(d: int) -> tuple[dict[str, int], dict[str, int]]:
    """Tile sizes and compiler options for a head of d channels."""
    block_d = max(16, triton.next_power_of_2(d))
    queries, keys, warps = (128, 64, 4 if block_d <= 64 else 8) if block_d <= 128 else (64, 32, 8)
    return {"BLOCK_D": block_d, "BLOCK_QUERIES": queries, "BLOCK_KEYS": keys}, {"num_warps": warps, "num_stages": 2}


@triton.jit
def _kernel(
    Q, K, V, SPANNED, OUT, STRENGTH, BITS, LABELS, COUNTS,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token, s_batch, s_head, s_token,
    o_batch, o_head, o_token,
    heads, queries, keys, spanned_keys, scale,
    COPIES: tl.constexpr, D: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_QUERIES: tl.constexpr, BLOCK_KEYS: tl.constexpr,
):  # fmt: skip
    batch = (tl.program_id(1) // heads).to(tl.int64)
    head = (tl.program_id(1) % heads).to(tl.int64)
    x = tl.program_id(0) * BLOCK_QUERIES + tl.arange(0, BLOCK_QUERIES)
    y = tl.arange(0, BLOCK_KEYS)
    channel = tl.arange(0, BLOCK_D)
    inside, real = x < queries, channel < D
    rows = x.to(tl.int64)[:, None]
    q = tl.load(
        Q + batch * q_batch + head * q_head + rows * q_token + channel, inside[:, None] & real[None, :], other=0.0
    )
    k_start = K + batch * k_batch + head * k_head
    v_start = V + batch * v_batch + head * v_head

    high = tl.full([BLOCK_QUERIES], float("-inf"), tl.float32)
    low = tl.full([BLOCK_QUERIES], float("inf"), tl.float32)
    s_start = SPANNED + batch * s_batch + head * s_head
    for start in range(0, spanned_keys, BLOCK_KEYS):
        exists = (start + y) < spanned_keys
        columns = (start + y).to(tl.int64)[None, :]
        k = tl.load(s_start + columns * s_token + channel[:, None], exists[None, :] & real[:, None], other=0.0)
        s = tl.dot(q, k, input_precision="ieee")
        if COPIES:  # spanned keys are then all keys
            s += tl.load(COUNTS + batch * keys + start + y, exists, other=0.0)[None, :] / scale
        high = tl.maximum(high, tl.max(tl.where(exists[None, :], s, float("-inf")), 1))
        low = tl.minimum(low, tl.min(tl.where(exists[None, :], s, float("inf")), 1))

    # s' = (1-lambda)s + lambda Delta on positive pairs, in base 2 because exp2 is the hardware's.
    strength = tl.load(STRENGTH + batch * queries + x, inside, other=0.0)
    bits = tl.load(BITS + batch * queries + x, inside, other=0)
    unit = scale * LOG2E
    bonus = strength * (high - low) * unit
    slope = (1 - strength) * unit
    top = tl.full([BLOCK_QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_QUERIES], tl.float32)
    sums = tl.zeros([BLOCK_QUERIES, BLOCK_D], tl.float32)
    for start in range(0, keys, BLOCK_KEYS):
        exists = (start + y) < keys
        columns = (start + y).to(tl.int64)
        k = tl.load(k_start + columns[None, :] * k_token + channel[:, None], exists[None, :] & real[:, None], other=0.0)
        label = tl.load(LABELS + batch * keys + start + y, exists, other=0).to(tl.int64)
        positive = ((bits[:, None] >> label[None, :]) & 1) == 1
        s = tl.dot(q, k, input_precision="ieee") * slope[:, None] + tl.where(positive, bonus[:, None], 0.0)
        if COPIES:
            s -= strength[:, None] * tl.load(COUNTS + batch * keys + start + y, exists, other=0.0)[None, :] * LOG2E
        s = tl.where(exists[None, :], s, float("-inf"))
        now = tl.maximum(top, tl.max(s, 1))
        p = tl.exp2(s - now[:, None])
        shrink = tl.exp2(top - now)
        v = tl.load(v_start + columns[:, None] * v_token + channel[None, :], exists[:, None] & real[None, :], other=0.0)
        sums = sums * shrink[:, None] + tl.dot(p.to(v.dtype), v, input_precision="ieee")
        total = total * shrink + tl.sum(p, 1)
        top = now
    tl.store(
        OUT + batch * o_batch + head * o_head + rows * o_token + channel,
        (sums / total[:, None]).to(OUT.dtype.element_ty),
        inside[:, None] & real[None, :],
    )
