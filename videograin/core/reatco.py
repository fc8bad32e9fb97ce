"""Placing objects by moving the latent: RAD of ReAtCo (Wang et al. 2024, §3.3, and the released code).

Each object's cross-attention, at 1/32 of the picture's sides, has a score inside the object's mask, which should be
high, and one outside, which should be low. The latent moves down the gradient of that loss before the denoising step:

    z <- z - s_t grad_z sum_i [(1 - S_i) + w·B_i]        S_i, B_i: inner and outer score of object i

z is the network's input, sqrt alpha_bar x with x the sampler's latent; so x moves sqrt(1 + sigma²) times as far.
"""

from __future__ import annotations

from math import exp, inf, sqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .noise_path import next_level
from .regions import Grid, membership

DEFAULT, REFERENCE = MODES = ("default", "reference")
CHUNK = 77  # tokens that CLIP encodes at once; the first and the last are no words
SHARPNESS = 100.0  # factor in the softmax over words
SIDE = exp(-1) / (1 + 2 * exp(-1))  # the released Gaussian's outer taps, 0.212; its middle one is 1 - 2 · SIDE
FIRST, LAST = 981, 1  # training timesteps of the original's fifty sampling steps, first and last
FADED = 0.5  # share of the squared strength that is left at LAST
REFINED = {981: 0.05, 781: 0.5, 581: 0.8}  # training step at which the original refines -> inner score that ends it


class Place(NamedTuple):
    """An object and the place where it belongs.

    name: its words. mask: (frames or 1, H, W), above 0.5 is inside. tokens: (text tokens,) bool, its words' rows in the
    encoding.
    """

    name: str
    mask: Tensor
    tokens: Tensor


def word_maps(maps: Tensor, words: Tensor) -> Tensor:
    """Word maps: the share of each object among all words of the prompt, smoothed over space and time.

    Args: maps (F, h, w, L), cross-attention as probabilities, mean over layers and heads; words (K, L) bool.
    Returns (K, F, h, w), 0 to 1: the mean over an object's tokens.
    """
    kept = [token for token in range(maps.shape[-1]) if token % CHUNK not in (0, CHUNK - 1)]
    shares = (SHARPNESS * maps[..., kept]).softmax(-1)
    weights = words[:, kept].to(shares)
    found = torch.einsum("fhwl,kl->kfhw", shares, weights / weights.sum(1, keepdim=True))
    for axis in (1, 2, 3):
        found = _smoothed(found, axis)
    return found


def _smoothed(x: Tensor, axis: int) -> Tensor:
    """A three-tap Gaussian along one axis, reflected at its ends."""
    size = x.shape[axis]
    if size == 1:
        return x
    places = torch.arange(size, device=x.device)
    before = x.index_select(axis, (places - 1).abs())
    after = x.index_select(axis, size - 1 - (size - 2 - places).abs())
    return (1 - 2 * SIDE) * x + SIDE * (before + after)


def token_masks(masks: Tensor, grid: Grid, mode: str) -> Tensor:
    """The objects' masks on the maps' grid, (K, frames, h, w) bool; masks (K, frames, H, W) bool.

    "reference" takes the tokens whose middle is inside; for a box this rounds its edges, as released.
    """
    if mode == REFERENCE:
        return F.interpolate(masks.float(), (grid.height, grid.width), mode="nearest-exact") > 0.5
    return membership(masks, grid)


def scores(maps: Tensor, inside: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Inner and outer score of each object: the mean of the highest `share` of values inside its mask, and outside.

    Args: maps (K, F, h, w); inside (K, F, h, w) bool. Returns (K,) twice, means over the frames that have an inside, or
    an outside. Without any such frame the inner score is 1, the outer 0.
    """
    inner = [_top(values, mask, share, empty=1.0) for values, mask in zip(maps, inside, strict=True)]
    outer = [_top(values, ~mask, share, empty=0.0) for values, mask in zip(maps, inside, strict=True)]
    return torch.stack(inner), torch.stack(outer)


def _top(maps: Tensor, where: Tensor, share: float, empty: float) -> Tensor:
    found = []
    for values, mask in zip(maps, where, strict=True):
        if count := int(mask.sum()):
            found.append(values[mask].topk(max(1, int(share * count))).values.mean())
    return torch.stack(found).mean() if found else maps.new_tensor(empty)


def placing_loss(inner: Tensor, outer: Tensor, outer_weight: float) -> Tensor:
    """L = sum_i (1 - S_i) + w·B_i; inner, outer (K,)."""
    return (1 - inner).clamp(min=0).sum() + outer_weight * outer.clamp(min=0).sum()


def refining_loss(inner: Tensor) -> Tensor:
    """max_i (1 - S_i): refinement moves the object that is placed worst; inner (K,)."""
    return (1 - inner).max()


def step_size(timestep: float, strength: float) -> float:
    """s_t = strength · sqrt(f), f falling from 1 to ½ over the schedule; timestep: 0 to 999 in training steps."""
    done = min(max((FIRST - timestep) / (FIRST - LAST), 0.0), 1.0)
    return strength * sqrt(1 - (1 - FADED) * done)


def refined_levels(timesteps: list[float]) -> dict[int, float]:
    """Levels at which the latent is refined: index into the sampler's levels -> inner score that ends refinement.

    timesteps: of the levels, falling. Each of the original's three timesteps takes the first level at or below it. If
    that is the second level, the first level takes its place where it is nearer, since some schedules begin at 999. A
    timestep is left out where sampling began after it.
    """
    found, gap = {}, timesteps[0] - timesteps[1] if len(timesteps) > 1 else inf
    for point, score in REFINED.items():
        level = next((i for i, timestep in enumerate(timesteps) if timestep <= point + 0.5), None)
        if level is None or timesteps[0] < point - gap:
            continue
        if level == 1 and timesteps[0] - point < point - timesteps[1]:
            level = 0
        found[level] = score
    return found


def carried(denoised: Tensor, moved: Tensor, x: Tensor, sigma: float, sigmas: list[float]) -> Tensor:
    """The x_0 that makes an Euler step from x end where the step from `moved` with `denoised` ends.

    denoised + r / (1 - r) · (moved - x), r = sigma'/sigma. Between two levels of the list, the move is spread evenly
    over the step around sigma.
    """
    lower = next_level(sigma, sigmas)
    upper = min((level for level in sigmas if level >= sigma * (1 - 1e-5)), default=sigma)
    return denoised + sigma * lower / (upper * (upper - lower)) * (moved - x)
