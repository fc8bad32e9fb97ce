"""ST-Layout attention (VideoGrain §3.2, Eq. 1–5), exact and without a tokens × tokens tensor.

The modulated scores of query x are (1-lambda)s + lambda·max on positive pairs and (1-lambda)s + lambda·min on the
others. lambda depends on the query alone, so up to a constant per row, which softmax ignores, they are

    s'(x, y) = (1-lambda) s(x, y) + lambda Delta [x, y positive],     Delta = max - min of the row.

"Positive" depends only on the two tokens' patterns. So one extra channel per key pattern, one-hot on the key and lambda
Delta on the query where that pattern is positive, puts the second term into an ordinary attention call. Keys that are n
copies of one token (the padding of a text) count as one with ln n more: -lambda ln n on each, and Delta of the sum. Another exact
form has no channels: one call per key pattern, merged after the second term is added to its log-sum-exp. On a CPU, with
four patterns, it is a little faster and needs several times the memory (benchmarks/SPEED.md). A supported GPU needs
neither form, see st_layout_triton.py.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .choices import Choice
from .cross_frame import Visible
from .regions import Grid, TokenRule, membership, patterns, same_membership, share_any
from .score_range import row_range

logger = logging.getLogger("videograin")


class Role(Choice):
    """The half of classifier-free guidance, by its prompt."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    BOTH = "both"


class Levels(Choice):
    """The attention levels that are modulated."""

    ALL = "all"
    BELOW_FULL = "below full resolution"


class SelfSize(Choice):
    """The size term of self-attention, S = 1 - size."""

    AREA = "area"
    AREA_OVER_FRAMES = "area / frames"
    OFF = "off"


class CrossSize(Choice):
    """The size term of cross-attention."""

    AREA = "area"
    OFF = "off"


class Background(Choice):
    """The treatment of tokens in no region."""

    OWN_REGION = "own region"
    ISOLATED = "isolated"
    UNTOUCHED = "untouched"


@dataclass(frozen=True)
class Settings:
    """Settings of ST-Layout attention.

    self_strength, cross_strength: lambda at full noise before the size term, 0 to 1.
    power: lambda falls as tau^power, tau = (t - 1) / 1000.
    end_percent: share of the noise schedule after which nothing is modulated, 0 to 1.
    self_role, cross_role: the half of classifier-free guidance that is modulated.
    levels: "below full resolution" leaves the latent's own grid alone, as the released code does.
    self_size, cross_size: the size in the size term S = 1 - size; "area" is the paper's share of the positive keys,
        "area / frames" is the released code's.
    background: tokens in no region are a region of their own (Eq. 5), are negative with everything (released code),
        or keep their attention.
    token_rule: how masks become tokens, see regions.membership.
    fast: Delta of self-attention is estimated from some of the keys, see score_range.sampled_keys.
    """

    self_strength: float = 0.3
    cross_strength: float = 1.0
    power: float = 5.0
    end_percent: float = 0.3
    self_role: Role = Role.POSITIVE
    cross_role: Role = Role.POSITIVE
    levels: Levels = Levels.ALL
    self_size: SelfSize = SelfSize.AREA
    cross_size: CrossSize = CrossSize.AREA
    background: Background = Background.OWN_REGION
    token_rule: TokenRule = TokenRule.AREA
    fast: bool = False

    @property
    def neutral(self) -> bool:
        return (self.self_strength == 0 and self.cross_strength == 0) or self.end_percent == 0


PAPER = Settings()
DEFAULT = Settings(  # the best edits, see benchmarks/EDIT_QUALITY.md
    self_strength=0.6,
    power=0.25,
    end_percent=1.0,
    self_size=SelfSize.OFF,
)
REFERENCE = Settings(
    self_role=Role.NEGATIVE,
    levels=Levels.BELOW_FULL,
    self_size=SelfSize.AREA_OVER_FRAMES,
    background=Background.ISOLATED,
    token_rule=TokenRule.NEAREST,
)


class Layout(NamedTuple):
    """The regions on one grid of tokens.

    labels: (frames, tokens) int64, the pattern of each token; table: (P, K) bool, the regions in each pattern;
    positive: (P, P) bool, the self-attention pairs; self_factor: (P,), or (P, frames) where frames see different
    frames; cross_factor: (P, frames). Factors are float32 and multiply lambda: size term × region strength.
    """

    labels: Tensor
    table: Tensor
    positive: Tensor
    self_factor: Tensor
    cross_factor: Tensor


class Modulation(NamedTuple):
    """Inputs of the modulation, for B frames or groups of frames with N queries and M keys each.

    strength: (B, N) float32, lambda of each query, 0 to 1; query_labels: (B, N), key_labels: (B, M) int64, patterns;
    positive: (P, Q) bool over (query, key) patterns. fast: as in Settings. log_count: (Q,) float32, ln n for a key
    pattern whose keys are n copies of one token, which count as that one, 0 for others; None for 0 everywhere.
    """

    strength: Tensor
    query_labels: Tensor
    key_labels: Tensor
    positive: Tensor
    fast: bool = False
    log_count: Tensor | None = None


def layout(masks: Tensor, strengths: Tensor, grid: Grid, settings: Settings, visible: Visible | None = None) -> Layout:
    """The regions on one grid of tokens.

    Args: masks (K, frames, H, W) bool, K >= 1; strengths (K,) float32; grid, the tokens of the attention level;
    visible, the frames that each frame's self-attention sees and takes the size term over, None for all frames.
    """
    member = membership(masks, grid, settings.token_rule).flatten(2)  # (K, frames, tokens)
    labels, table = patterns(member)
    positive = (same_membership if settings.background == Background.OWN_REGION else share_any)(table, table)

    def self_size(frames: Sequence[int]) -> Tensor:
        """The size of the size term, (P,), where these frames are seen."""
        frames = list(frames)
        if settings.self_size == SelfSize.AREA:  # share of each pattern in the frames
            share = torch.bincount(labels[frames].flatten(), minlength=len(table)) / labels[frames].numel()
            return positive.float() @ share
        if settings.self_size == SelfSize.AREA_OVER_FRAMES:
            # The released code divides by N²hw, where the paper has Nhw.
            return table.float() @ member[:, frames].float().mean((1, 2)) / len(frames)
        return torch.zeros(len(table))

    sizes = (
        self_size(range(grid.frames)) if visible is None else torch.stack([self_size(frames) for frames in visible], 1)
    )
    cross_size = table.float() @ member.float().mean(2) if settings.cross_size == CrossSize.AREA else torch.zeros(1)

    strength = (table * strengths).amax(1)  # where regions overlap, the stronger one counts
    strength[~table.any(1)] = 0.0 if settings.background == Background.UNTOUCHED else 1.0
    # Overlapping areas may sum to more than 1, which would reverse the modulation.
    self_factor = (1 - sizes).clamp(0, 1) * (strength if visible is None else strength[:, None])
    cross_factor = (1 - cross_size).clamp(0, 1) * strength[:, None].expand(-1, grid.frames)
    return Layout(labels, table, positive, self_factor, cross_factor)


def decay(timestep: float, settings: Settings) -> float:
    """tau^power with tau = (t - 1) / 1000 (Eq. 1); `timestep` counts 0 to 999 as in training."""
    return max(0.0, (timestep - 1) / 1000) ** settings.power


def modulated_attention(
    q: Tensor, k: Tensor, v: Tensor, modulation: Modulation, spanned: Tensor | None = None
) -> Tensor:
    """ST-Layout attention: softmax of the modulated scores, times v (VideoGrain Eq. 1–5).

    Args:
        q (B, H, N, D), k (B, H, M, D), v (B, H, M, D); any float dtype, scale 1/sqrt D.
        modulation: for B groups of queries.
        spanned (B, H, S, D): the keys over which Delta is taken, None for all of k, as it must be with copies.
    Returns (B, H, N, D) in q's dtype.
    """
    d = q.shape[-1]
    strength, query_labels, key_labels, positive, _, log_count = modulation
    used = positive.any(0).nonzero()[:, 0]  # a key pattern that is positive with no query needs no channel
    slot = key_labels.new_full((positive.shape[1],), len(used))
    slot[used] = torch.arange(len(used), device=slot.device)
    key_slots = (slot[key_labels][..., None] == torch.arange(len(used), device=slot.device))[:, None]  # (B, 1, M, P)
    query_slots = positive[:, used][query_labels][:, None]  # (B, 1, N, P)
    strength = strength[:, None, :, None]  # (B, 1, N, 1)

    # Queries of all heads that are copied at once: little memory, and still enough work for a GPU.
    tokens = 2048 if q.device.type == "cpu" else 2**16
    heads = min(q.shape[1], max(1, tokens // strength.numel()))
    slots = len(used) + (log_count is not None)
    wide_k, wide_v = (_wide(x, heads, slots) for x in (k, v))
    wide_k[..., d : d + len(used)] = key_slots
    spanned = k if spanned is None else spanned
    if log_count is not None:
        count = log_count[key_labels][:, None, :, None]  # (B, 1, M, 1)
        wide_k[..., d + len(used) : d + slots] = count
        spanned = torch.cat([k.to(count.dtype), count.expand(*k.shape[:3], 1)], -1)
    out = torch.empty_like(q)
    parts = zip(*(x.split(heads, 1) for x in (q, k, v, spanned, out)), strict=True)
    for some_q, some_k, some_v, some_spanned, some_out in parts:
        keys, values = wide_k[:, : some_k.shape[1]], wide_v[:, : some_k.shape[1]]
        keys[..., :d], values[..., :d] = some_k, some_v
        rows = (x.split(tokens, 2) for x in (some_q, strength, query_slots, some_out))
        for row_q, row_strength, slots, row_out in zip(*rows, strict=True):
            wide_q = _modulated_queries(row_q, some_spanned, row_strength, slots)
            # The scale is in q: the kernel's own would be 1/sqrt width.
            row_out.copy_(F.scaled_dot_product_attention(wide_q, keys, values, scale=1.0)[..., :d])
    return out


def _modulated_queries(q: Tensor, k: Tensor, strength: Tensor, positive: Tensor) -> Tensor:
    """Queries with extra channels: (1-lambda)q/sqrt D, and lambda Delta/sqrt D in the slot of each positive pattern.

    k: the keys over which Delta is taken, with a channel of ln n where some are copies: -lambda is then in one slot more.
    strength is lambda, positive (B, 1, N, P).
    """
    exact, d, slots = torch.promote_types(q.dtype, torch.float32), q.shape[-1], positive.shape[-1]
    copies = k.shape[-1] > d
    strength = strength.to(exact) / math.sqrt(d)
    span = row_range(F.pad(q.to(exact), (0, 1), value=math.sqrt(d)) if copies else q, k)
    bonus = (strength * span[..., None]).clamp(max=torch.finfo(q.dtype).max)
    wide = _wide(q, q.shape[1], slots + copies)
    wide[..., :d] = q.to(exact) * (1 / math.sqrt(d) - strength)
    wide[..., d : d + slots] = positive * bonus
    if copies:
        wide[..., d + slots : d + slots + 1] = -strength * math.sqrt(d)
    return wide


def with_copies(key_labels: Tensor, positive: Tensor, copies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, positive pairs and `log_count` of keys some of which, (M,) bool, are copies of one token of no region."""
    pattern = positive.shape[1]
    log_count = torch.zeros(pattern + 1, device=positive.device)
    log_count[pattern] = math.log(int(copies.sum()))
    return key_labels.masked_fill(copies, pattern), F.pad(positive, (0, 1)), log_count


def _wide(x: Tensor, heads: int, slots: int) -> Tensor:
    """Zeros (B, heads, N, D + slots) for x (B, H, N, D), the width rounded up to a multiple of 8 for fused kernels."""
    return x.new_zeros(x.shape[0], heads, x.shape[2], -(-(x.shape[3] + slots) // 8) * 8)


def attention_on(device: torch.device) -> Callable[..., Tensor]:
    """The attention function for a device: the CUDA kernel where it runs and takes the input, else the portable form.

    Triton compiles on the user's machine, so the kernel fails with an old card, without Triton or without a C compiler;
    a tiny problem tests that here. Triton keeps compiled kernels on disk: the next test takes milliseconds.
    """
    if device.type != "cuda":
        return modulated_attention
    try:
        from . import st_layout_triton

        tiny = torch.zeros(1, 1, 16, 64, device=device, dtype=torch.float16)
        labels = torch.zeros(1, 16, device=device, dtype=torch.int64)
        positive = torch.ones(1, 1, device=device, dtype=torch.bool)
        if not st_layout_triton.usable(tiny, positive):
            return modulated_attention
        modulation = Modulation(torch.zeros(1, 16, device=device), labels, labels, positive)
        st_layout_triton.attention(tiny, tiny, tiny, modulation)
        torch.cuda.synchronize(device)
    except Exception as error:  # a compiler may raise anything
        logger.info("ST-Layout takes its portable form here, the CUDA kernel does not run: %s", error)
        return modulated_attention

    def attend(q: Tensor, k: Tensor, v: Tensor, modulation: Modulation, spanned: Tensor | None = None) -> Tensor:
        fits = st_layout_triton.usable(q, modulation.positive)
        return (st_layout_triton.attention if fits else modulated_attention)(q, k, v, modulation, spanned)

    return attend
