"""Latent blend (VideoGrain Eq. 7): outside the mask the edit follows the source.

Everything happens in x₀, never by writing into the sampler's x: the model is shown the source at the right noise
level, and the prediction returned there is the one that leads a deterministic sampler onto the source's path.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

INVERSION, RENOISED = MODES = ("inversion", "renoised")


def blend_mask(masks: Tensor, height: int, width: int, grow: int = 0, feather: float = 0.0) -> Tensor:
    """The editable area on the latent grid.

    Args: masks (frames or 1, H, W), above 0.5 is inside; grow, latent cells the area is widened by (a cell that is
    covered at all is inside before that); feather, width in cells of the ramp outside the grown area.
    Returns (frames or 1, 1, height, width) float32: 1 inside, 0 outside.
    """
    inside = (masks > 0.5).float()[:, None]
    mask = F.adaptive_max_pool2d(inside, (height, width))
    if grow:
        mask = F.max_pool2d(mask, 2 * grow + 1, stride=1, padding=grow)
    ring, ramp = mask, mask
    for step in range(1, int(feather) + 1):
        ring = F.max_pool2d(ring, 3, stride=1, padding=1)
        ramp = torch.maximum(ramp, ring * (1 - step / (int(feather) + 1)))
    return ramp


def mix(mask: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """mask·inside + (1 − mask)·outside, exact to the bit where the mask is 0 or 1. Mask broadcasts."""
    mixed = torch.lerp(outside, inside, mask.to(inside.dtype).expand_as(inside))
    return torch.where(mask == 1, inside, torch.where(mask == 0, outside, mixed))


def towards(target: Tensor, x: Tensor, ratio: float) -> Tensor:
    """The x₀ whose Euler step from x lands on `target`: (Z(σ′) − r·x) / (1 − r), r = σ′/σ in [0, 1)."""
    return (target - ratio * x) / (1 - ratio)


def next_level(sigma: float, sigmas: list[float]) -> float:
    """σ′: the highest level of the sampler's list below σ, 0 below them all. Relative tolerance 1e-5."""
    return max((level for level in sigmas if level < sigma * (1 - 1e-5)), default=0.0)
