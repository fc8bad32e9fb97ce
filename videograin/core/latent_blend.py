"""Latent blend (VideoGrain Eq. 7): outside the mask the edit follows the source.

The blend changes x_0 and never writes into the sampler's x. Outside the mask the network is given the source at the
right noise level, and the x_0 returned there leads a deterministic sampler onto the source's path.
"""

from __future__ import annotations

from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

INVERSION, RENOISED, IRJS, PROGRESSIVE = MODES = ("inversion", "renoised", "irjs", "progressive")
PATHS = (INVERSION, PROGRESSIVE)  # modes in which the background follows one path of the source through all levels
BOUNDARY = 8  # latent cells: the ramp of "progressive" at its first step
FRESH, FIXED = NOISES = ("fresh", "fixed")  # the noise of "irjs": drawn anew at each level, or once


def blend_mask(masks: Tensor, height: int, width: int, grow: int = 0, feather: float = 0.0) -> Tensor:
    """The editable area on the latent grid.

    Args: masks (frames or 1, H, W), above 0.5 is inside; a cell with any pixel inside is inside. grow, latent cells by
    which the area is then widened; feather, width in cells of the ramp outside the widened area.
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
    """The mask with a ramp of 1 - d / reach at d cells outside it, d counted as for the feather.

    The idea is VIA's Progressive Boundary Integration, against seams and against edits that stay like the source; the
    formula is ours. The reach shrinks to 0: the border is loose while shapes form and exact while details do.

    Args: mask from `blend_mask`; reach in cells, 1 or less for no ramp. Returns the shape of `mask`.
    """
    ring, ramp = (mask == 1).to(mask), mask
    for distance in range(1, ceil(reach)):
        ring = F.max_pool2d(ring, 3, stride=1, padding=1)
        ramp = torch.maximum(ramp, ring * (1 - distance / reach))
    return ramp


def remaining(sigma: float, sigmas: list[float]) -> float:
    """The share of steps that remain: 1 at the first level of a descending list, 0 at the start of the last step.

    It falls evenly from step to step, and linearly in sigma between two levels.
    """
    steps = len(sigmas) - 1
    step = next((i for i in range(steps) if sigmas[i + 1] < sigma), steps - 1)
    done = step + max(0.0, (sigmas[step] - sigma) / (sigmas[step] - sigmas[step + 1]))
    return max(0.0, 1 - done / (steps - 1)) if steps > 1 else 0.0


def mix(mask: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """mask·inside + (1 - mask)·outside, exact to the bit where the mask is 0 or 1; the mask broadcasts."""
    mixed = torch.lerp(outside, inside, mask.to(inside.dtype).expand_as(inside))
    return torch.where(mask == 1, inside, torch.where(mask == 0, outside, mixed))


def towards(target: Tensor, x: Tensor, ratio: float) -> Tensor:
    """The x_0 whose Euler step from x lands on `target`: (Z(sigma') - r·x) / (1 - r), r = sigma'/sigma in [0, 1)."""
    return (target - ratio * x) / (1 - ratio)
