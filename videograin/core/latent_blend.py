"""Latent blend (VideoGrain Eq. 7): outside the mask the edit follows the source.

Everything happens in x_0, never by writing into the sampler's x: the model is shown the source at the right noise
level, and the prediction returned there is the one that leads a deterministic sampler onto the source's path.
"""

from __future__ import annotations

from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

INVERSION, RENOISED, IRJS, PROGRESSIVE = MODES = ("inversion", "renoised", "irjs", "progressive")
PATHS = (INVERSION, PROGRESSIVE)  # modes that hold the background to one path of the source through all levels
BOUNDARY = 8  # latent cells, of "progressive" at its first step
FRESH, FIXED = NOISES = ("fresh", "fixed")  # of "irjs": drawn anew at each level, or once


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


def progressive_mask(mask: Tensor, reach: float) -> Tensor:
    """The mask with a ramp 1 - d / reach around it, d cells outside, counted as the feather is.

    The idea is VIA's Progressive Boundary Integration, which avoids both seams and a result like the source; the formula
    is ours. A reach that shrinks to nothing is loose while things take shape and exact when details do.

    Args: mask from `blend_mask`; reach in cells, 1 or less for none. Returns the shape of `mask`.
    """
    ring, ramp = (mask == 1).to(mask), mask
    for distance in range(1, ceil(reach)):
        ring = F.max_pool2d(ring, 3, stride=1, padding=1)
        ramp = torch.maximum(ramp, ring * (1 - distance / reach))
    return ramp


def remaining(sigma: float, sigmas: list[float]) -> float:
    """1 at the first level of a descending list, 0 at the last step's, by steps; straight in sigma between two levels."""
    steps = len(sigmas) - 1
    step = next((i for i in range(steps) if sigmas[i + 1] < sigma), steps - 1)
    done = step + max(0.0, (sigmas[step] - sigma) / (sigmas[step] - sigmas[step + 1]))
    return max(0.0, 1 - done / (steps - 1)) if steps > 1 else 0.0


def mix(mask: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """mask·inside + (1 - mask)·outside, exact to the bit where the mask is 0 or 1. Mask broadcasts."""
    mixed = torch.lerp(outside, inside, mask.to(inside.dtype).expand_as(inside))
    return torch.where(mask == 1, inside, torch.where(mask == 0, outside, mixed))


def towards(target: Tensor, x: Tensor, ratio: float) -> Tensor:
    """The x_0 whose Euler step from x lands on `target`: (Z(sigma') - r·x) / (1 - r), r = sigma'/sigma in [0, 1)."""
    return (target - ratio * x) / (1 - ratio)
