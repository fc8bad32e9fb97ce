"""Place Objects: its objects, from masks and boxes, and the tokens of their words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..comfyui.progress import warn
from ..comfyui.prompts import rows_of
from ..core.prompt_alignment import Prompt
from ..core.reatco import Place
from ..core.regions import Regions, clip_masks
from ..features.base import REGION_MASK
from ..masks.boxes import box_regions

ARTICLES = {"a", "an", "the"}  # words without a place


def objects(regions: Regions, boxes: str, frames: Tensor | None) -> Regions:
    """The objects of Region Prompts and those of boxes; frames (F, H, W, 3) are the boxes' clip.

    Raises ValueError for none at all, for a region without words, and for boxes that cannot be placed.
    """
    found = (*_named(regions), *_boxed(boxes, frames))
    if not found:
        raise ValueError(
            "Place Objects has nothing to place. Connect Region Prompts to its `regions`, or write a line such as “cat: "
            "24, 40, 60, 60” into its `boxes`."
        )
    return found


def _named(regions: Regions) -> Regions:
    """The Region Prompts; all have words."""
    for number, region in enumerate(regions, 1):
        if not region.phrase:
            raise ValueError(
                f"Region {number} of Place Objects' `regions` has no phrase, so there is nothing to bring there. Give its "
                "Region Prompt a `phrase`, or leave it out here."
            )
    return tuple(regions)


def _boxed(text: str, frames: Tensor | None) -> Regions:
    if not text.strip():
        return ()
    if frames is None:
        raise ValueError(
            "Place Objects' `boxes` are in pixels of the clip's frames, whose size and number it does not know. Connect the "
            "frames to its `frames`."
        )
    return box_regions(text, tuple(frames.shape[:3]), "Place Objects' `boxes`", warn)


def union(objects: Regions) -> Tensor:
    """All objects' masks as one, (frames, H, W) float32."""
    return clip_masks(objects, max(len(region.mask) for region in objects), whose=REGION_MASK).any(0).float()


def places(clip: Any, prompt: Prompt, objects: Regions) -> tuple[Place, ...]:
    """The objects with all tokens of their words, articles left out. Raises ValueError for words the prompt lacks."""
    pairs = zip(prompt.words, prompt.spelling, strict=True)
    small = {token.position for word, spelling in pairs if spelling.lower() in ARTICLES for token in word}
    found, owner = [], {}
    for region in objects:
        rows = rows_of(clip, prompt, region.phrase, "An object of Place Objects")
        rows = [row for row in rows if row not in small] or rows
        if taken := next((owner[row] for row in rows if row in owner), None):
            raise ValueError(
                f"Place Objects is to bring “{taken}” and “{region.phrase}” to places of their own, but they share words of "
                f"the prompt “{prompt.text}”. Name each object by words that are only its own, or join the two masks."
            )
        owner |= dict.fromkeys(rows, region.phrase)
        tokens = torch.zeros(prompt.length, dtype=torch.bool)
        tokens[rows] = True
        found.append(Place(region.phrase, region.mask, tokens))
    return tuple(found)
