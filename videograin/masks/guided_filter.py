"""Guided filter (He et al., ECCV 2010): coarse labels take the edges of a picture's colours.

Within each small square a label is fitted as a linear function of the colours; what the squares that cover a pixel say of
it is averaged.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTHNESS = 1e-4  # variance of colours, in 0 to 1, below which an edge is none


def guided(labels: Tensor, picture: Tensor, radius: int, smoothness: float = SMOOTHNESS) -> Tensor:
    """Labels with the picture's edges, (L, H, W) float32; their sum over L stays what it is.

    Args: labels (L, H, W) float; picture (H, W, 3) float in 0…1; radius of the squares in pixels, at least 1.
    """
    colours = picture.movedim(-1, 0).float()

    def mean(x: Tensor) -> Tensor:
        padded = F.pad(x[None], (radius,) * 4, mode="replicate")
        return F.avg_pool2d(padded, 2 * radius + 1, stride=1)[0]

    middle, level = mean(colours), mean(labels)
    square = mean(torch.einsum("ihw,jhw->ijhw", colours, colours).flatten(0, 1)).unflatten(0, (3, 3))
    spread = (square - middle[:, None] * middle[None]).permute(2, 3, 0, 1) + smoothness * torch.eye(3)
    joint = mean((labels[:, None] * colours[None]).flatten(0, 1)).unflatten(0, (-1, 3)) - level[:, None] * middle
    slope = torch.linalg.solve(spread, joint.permute(2, 3, 1, 0)).permute(3, 2, 0, 1)
    offset = level - (slope * middle).sum(1)
    slope = mean(slope.flatten(0, 1)).unflatten(0, (-1, 3))
    return (slope * colours).sum(1) + mean(offset)
