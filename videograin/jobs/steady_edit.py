"""Steady Edit: what was edited flickers less, averaged along the motion of the things that were there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..comfyui.finite import require_colours
from ..comfyui.progress import Notes, counter
from ..core.cells import put_back
from ..core.regions import Regions
from ..features.base import REGION_MASK
from ..masks.body_motion import bending
from ..masks.grabcut import in_bytes
from ..masks.region_track import track
from ..masks.solid import is_ground, masks_of
from ..masks.steadying import steadied
from ..media.paste import require_same_clip

NODE = "Steady Edit"


def steady_edit(source: Tensor, edited: Tensor, regions: Regions, reach: int) -> Tensor:
    """Edited frames at the source's size, (F, H, W, 3) float32, steady inside every region that changes and is no place.

    Args: source (F, H, W, 3 or more) and edited (F, h, w, 3 or more) in 0…1; edited may be cut to whole latent cells. reach:
    frames before and after that are looked at.
    Raises ValueError for clips that do not fit each other, and where there is nothing to make steady.
    """
    _check(source, edited, regions)
    if not reach:
        return edited
    before = source[..., :3].float().cpu()
    found = put_back(edited[..., :3].float().cpu(), before).numpy().copy()
    masks = masks_of(regions, before, f"{NODE}'s", REGION_MASK)
    solid = torch.stack([mask & (not is_ground(mask)) for mask in masks]).numpy()
    things = [k for k, region in enumerate(regions) if solid[k].any() and not region.kept]
    if not things:
        raise ValueError(
            f"{NODE} has nothing to make steady: each of its `regions` is a place, keeps what it shows, or is empty. Connect "
            "regions of things that change."
        )
    clip, notes, tell = in_bytes(before), Notes(), counter(2 * len(before) * len(things))
    for k in things:
        notes.tell(f"Following region {k + 1} {regions[k].name}")
        others = np.delete(solid, k, 0).any(0) & ~solid[k]
        body = bending(clip, solid[k], others, track(solid[k], others, clip), tell)
        found = steadied(found, body, solid[k], others, reach, tell)
    return torch.from_numpy(found).clamp(0, 1)


def _check(source: Tensor, edited: Tensor, regions: Regions) -> None:
    require_same_clip(source, edited, NODE)
    if not regions:
        raise ValueError(
            f"{NODE}'s `regions` is empty. Connect those of the edit, from Regions or the last Region Prompt."
        )
    for name, clip in (("source", source), ("edited", edited)):
        require_colours(clip, f"{NODE}'s `{name}`", "Run it anew.")
