"""Regions as solid things: which of them are things and not places, and their masks at the frames' size."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.regions import Regions, clip_masks, fitted, require_a_mask_a_frame


def is_ground(masks: Tensor) -> bool:
    """Whether a region, (F, H, W), is a place and no thing: it covers most of the picture, or reaches three of its borders."""
    shown = masks[(masks > 0.5).flatten(1).any(1)] > 0.5
    if not len(shown):
        return False
    borders = torch.stack([shown[:, 0].any(1), shown[:, -1].any(1), shown[..., 0].any(1), shown[..., -1].any(1)])
    return bool(shown.float().mean() > 0.5) or bool((borders.sum(0) >= 3).float().mean() > 0.5)


def masks_of(regions: Regions, frames: Tensor, node: str, whose: str) -> Tensor:
    """The regions' masks at the size of the frames (F, H, W, 3): (K, F, H, W) bool. node, whose: for the message, the node in the
    possessive and the input that masks come from.
    """
    require_a_mask_a_frame(regions, len(frames), f"{node} `frames` has", whose)
    masks = clip_masks(regions, len(frames))
    return torch.stack([fitted(mask.float(), *frames.shape[1:3]) > 0.5 for mask in masks])
