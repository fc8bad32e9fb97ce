"""Frames that are dark outside a mask."""

from __future__ import annotations

import torch
from torch import Tensor

DIMMED = 0.45  # brightness outside


def spotlight(frames: Tensor, mask: Tensor | None) -> Tensor:
    """frames (F, H, W, 3 or more) in 0…1, mask (F, H, W); as they are without a mask, or where it is empty everywhere."""
    seen = frames[..., :3].cpu()
    if mask is None or not mask.any():
        return seen
    return torch.where(mask[..., None] > 0, seen, DIMMED * seen)
