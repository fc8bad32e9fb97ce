"""Split Instances with a MODEL: the things of one mask, marked where they are apart, are followed by the model's keys."""

from __future__ import annotations

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..core.label_propagation import Settings
from ..masks.split_instances import Apart, in_order
from .track_regions import Marks, Shown, track


def split_by_model(model: ModelPatcher, shown: Shown, frames: Tensor, mask: Tensor, start: Apart, order: str) -> Tensor:
    """The things in a mask; each pixel of it is of the thing whose marks it is most like.

    Args: frames (F, H, W, 3) and mask (F, H, W) bool, of one clip; shown, the same clip; start and order as in
    masks.split_instances.split. Returns (K, F, H, W) bool, disjoint, with the mask as union; a thing out of sight has no
    pixel. Raises ValueError for a MODEL that cannot be looked into.
    """
    marks = Marks((start.frame,), torch.from_numpy(start.things[:, None]).float())
    return in_order(track(model, shown, frames, marks, Settings(), inside=mask).masks, start, order)
