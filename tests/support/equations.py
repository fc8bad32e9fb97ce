"""ST-Layout attention with every matrix written out (VideoGrain Eq. 1–5), and problems to solve with it."""

import math

import torch


def dense(q, k, v, strength, positive):
    """Eq. 1–2 with every matrix written out. positive (B, N, M), strength (B, N)."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    high, low = scores.amax(-1, keepdim=True), scores.amin(-1, keepdim=True)
    lam = strength[:, None, :, None]
    target = torch.where(positive[:, None], high, low)
    return ((1 - lam) * scores + lam * target).softmax(-1) @ v


def dense_recipe(q, k, v, strength, positive):
    """The released code's order of operations, all in the tensors' own dtype but the softmax."""
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5)
    high, low = scores.amax(-1, keepdim=True), scores.amin(-1, keepdim=True)
    lam, pair = strength[:, None, :, None].to(q.dtype), positive[:, None].to(q.dtype)
    scores = scores + lam * pair * (high - scores) - lam * (1 - pair) * (scores - low)
    return scores.float().softmax(-1).to(q.dtype) @ v


def relative(a, b):
    return float(((a.double() - b.double()).square().mean() / b.double().square().mean()).sqrt())


def problem(std, frames=3, height=10, width=6, heads=2, d=40, seed=0):
    """q, k, v of one clip with logits of a given std, lambda up to 0.9, two overlapping regions and background."""
    g = torch.Generator().manual_seed(seed)
    tokens = frames * height * width
    q, k, v = (torch.randn(1, heads, tokens, d, generator=g, dtype=torch.float64) for _ in range(3))
    q, k = q * std**0.5, k * std**0.5
    member = torch.rand(2, tokens, generator=g) < 0.4
    table, labels = torch.unique(member.T, dim=0, return_inverse=True)
    strength = torch.rand(1, tokens, generator=g, dtype=torch.float64) * 0.9
    return q, k, v, strength, labels[None], table
