"""ST-Layout attention with every matrix written out (VideoGrain Eq. 1–5), and problems to solve with it."""

import math

import torch
import torch.nn.functional as F

from pack.videograin.core.st_layout import Modulation, with_copies


def dense(q, k, v, strength, positive, more=0.0):
    """Eq. 1–2 with every matrix written out. positive (B, N, M), strength (B, N); more: added to the scores of each key."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + more
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


def padded(words=9, padding=40, queries=14, d=32, seed=0):
    """Cross-attention to a text filled up with copies of one token: q, k, v, a modulation, and the truth.

    The truth counts the copies as one token with the weight of all: one key whose score is ln n higher.
    """
    g = torch.Generator().manual_seed(seed)
    q, k, v = (
        torch.randn(2, 3, count, d, generator=g, dtype=torch.float64) for count in (queries, words + 1, words + 1)
    )
    strength, labels = (
        torch.rand(2, queries, generator=g, dtype=torch.float64),
        torch.randint(3, (2, queries), generator=g),
    )
    word_labels = torch.randint(3, (words,), generator=g)
    positive = torch.tensor([[False, False, False], [False, True, False], [False, False, True]])
    more = torch.zeros(words + 1, dtype=torch.float64)
    more[-1] = math.log(padding)
    pairs = F.pad(positive[labels][..., word_labels], (0, 1))
    truth = dense(q, k, v, strength, pairs, more)
    k, v = (torch.cat([x, x[:, :, -1:].expand(-1, -1, padding - 1, -1)], 2) for x in (k, v))
    copies = torch.arange(words + padding) >= words
    by_key = with_copies(F.pad(word_labels, (0, padding)), positive, copies)
    modulation = Modulation(strength, labels, by_key[0].expand(2, -1), by_key[1], log_count=by_key[2].double())
    return (q, k, v), modulation, truth
