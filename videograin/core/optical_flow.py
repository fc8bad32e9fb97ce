"""Optical flow: estimation (OpenCV DIS), backward warping, and the forward–backward occlusion check.

One convention throughout. Pictures are (…, H, W, C), channels last. A flow from picture A to picture B is (…, H, W, 2)
on A's grid: (x, y) in pixels, x to the right, y down; the point at p in A is at p + flow[p] in B.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DIS = "OpenCV DIS, medium"
SHORTEST = 32  # pixels, and at least a quarter of the long side: on thinner frames OpenCV's DIS reads out of bounds


def dis_flow(first: Tensor, second: Tensor) -> Tensor:
    """Dense flow by OpenCV's Dense Inverse Search (Kroeger et al., 2016), preset “medium”, on the grey values.

    Args: first, second (H, W, 3) float in 0…1, RGB. Returns the flow from first to second, (H, W, 2) float32, CPU.
    Raises ImportError with the fix where OpenCV does not load.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"Optical flow needs OpenCV, which does not load here ({error}). Run `pip install opencv-python`; where "
            "libGL is missing, `apt install libgl1`, or `pip install opencv-python-headless` in its place."
        ) from error

    height, width = first.shape[:2]
    least = max(SHORTEST, -(-max(height, width) // 4))
    below, right = max(0, least - height), max(0, least - width)
    grey = []
    for frame in (first, second):
        pixels = (frame.detach().cpu().float().clamp(0, 1) * 255).round().numpy().astype(np.uint8)
        padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
        grey.append(cv2.cvtColor(padded, cv2.COLOR_RGB2GRAY))
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    return torch.from_numpy(found)[:height, :width].contiguous()


def targets(flow: Tensor) -> Tensor:
    """The target of each pixel, p + flow[p]: (…, H, W, 2) in pixels."""
    height, width = flow.shape[-3:-1]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    grid_y, grid_x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((grid_x, grid_y), -1) + flow


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Backward warping: picture B pulled onto A's grid by the flow from A to B, out[p] = B[p + flow[p]].

    Args: picture (…, H, W, C) float; flow (…, H, W, 2). Bilinear; beyond the frame, the nearest edge pixel is used.
    Returns the shape of `picture`.
    """
    height, width = flow.shape[-3:-1]
    span = flow.new_tensor((max(width - 1, 1), max(height - 1, 1)))
    grid = (targets(flow) * 2 / span - 1).reshape(-1, height, width, 2)  # the first and the last pixel are at -1 and 1
    channels_first = picture.reshape(-1, *picture.shape[-3:]).movedim(-1, 1)
    warped = F.grid_sample(channels_first, grid.to(picture), "bilinear", "border", align_corners=True)
    return warped.movedim(1, -1).reshape(picture.shape)


def warp_masks(masks: np.ndarray, flow: Tensor) -> np.ndarray:
    """Masks of picture B, (…, H, W) bool, pulled onto A's grid by the flow from A to B, (H, W, 2)."""
    stacked = torch.from_numpy(masks).float().reshape(-1, *masks.shape[-2:]).movedim(0, -1)
    return (warp(stacked, flow).movedim(-1, 0) > 0.5).reshape(masks.shape).numpy()


def leaves_frame(flow: Tensor) -> Tensor:
    """Pixels whose target lies outside the other frame, half a pixel beyond the last centre: (…, H, W) bool."""
    height, width = flow.shape[-3:-1]
    x, y = targets(flow).unbind(-1)
    return (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)


def occluded(there: Tensor, back: Tensor) -> Tensor:
    """Occlusion: pixels of A that B does not show, because the flow there and back does not return or leaves the frame.

    This is the forward–backward check of Rerender-a-Video and GMFlow: ||there + back|| above
    0.01 · (||there|| + ||back||) + 0.5 pixels, with `back` read at the target of `there`.

    Args: there, the flow from A to B; back, from B to A; both (…, H, W, 2). Returns (…, H, W) bool on A's grid.
    """
    back = warp(back, there)
    error = (there + back).norm(dim=-1)
    allowed = 0.01 * (there.norm(dim=-1) + back.norm(dim=-1)) + 0.5
    return (error > allowed) | leaves_frame(there)
