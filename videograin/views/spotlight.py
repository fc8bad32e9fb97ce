"""Spotlight: frames that are dark outside a mask."""

from __future__ import annotations

import torch
from torch import Tensor

DIMMED = 0.45  # brightness outside


def spotlight(frames: Tensor, mask: Tensor | None) -> Tensor:
    """Frames (F, H, W, 3 or more) in 0…1, dimmed outside the mask (F, H, W); unchanged if it is None or empty."""
    rgb = frames[..., :3].cpu()
    if mask is None or not mask.any():
        return rgb
    return torch.where(mask[..., None] > 0, rgb, DIMMED * rgb)
