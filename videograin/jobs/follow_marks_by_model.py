"""Regions with a MODEL: what is marked in some frames is followed by the network that edits the clip.

GrabCut cuts each thing out where it is marked, as without a MODEL; from there its masks are carried by keys, not by flow.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ..backbones.base import Need
from ..comfyui.validate import require_family
from ..core.label_propagation import Settings
from ..masks.grabcut import painted
from ..masks.marks import STROKES, Mark
from .track_regions import Known, Marks, Tracked, enlargement, from_frames, track


def follow_marks_by_model(
    model: ModelPatcher, vae: VAE, frames: Tensor, marks: Sequence[Sequence[Mark]], starts: Sequence[Marks], node: str
) -> Tracked:  # fmt: skip
    """The marked things in every frame (F, H, W, 3).

    Args: marks of each thing; starts, its masks in the frames in which it is marked, at least one each. What is erased in a
    frame without such a mask is taken away there.
    """
    require_family(model, node, Need.FRAME_BATCH)
    shown = from_frames(model, vae, frames, enlargement(model, frames), node)
    found = track(model, shown, frames, Known(starts), Settings())
    for masks, each, known in zip(found.masks, marks, starts, strict=True):
        for frame in {mark.frame for mark in each if mark.kind in STROKES} - set(known):
            here = [mark for mark in each if mark.frame == frame]
            masks[frame] = torch.from_numpy(painted(masks[frame].numpy(), here))
    return found
