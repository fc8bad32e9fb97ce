"""Guided filter (He et al., ECCV 2010): coarse labels take the edges of a picture's colours.

Within each small square a label is fitted as a linear function of the colours; what the squares that cover a pixel say of
it is averaged.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SMOOTHNESS = 1e-4  # variance of colours, in 0 to 1, below which an edge is none


def guided(labels: Tensor, picture: Tensor, radius: int, smoothness: float = SMOOTHNESS) -> Tensor:
    """Labels with the picture's edges, (L, H, W) float32; their sum over L stays what it is.

    Args: labels (L, H, W) float; picture (H, W, 3) float in 0…1; radius of the squares in pixels, at least 1.
    """
    import cv2

    colours, side = picture.movedim(-1, 0).float().contiguous(), 2 * radius + 1

    def mean(x: Tensor) -> Tensor:
        return torch.from_numpy(
            np.stack([cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE) for plane in x.numpy()])
        )

    middle, level = mean(colours), mean(labels)
    square = mean((colours[:, None] * colours[None]).flatten(0, 1)).unflatten(0, (3, 3))
    spread = square - middle[:, None] * middle[None] + smoothness * torch.eye(3)[..., None, None]
    joint = mean((labels[:, None] * colours[None]).flatten(0, 1)).unflatten(0, (-1, 3)) - level[:, None] * middle
    slope = torch.einsum("ijhw,ljhw->lihw", _inverse(spread), joint)
    offset = level - (slope * middle).sum(1)
    slope = mean(slope.flatten(0, 1)).unflatten(0, (-1, 3))
    return (slope * colours).sum(1) + mean(offset)


def _inverse(spread: Tensor) -> Tensor:
    """Of symmetric matrices (3, 3, H, W): by cofactors, in doubles; a solver takes 10 times as long for so small ones."""
    rows = spread.double().unbind(0)
    cofactors = torch.stack([torch.linalg.cross(rows[i - 2], rows[i - 1], dim=0) for i in range(3)])
    return (cofactors / (rows[0] * cofactors[0]).sum(0)).float()


def at_pixels(labels: Tensor, grid: tuple[int, int], picture: Tensor) -> Tensor:
    """Labels of tokens (n, L) float at the pixels of a picture (H, W, 3) in 0…1, whose edges they take: (L, H, W)."""
    size = tuple(picture.shape[:2])
    soft = F.interpolate(labels.T.unflatten(1, grid)[None], size, mode="bilinear")[0]
    radius = 2 + round(max(size[0] / grid[0], size[1] / grid[1]) / 2)  # half a token and a little
    return guided(soft, picture, radius)
