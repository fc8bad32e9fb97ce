"""Doubtful regions marked on a clip: an outline in the region's colour, and its number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core.regions import fitted
from .centre import centre
from .palette import shades


def marked(frames: Tensor, masks: Tensor, doubts: Sequence[Sequence[int]]) -> Tensor:
    """Frames (F, H, W, 3 or more) in 0…1 with each region outlined where it is doubted: (F, H, W, 3) float32.

    masks: (K, F, h, w) bool. doubts: of each region, the numbers of the frames.
    """
    found = frames[..., :3].float().cpu().clone()
    height, width = found.shape[1:3]
    for number, (colour, mask, where) in enumerate(zip(shades(len(masks)), masks, doubts, strict=True), 1):
        for frame in where:
            inside = fitted(mask[frame : frame + 1], height, width)[0] > 0.5
            if inside.any():
                found[frame] = _outlined(found[frame], inside, colour, str(number))
    return found


def _outlined(picture: Tensor, inside: Tensor, colour: tuple[int, int, int], number: str) -> Tensor:
    """picture (H, W, 3); inside (H, W) bool."""
    thick = max(1, round(max(inside.shape) / 160))  # pixels, on each side of the edge
    side = 2 * thick + 1
    area = inside[None].float()
    grown, core = (sign * F.max_pool2d(sign * area, side, stride=1, padding=thick)[0] > 0.5 for sign in (1, -1))
    picture = picture.clone()
    picture[grown & ~core] = torch.tensor(colour) / 255
    image = Image.fromarray((picture.clamp(0, 1) * 255).round().byte().numpy())
    y, x = centre(inside)
    font = ImageFont.load_default(max(12, max(inside.shape) // 14))
    ImageDraw.Draw(image).text((x, y), number, "black", font, anchor="mm", stroke_width=2, stroke_fill="white")
    return torch.from_numpy(np.array(image)).float() / 255
