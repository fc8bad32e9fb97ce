"""Split Instances with a MODEL: the things of one mask, marked where they are apart, are followed by the model's keys."""

from __future__ import annotations

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..core.label_propagation import SURE, Settings
from ..masks.split_instances import Apart, in_order
from .track_regions import Known, Shown, Tracked, track


def split_by_model(
    model: ModelPatcher, shown: Shown, frames: Tensor, mask: Tensor, start: Apart, order: str
) -> Tensor | None:  # fmt: skip
    """The things in a mask; each pixel of it is of the thing whose marks it is most like.

    Args: frames (F, H, W, 3) and mask (F, H, W) bool, of one clip; shown, the same clip; start and order as in
    masks.split_instances.split. Returns (K, F, H, W) bool, disjoint, with the mask as union; a thing out of sight has no
    pixel. None if the things look so alike that the model cannot tell which is which. Raises ValueError for a MODEL that
    cannot be looked into.
    """
    marks = [{start.frame: thing.float()} for thing in torch.from_numpy(start.things)]
    found = track(model, shown, frames, Known(marks, mask), Settings())
    return in_order(found.masks, start, order) if told_apart(found, start.frame) else None


def told_apart(found: Tracked, marked: int) -> bool:
    """Whether each thing is sure in at least half of the frames that show it, the marked one aside.

    Of twins, each spot's labels come from both, and taken back do not return to the one that was marked.
    """
    seen = found.masks.flatten(2).any(2)
    seen[:, marked] = False
    sure = seen & (found.confidence >= SURE)
    return bool((2 * sure.sum(1) >= seen.sum(1)).all())
