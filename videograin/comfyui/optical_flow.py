"""Optical flow of a clip: core's RAFT where one is connected, else OpenCV's DIS; with progress and cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_management
import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.optical_flow import dis_flow
from .progress import watcher

FlowFunction = Callable[[Tensor, Tensor], Tensor]


def flow_function(optical_flow: Any, node: str) -> FlowFunction:
    """Flow from one frame to another, (H, W, 3) each; optical_flow, core's OPTICAL_FLOW or None. node: for messages."""
    return dis_flow if optical_flow is None else raft(optical_flow, node)


def dis_between(frames: Tensor) -> Callable[[int, int], Tensor]:
    """OpenCV's DIS from one frame of a clip to another, by their numbers, with progress over a walk through all frames."""
    watch, asked = watcher(), 0

    def flow(first: int, second: int) -> Tensor:
        nonlocal asked
        asked += 1
        watch(min(1.0, asked / max(1, len(frames) - 1)))
        return dis_flow(frames[first, ..., :3], frames[second, ..., :3])

    return flow


def raft(optical_flow: Any, node: str) -> FlowFunction:
    """Flow by the RAFT of core's Load Optical Flow Model, as a function like `dis_flow`."""
    from torchvision.models.optical_flow import RAFT

    network = getattr(optical_flow, "model", None)
    if not isinstance(network, RAFT):
        raise ValueError(
            f"{node}'s `optical_flow` is a {type(network or optical_flow).__name__}; it takes the RAFT of ComfyUI's "
            "Load Optical Flow Model. Connect that, or nothing, for OpenCV's DIS."
        )

    def flow(first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[:2]
        below, right = (max(128, -(-side // 8) * 8) - side for side in (height, width))  # RAFT's least, and its cells
        pair = torch.stack((first, second)).movedim(-1, 1) * 2 - 1
        pair = F.pad(pair, (0, right, 0, below), mode="replicate").to(optical_flow.load_device)
        cells = pair.shape[-2] * pair.shape[-1] // 64
        # RAFT compares every cell with every other, in float32, and keeps a pyramid of it.
        comfy.model_management.load_models_gpu([optical_flow], memory_required=12 * cells**2)
        try:
            found = network(pair[:1], pair[1:])[-1][0]
        finally:
            network.corr_block.corr_pyramid = []  # otherwise kept until the next call: gigabytes at 1080p
        return found[:, :height, :width].movedim(0, -1).to(first)

    return flow
