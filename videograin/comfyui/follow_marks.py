"""Marks followed through a clip: by OpenCV's DIS, with ComfyUI's progress bar and cancel."""

from __future__ import annotations

from torch import Tensor

from ..core.optical_flow import dis_flow
from ..masks.grabcut import Followed, follow
from ..masks.marks import Mark
from .progress import watcher


def follow_marks(frames: Tensor, marks: list[Mark]) -> Followed:
    """The marked thing in every frame (F, H, W, 3); the bar counts frames."""
    watch = watcher()

    def flow(first: int, second: int) -> Tensor:
        watch(0.0)  # only for a cancel: a frame takes more than one flow
        return dis_flow(frames[first, ..., :3], frames[second, ..., :3])

    return follow(frames, marks, flow, watch)
