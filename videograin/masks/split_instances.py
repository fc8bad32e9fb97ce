"""Instances of one mask: its connected parts as separate things, followed through the clip.

The things are separated in the frame where the parts are most distinct. From there each is carried to the next frame,
along the optical flow if there is one, and takes the part at its expected place; where things touch, a pixel goes to
the nearest expected outline. So things that meet and part again keep their number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.optical_flow import warp_masks

LEFT_TO_RIGHT, TOP_TO_BOTTOM, LARGE_TO_SMALL = ORDERS = ("left to right", "top to bottom", "large to small")
CLAIM = 0.25  # share of a thing's expected area that must lie in a part for the thing to own pixels of it

Back = Callable[[int, int], Tensor]  # frame numbers (now, before) -> the flow from now to before, (H, W, 2)


class Apart(NamedTuple):
    """The frame that shows the things best apart, and the things there, (K, H, W) bool."""

    frame: int
    things: np.ndarray


def apart(mask: Tensor, count: int) -> Apart:
    """The frame whose count-th largest part is the largest, its parts shared among the `count` largest.

    mask (F, H, W) bool; count >= 1. Raises ValueError if no frame has so many parts.
    """
    from scipy.ndimage import label

    masks = mask.numpy()
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
    return Apart(frame, shared_out(masks[frame], np.stack([parts[frame] == number for number in largest])))


def split(mask: Tensor, start: Apart, order: str, back: Back | None = None) -> Tensor:
    """The things in a mask; each keeps its number through the clip.

    Args: mask (F, H, W) bool; start, as `apart` finds it; order, one of ORDERS; back, optical flow, None to expect things
    at their last place. Returns (K, F, H, W) bool, disjoint, with the mask as union.
    """
    masks, (first, things) = mask.numpy(), start
    found = np.zeros((len(things), *masks.shape), bool)
    found[:, first] = things
    for ahead in (range(first + 1, len(masks)), range(first - 1, -1, -1)):
        expected, last = things, first
        for frame in ahead:
            expected = carried(expected, None if back is None else back(frame, last))
            found[:, frame] = shared_out(masks[frame], expected)
            visible = found[:, frame].any((1, 2))  # a hidden thing stays expected at its last place
            expected, last = np.where(visible[:, None, None], found[:, frame], expected), frame
    return in_order(torch.from_numpy(found), start, order)


def shared_out(mask: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """A mask shared among things: each part goes to the thing expected there; with several, each pixel to the nearest.

    Args: mask (H, W) bool; expected (K, H, W) bool, none empty. Returns (K, H, W) bool.
    """
    from scipy.ndimage import distance_transform_edt, label

    distance = np.stack([distance_transform_edt(~thing) for thing in expected])
    found = np.zeros_like(expected)
    parts, number = label(mask)
    for part in (parts == index for index in range(1, number + 1)):
        share = (expected & part).sum((1, 2)) / expected.sum((1, 2))
        owners = np.flatnonzero(share >= CLAIM)
        if len(owners) == 0:  # then the nearest thing
            owners = distance[:, part].mean(1).argmin(keepdims=True)
        nearest = owners[distance[owners].argmin(0)]
        for owner in owners:
            found[owner] |= part & (nearest == owner)
    return found


def carried(things: np.ndarray, flow: Tensor | None) -> np.ndarray:
    """Things (K, H, W) bool carried along a flow from the next frame to theirs; a thing that would leave stays put."""
    if flow is None:
        return things
    moved = warp_masks(things, flow)
    return np.where(moved.any((1, 2), keepdims=True), moved, things)


def in_order(found: Tensor, start: Apart, order: str) -> Tensor:
    """Things (K, F, H, W) bool in one of ORDERS: as they stand where they are best apart, or by size over all frames."""
    if order == LARGE_TO_SMALL:
        return found[torch.argsort(found.sum((1, 2, 3)), descending=True, stable=True)]
    axis = 1 if order == LEFT_TO_RIGHT else 0
    middles = [np.argwhere(thing)[:, axis].mean() for thing in start.things]
    return found[torch.from_numpy(np.argsort(middles, kind="stable"))]
