"""Flow-Guided Attention's record: the motion of a clip, measured pair by pair."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..comfyui.optical_flow import flow_function
from ..comfyui.progress import watcher
from ..core.optical_flow import occluded
from ..features.flatten_paths import Motion


@torch.no_grad()
def motion(
    images: Tensor, optical_flow: Any, levels: tuple[int, ...], check_occlusion: bool, reuse_queries: bool
) -> Motion:
    """The record for a clip. Parameters as the node's tooltips say.

    images: (F, H, W, 3). Raises ValueError for a single frame.
    """
    if len(images) < 2:
        raise ValueError(
            "Flow-Guided Attention's `images` holds one frame, and nothing moves in it. Connect the frames of the clip."
        )
    flow, watch, images = flow_function(optical_flow, Motion.node), watcher(), images[..., :3]
    forward, hidden = [], []
    for pair, (now, after) in enumerate(pairwise(images)):
        forward.append(flow(now, after).float().cpu())
        if check_occlusion:
            hidden.append(occluded(forward[-1], flow(after, now).float().cpu()))
        watch((pair + 1) / (len(images) - 1))
    return Motion(torch.stack(forward), torch.stack(hidden) if hidden else None, levels, reuse_queries)
