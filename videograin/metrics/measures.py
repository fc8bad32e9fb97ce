"""Quality of an edit: the papers' metrics, as functions of plain tensors and words.

Pixels are 0…1. Embeddings need not be normalised. Every function states its form, because papers use one name for
different forms: consecutive or all pairs, masked or not, a fraction or times 100. NaN means “not defined here”.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log10, nan
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.optical_flow import warp

# Pictures and text in CLIP's space.


def consecutive_cosines(pictures: Tensor) -> Tensor:
    """Cosine of each frame with the next. pictures (frames, dim); returns (frames - 1,)."""
    return F.cosine_similarity(pictures[:-1].float(), pictures[1:].float(), dim=-1)


def clip_f(pictures: Tensor) -> float:
    """CLIP-F, or Tem-Con: mean cosine of consecutive frames (FateZero; VideoGrain prints it × 100).

    pictures (frames, dim), CLIP image embeddings; NaN for a single frame.
    """
    return float(consecutive_cosines(pictures).mean())


def frame_consistency(pictures: Tensor) -> float:
    """Mean cosine over all pairs of different frames (Tune-A-Video, LOVEU-TGVE); not comparable with CLIP-F.

    pictures (frames, dim), CLIP image embeddings; NaN for a single frame.
    """
    count = len(pictures)
    unit = F.normalize(pictures.double(), dim=-1)
    total = unit.sum(0).square().sum() - count  # ||sum u||² holds every ordered pair and each frame with itself
    return float(total / (count * (count - 1))) if count > 1 else nan


def text_scores(pictures: Tensor, text: Tensor) -> Tensor:
    """100 · cosine of each frame with a text: CLIP's logits. pictures (frames, dim), text (dim,); returns (frames,)."""
    return 100 * F.cosine_similarity(pictures.float(), text.float()[None], dim=-1)


def clip_t(pictures: Tensor, target: Tensor) -> float:
    """CLIP-T: mean over frames of 100 · cosine with the target text (VideoGrain, LOVEU-TGVE).

    pictures (frames, dim), target (dim,), embedded by one CLIP.
    """
    return float(text_scores(pictures, target).mean())


def frame_acc(pictures: Tensor, target: Tensor, source: Tensor) -> float:
    """Frame-Acc: share of frames at least as near to the target text as to the source text, 0…1 (FateZero's code: >=).

    pictures (frames, dim), target and source (dim,), embedded by one CLIP.
    """
    return float((text_scores(pictures, target) >= text_scores(pictures, source)).float().mean())


# Motion.


def warp_residual(before: Tensor, after: Tensor, flow: Tensor) -> Tensor:
    """Squared difference between a frame and the previous one warped along the flow; mean over channels.

    before, after (…, H, W, 3); flow (…, H, W, 2) from `after` to `before`, of the source clip. Returns (…, H, W).
    """
    return (warp(before, flow) - after).square().mean(-1)


def pixel_mse(before: Tensor, after: Tensor, flow: Tensor, hidden: Tensor) -> Tensor:
    """Pixel-MSE (Pix2Video, Rerender-a-Video): residual set to 0 where hidden, then mean over all pixels.

    Arguments as `warp_residual`; hidden (…, H, W) bool, pixels of `after` that `before` does not show.
    Returns one value per pair, (…).
    """
    return (warp_residual(before, after, flow) * ~hidden).mean((-2, -1))


def warp_err(before: Tensor, after: Tensor, flow: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Warp-Err (VideoGrain, after FLATTEN): 100 · mean residual over visible pixels, without `hidden` over all.

    The papers do not say how they treat hidden pixels. Masked, it is Pixel-MSE × 100 / the share of visible pixels.
    Arguments as `pixel_mse`. Returns one value per pair, (…); NaN where all is hidden.
    """
    residual = warp_residual(before, after, flow)
    if hidden is None:
        return 100 * residual.mean((-2, -1))
    return 100 * (residual * ~hidden).sum((-2, -1)) / (~hidden).sum((-2, -1))


def q_edit(clip_t: float, warp_err: float) -> float:
    """Q-edit (VideoGrain): CLIP-T / Warp-Err, both × 100; infinite, with CLIP-T's sign, for a Warp-Err of 0."""
    return clip_t / warp_err if warp_err else clip_t * inf


# Pixels.


def psnr(a: Tensor, b: Tensor, where: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB, from one mean squared error over all frames, pixels and channels.

    a, b (…, H, W, C) in 0…1; where (…, H, W) bool, the pixels that count. Infinite for equal pixels, NaN for none.
    """
    return psnrs(a, b, where)[1]


def psnrs(a: Tensor, b: Tensor, where: Tensor | None = None) -> tuple[list[float], float]:
    """PSNR of every frame, and of the whole clip, in one frame's memory. Arguments as `psnr`."""
    a, b = (clip.reshape(-1, *clip.shape[-3:]) for clip in (a, b))
    masks = [None] * len(a) if where is None else where.reshape(-1, *where.shape[-2:])
    errors = []
    for one, other, mask in zip(a, b, masks, strict=True):
        error = (one - other).square().mean(-1)
        error = error if mask is None else error[mask]
        errors.append((float(error.sum(dtype=torch.float64)), error.numel()))
    whole = _decibel(sum(total for total, _ in errors), sum(count for _, count in errors))
    return [_decibel(*error) for error in errors], whole


def _decibel(total: float, count: int) -> float:
    """PSNR in dB from a sum of squared errors over `count` numbers."""
    mean = total / count if count else nan
    return -10 * log10(mean) if mean else inf


def background_psnr(source: Tensor, edited: Tensor, regions: Tensor) -> float:
    """Background PSNR in dB, outside the union of the regions: how well the edit kept what should not change.

    source, edited (F, H, W, 3) in 0…1; regions (K, F, H, W) bool. NaN where the regions cover every pixel.
    """
    return psnr(source, edited, ~regions.any(0))


# Places.

LEFT, RIGHT, ABOVE, BELOW = RELATIONS = ("left of", "right of", "above", "below")
WAYS = {LEFT: (0, 1), RIGHT: (0, -1), ABOVE: (1, 1), BELOW: (1, -1)}  # axis, and the sign of b - a on it

Centres = Mapping[str, Sequence[tuple[float, float]]]  # in one picture: thing -> (x, y) of each detection
Relation = tuple[str, str, str]  # thing, one of RELATIONS, thing
Counts = Mapping[str, int]  # in one picture: thing -> number that there should be


def share_of(hits: list[bool]) -> float:
    """Share of true values, 0…1; NaN for an empty list."""
    return sum(hits) / len(hits) if hits else nan


class Visor(NamedTuple):
    """VISOR in percent. oa: pictures with every thing; cond: of those, pictures with every relation; uncond: of all.

    NaN for no picture.
    """

    uncond: float
    cond: float
    oa: float


def visor(
    detected: Sequence[Centres], relations: Sequence[Sequence[Relation]], counts: Sequence[Counts] | None = None
) -> Visor:
    """VISOR (Gokhale et al. 2022), each frame one picture: the share of pictures with the wanted spatial relations.

    A relation holds if the centres of any pair of the two things are so, x to the right and y down.
    detected, relations, counts: one entry per frame. A frame without relations does not count. A thing without a count
    is needed once, or twice in a relation with its own kind.
    """
    frames = zip(detected, relations, counts or [{}] * len(detected), strict=True)
    asked = [(found, pairs, needed(pairs, count)) for found, pairs, count in frames if pairs]
    there = [all(len(found.get(name, ())) >= least for name, least in names.items()) for found, _, names in asked]
    right = [
        seen and all(_related(found, *pair) for pair in pairs)
        for seen, (found, pairs, _) in zip(there, asked, strict=True)
    ]
    uncond, oa = 100 * share_of(right), 100 * share_of(there)
    return Visor(uncond, 100 * sum(right) / sum(there) if any(there) else nan, oa)


def needed(relations: Sequence[Relation], counts: Counts) -> dict[str, int]:
    """The number of each thing that the relations of one picture need, in the order of the names."""
    least: dict[str, int] = {}
    for a, _, b in relations:
        for name in (a, b):
            least[name] = max(least.get(name, 0), counts.get(name, 1), 2 if a == b else 1)
    return least


def _related(found: Centres, a: str, relation: str, b: str) -> bool:
    axis, sign = WAYS[relation]
    return any(sign * (q[axis] - p[axis]) > 0 for p in found.get(a, ()) for q in found.get(b, ()))


def relation_between(a: tuple[float, float], b: tuple[float, float]) -> str:
    """The relation of centre a to centre b, (x, y) each, along the axis on which they differ more."""
    across, down = b[0] - a[0], b[1] - a[1]
    if abs(across) >= abs(down):
        return LEFT if across >= 0 else RIGHT
    return ABOVE if down >= 0 else BELOW
