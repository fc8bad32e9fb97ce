"""One mask, several things: its connected parts told apart and followed through the clip.

The frame in which the parts are best separated tells them apart. From there each thing is carried to the next frame,
along the flow where there is one, and takes what lies where it is expected; where things touch, each pixel goes to the
one whose expected outline is nearest. So things that meet and part again keep their number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..core.optical_flow import warp_masks

LEFT_TO_RIGHT, TOP_TO_BOTTOM, LARGE_TO_SMALL = ORDERS = ("left to right", "top to bottom", "large to small")
CLAIM = 0.25  # of what is expected of a thing must lie in a part for the thing to have a share in it

Back = Callable[[int, int], Tensor]  # frames (now, before) -> flow from now to before, (H, W, 2)


def split(mask: Tensor, count: int, order: str, back: Back | None = None) -> Tensor:
    """The things in a mask, numbered alike through the clip.

    Args: mask (F, H, W) bool; count >= 1, how many; order, one of ORDERS, read off the frame in which they are best
    apart (sizes: off all frames); back, optical flow, None to expect things where they were.
    Returns (count, F, H, W) bool: disjoint, and together the mask. Raises ValueError where no frame has so many parts.
    """
    masks = mask.numpy()
    first, seeds = best_apart(masks, count)
    found = np.zeros((count, *masks.shape), bool)
    found[:, first] = shared_out(masks[first], seeds)
    for ahead in (range(first + 1, len(masks)), range(first - 1, -1, -1)):
        expected, last = found[:, first], first
        for frame in ahead:
            expected = carried(expected, None if back is None else back(frame, last))
            found[:, frame] = shared_out(masks[frame], expected)
            seen = found[:, frame].any((1, 2))  # a thing hidden for a while is expected where it was last
            expected, last = np.where(seen[:, None, None], found[:, frame], expected), frame
    return torch.from_numpy(found[_sorted(found, first, order)])


def best_apart(masks: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """The frame whose count-th largest part is largest, and its largest parts, (count, H, W) bool."""
    from scipy.ndimage import label

    parts = [label(frame)[0] for frame in masks]
    sizes = [np.bincount(each.ravel())[1:] for each in parts]
    smallest = [np.sort(each)[-count] if len(each) >= count else 0 for each in sizes]
    frame = int(np.argmax(smallest))
    if not smallest[frame]:
        most = max(map(len, sizes))
        raise ValueError(
            f"no frame of the mask has {count} separate parts; the most is {most}"
            + (". The things touch in every frame" if most else ", it is empty")
        )
    largest = 1 + np.argsort(-sizes[frame], kind="stable")[:count]
    return frame, np.stack([parts[frame] == number for number in largest])


def shared_out(mask: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Every part of a mask to the thing expected there, or, where several are, pixel by pixel to the nearest.

    Args: mask (H, W) bool; expected (K, H, W) bool, none empty. Returns (K, H, W) bool.
    """
    from scipy.ndimage import distance_transform_edt, label

    distance = np.stack([distance_transform_edt(~thing) for thing in expected])
    found = np.zeros_like(expected)
    parts, number = label(mask)
    for part in (parts == index for index in range(1, number + 1)):
        share = (expected & part).sum((1, 2)) / expected.sum((1, 2))
        owners = np.flatnonzero(share >= CLAIM)
        if len(owners) == 0:  # whose way is shortest
            owners = distance[:, part].mean(1).argmin(keepdims=True)
        nearest = owners[distance[owners].argmin(0)]
        for owner in owners:
            found[owner] |= part & (nearest == owner)
    return found


def carried(things: np.ndarray, flow: Tensor | None) -> np.ndarray:
    """(K, H, W) bool along a flow from the next frame to theirs; what would leave the frame stays where it was."""
    if flow is None:
        return things
    moved = warp_masks(things, flow)
    return np.where(moved.any((1, 2), keepdims=True), moved, things)


def _sorted(found: np.ndarray, first: int, order: str) -> np.ndarray:
    """The things' numbers in the order asked for."""
    if order == LARGE_TO_SMALL:
        return np.argsort(-found.sum((1, 2, 3)), kind="stable")
    axis = 1 if order == LEFT_TO_RIGHT else 0
    return np.argsort([np.argwhere(thing)[:, axis].mean() for thing in found[:, first]], kind="stable")
