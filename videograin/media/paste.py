"""Paste of an edit over its source: the edit inside the mask, a soft edge around it, else the source to the bit."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.cells import overlap, put_back, same_clip
from ..core.latent_blend import mix

logger = logging.getLogger("videograin")

NODE = "Paste Edit"


def paste(
    source: Tensor,
    edited: Tensor,
    areas: list[Tensor],
    grow: int,
    feather: int,
    warn: Callable[[str], None] = logger.warning,
) -> Tensor:
    """Pastes an edit over its source.

    Args: source (F, H, W, 3 or more) and edited (F, h, w, 3) in 0…1; edited may be cut or padded to whole latent cells
    (core/cells.py); pixels that it lacks are the source's. areas: masks (F or 1, H, W) in 0…1, pasted as their union;
    none for the whole picture. grow, feather: pixels, as in `soft`. warn: called with a text if masks are resized.
    Returns (F, H, W, 3) float32, equal to the source to the bit where the mask and its edge are 0.
    Raises ValueError for clips or masks that do not fit each other.
    """
    frames, height, width = source.shape[:3]
    _check(source, edited, areas)
    masks = [at_source(area, (height, width), warn) for area in areas]
    result = torch.empty(frames, height, width, 3)
    for number in range(frames):
        before = source[number : number + 1, ..., :3].float().cpu()
        after = put_back(edited[number : number + 1, ..., :3].float().cpu(), before)
        if masks:
            together = torch.stack([mask[number % len(mask)] for mask in masks]).amax(0)
            edge = soft(together, grow, feather)
            after = mix(edge[None, ..., None], after, before)
        result[number] = after[0]
    return result


def soft(mask: Tensor, grow: int, feather: int) -> Tensor:
    """A mask (H, W) grown by `grow` pixels, then falling evenly to 0 over `feather` more; unchanged if both are 0.

    Distances are Euclidean, so corners become round. Above 0.5 is inside.
    """
    import cv2

    if not (grow or feather):
        return mask
    inside = (mask > 0.5).numpy()
    if not inside.any():
        return mask
    distance = cv2.distanceTransform((~inside).astype("uint8"), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ramp = 1 - (torch.from_numpy(distance) - grow) / (feather + 1)
    return torch.maximum(mask, ramp.clamp(0, 1))


def at_source(masks: Tensor, size: tuple[int, int], warn: Callable[[str], None] = logger.warning) -> Tensor:
    """Masks (F, …) as (F, *size) float32: put in place if they fit the encoded part, else resized with a warning."""
    masks = masks.float().cpu().clamp(0, 1)
    own = tuple(masks.shape[1:])
    if own == size:
        return masks
    if same_clip(size, own):
        whole = masks.new_zeros(len(masks), *size)
        (rows, columns), (own_rows, own_columns) = overlap(size, own)
        whole[:, rows, columns] = masks[:, own_rows, own_columns]
        return whole
    warn(
        f"{NODE}: the masks are {own[1]}×{own[0]} pixels and were resized to the source's {size[1]}×{size[0]}. Give them the size of the "
        "frames to be sure they sit where you drew them."
    )
    return F.interpolate(masks[:, None], size, mode="bilinear")[:, 0]


def require_same_clip(source: Tensor, edited: Tensor, node: str) -> None:
    """Raises ValueError where edited frames are not those of the source, but for what encoding cuts or pads."""
    here, there = (f"{len(clip)} frames of {clip.shape[2]}×{clip.shape[1]}" for clip in (source, edited))
    if len(source) != len(edited) or not same_clip(tuple(source.shape[1:3]), tuple(edited.shape[1:3])):
        raise ValueError(
            f"{node}'s `source` has {here}, but its `edited` has {there}. Connect to `source` the frames that were encoded for "
            "the edit, as many; if you scaled the edit, scale it back to their size first."
        )


def _check(source: Tensor, edited: Tensor, areas: list[Tensor]) -> None:
    require_same_clip(source, edited, NODE)
    if wrong := [len(area) for area in areas if len(area) not in (1, len(source))]:
        raise ValueError(
            f"{NODE} has {wrong[0]} masks, but the clip has {len(source)} frames. Give it one mask, or one for each frame."
        )
