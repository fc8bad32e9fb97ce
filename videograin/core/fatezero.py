"""Attention fusion (FateZero §4.2), as sums of ordinary attention calls with modified values.

No fused map is built. With A(Q, K, V) ordinary attention, _s the source, and V always the edit's,

    self:   M * A(Q, K, V) + (1 - M) * A(Q_s, K_s, V)           M, per query: 1 where the edit's attention stays
    cross:  A(Q_s, K_s, W g V) + A(Q, K, (1 - alpha) g V)           W, alignment; alpha, 1 if aligned; g, gain per word

Both are exact: an attention map times a matrix over its keys is attention with the values times that matrix. Where
regions bind words, the last term is the edit's modulated attention, so new words keep to their regions there too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import Grid

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # ordinary attention of one cond: q (f, n, d), k and v (f, m, d)
Own = Callable[[Tensor], Tensor]  # the edit's own attention, modulated or not: values (f, m, d) -> (f, n, d)
MAP_TOKENS = 256  # tokens of a frame in the maps that the mask is made from: 16² at 512×512


class Words(NamedTuple):
    """Alignment and gains of one prompt's tokens, for cross fusion.

    taken: W, (source tokens, tokens) float32. gains: g, (tokens,) float32.
    """

    taken: Tensor
    gains: Tensor

    @property
    def kept(self) -> Tensor:
        """1 - alpha, (tokens,) float32."""
        return (self.taken == 0).all(0).float()


def self_fusion(own: Tensor, source_q: Tensor, source_k: Tensor, v: Tensor, inside: Tensor, attend: Attend) -> Tensor:
    """Self-attention fusion: queries inside keep the edit's own attention; the others follow the source's.

    Args: own (f, n, d), the edit's attention, modulated or not; source_q (f, n, d), source_k (f, m, d); v (f, m, d),
    the edit's values; inside (f, n) bool; attend, over the key set in force.
    Returns (f, n, d).
    """
    return torch.where(inside[..., None], own, attend(source_q, source_k, v))


def cross_fusion(
    v: Tensor, source: tuple[Tensor, Tensor], words: Words, tokens: int, attend: Attend, own: Own
) -> Tensor:
    """Cross-attention fusion: aligned words have the source's maps, the others the edit's own.

    Rows are not renormalised, as released. Args: v (f, m, d), the prompt perhaps repeated; source, its queries
    (f, n, d) and keys (f, s, d); tokens, the length of the prompt itself. Tokens beyond those of `words` (Conditioning
    Concat) are not aligned. Returns (f, n, d).
    """
    source_q, source_k = source
    values = v[:, : words.taken.shape[1]].to(torch.promote_types(v.dtype, torch.float32))
    taken = (words.taken * words.gains).to(values)
    moved = F.pad(torch.einsum("st,ftd->fsd", taken, values), (0, 0, 0, source_k.shape[1] - len(taken)))
    out = attend(source_q, source_k, moved.to(v.dtype))
    kept = per_key(words.kept * words.gains, tokens, v)
    return out + own(v * kept.to(v)) if kept.any() else out


def emphasised(v: Tensor, words: Words, tokens: int) -> Tensor:
    """Values (f, m, d) times the gain of their word; arguments as in `cross_fusion`."""
    return v if (words.gains == 1).all() else v * per_key(words.gains, tokens, v).to(v)


def per_key(factors: Tensor, tokens: int, v: Tensor) -> Tensor:
    """Factors of a prompt's tokens, (tokens,), as factors of its m keys, (m, 1).

    ComfyUI repeats the shorter prompt of a batch. `tokens`: the prompt's own length; v (f, m, d).
    """
    prompt = F.pad(factors, (0, max(0, tokens - len(factors))), value=1.0)
    repeated = prompt.repeat(max(1, v.shape[1] // len(prompt)))
    return F.pad(repeated, (0, v.shape[1] - len(repeated)), value=1.0)[:, None]


def word_map(q: Tensor, k: Tensor, words: Tensor, attend: Attend) -> Tensor:
    """Share of each query's attention that goes to some words, mean over heads.

    Args: q (f, n, d), k (f, m, d); words (s,) bool, over the first s keys. Returns (f, n) float32.
    """
    value = F.pad(words.float(), (0, k.shape[1] - len(words))).to(k)[None, :, None].expand_as(k)
    return attend(q, k, value).float().mean(-1)


def words_mask(maps: list[Tensor], grid: Grid, threshold: float) -> Tensor:
    """A mask of words, from their attention maps (the released code's mask).

    The maps of one level are averaged, widened by one token, resized to the grid, divided by each frame's maximum and
    cut at the threshold. The level is the coarsest with at least MAP_TOKENS tokens a frame, else the finest.

    Args: maps, `word_map` of many layers, (frames, h, w) each. Returns (frames, grid tokens) bool.
    """
    sizes = sorted({found.shape[1:] for found in maps}, key=lambda size: size[0] * size[1])
    size = next((size for size in sizes if size[0] * size[1] >= MAP_TOKENS), sizes[-1])
    mean = torch.stack([found for found in maps if found.shape[1:] == size]).mean(0)
    widened = F.max_pool2d(mean[:, None], 3, stride=1, padding=1)
    at_grid = F.interpolate(widened, (grid.height, grid.width), mode="nearest")[:, 0].flatten(1)
    return at_grid > threshold * at_grid.amax(1, keepdim=True)
