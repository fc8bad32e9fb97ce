"""Drawings laid into a clip along the tracks of masks, as somebody would paste them by hand, frame by frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..videograin.masks.grabcut import follow
from ..videograin.masks.marks import BOX, Mark
from ..videograin.media.paste import paste

MARGIN = 0.05  # around the thing in its drawing, in shares of a side: GrabCut needs some background


class Box(NamedTuple):
    """Edges in pixels; right and bottom are those of the last pixel plus one."""

    left: int
    top: int
    right: int
    bottom: int


def lay(frames: Tensor, masks: list[Tensor], drawings: list[Tensor], grow: int, feather: int) -> Tensor:
    """Lays a drawing into each mask, pasted with the soft edge of Paste Edit.

    Args: frames (F, H, W, 3); masks (F or 1, H, W) and drawings (h, w, 3), one of each for a thing; grow, feather: pixels.
    Returns (F, H, W, 3). In each frame the thing in the drawing fits into the mask's box and stands on its lower edge;
    what else is drawn around it fills the rest of the mask.
    """
    for mask, drawing in zip(masks, drawings, strict=True):
        mask = mask.expand(len(frames), -1, -1)
        thing, laid = thing_in(drawing), frames.clone()
        for number, place in enumerate(map(box_of, mask)):
            if place:
                laid[number] = moved(drawing, thing, place, tuple(frames.shape[1:3]))
        frames = paste(frames, laid, [mask], grow, feather)
    return frames


def thing_in(drawing: Tensor) -> Box:
    """The box of what is drawn, told from its background by GrabCut; the whole picture where nothing is found."""
    height, width = drawing.shape[:2]
    left, top = round(MARGIN * width), round(MARGIN * height)
    middle = Mark(BOX, (left, top, width - 1 - left, height - 1 - top), 0)
    found = follow(drawing[None], [middle], lambda one, other: None).masks[0]
    return box_of(found) or Box(0, 0, width, height)


def box_of(mask: Tensor) -> Box | None:
    """The box around a mask (H, W), inside above 0.5; None if it is empty."""
    y, x = (mask > 0.5).nonzero(as_tuple=True)
    return Box(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1) if len(x) else None


def moved(drawing: Tensor, thing: Box, place: Box, size: tuple[int, int]) -> Tensor:
    """A picture of `size` (H, W) in which the drawing's `thing` stands in `place`; beyond the drawing, its edge goes on."""
    height, width = drawing.shape[:2]
    scale = min(
        (place.right - place.left) / (thing.right - thing.left), (place.bottom - place.top) / (thing.bottom - thing.top)
    )
    x = (torch.arange(size[1]) + 0.5 - (place.left + place.right) / 2) / scale + (thing.left + thing.right) / 2
    y = (torch.arange(size[0]) + 0.5 - place.bottom) / scale + thing.bottom
    grid = torch.stack(torch.meshgrid(2 * x / width - 1, 2 * y / height - 1, indexing="xy"), -1)
    picture = drawing[..., :3].permute(2, 0, 1)[None].float()
    return F.grid_sample(picture, grid[None], padding_mode="border", align_corners=False)[0].permute(1, 2, 0)
