"""Previews side by side on one sheet, each with a caption below."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

ACROSS, MARGIN, BAR = 320, 8, 34  # pixels: of a picture, around it, of its caption
INK, CHOSEN = (30, 30, 30), (0, 110, 60)


def sheet(pictures: Tensor, captions: list[tuple[str, str]], chosen: int) -> Tensor:
    """Pictures (n, H, W, 3) float in 0…1 in about as many rows as columns, the chosen one with a frame: (1, h, w, 3) float32.

    chosen: its place, from 0. captions: of each, what stands on the left and on the right below it, in ASCII: the font has little more.
    """
    height, width = pictures.shape[1:3]
    size = (max(1, round(ACROSS * height / width)), ACROSS)
    across = ceil(len(pictures) ** 0.5)
    rows = -(-len(pictures) // across)
    step = size[0] + BAR + MARGIN, ACROSS + MARGIN
    image = Image.new("RGB", (across * step[1] + MARGIN, rows * step[0] + MARGIN), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    for place, (picture, (left, right)) in enumerate(zip(pictures, captions, strict=True)):
        top, begin = (MARGIN + count * length for count, length in zip(divmod(place, across), step, strict=True))
        image.paste(_resized(picture, size), (begin, top))
        colour = CHOSEN if place == chosen else INK
        if place == chosen:
            draw.rectangle((begin - 4, top - 4, begin + ACROSS + 3, top + size[0] + 3), outline=CHOSEN, width=4)
        middle = top + size[0] + BAR // 2 + 2
        draw.text((begin + 4, middle), left, colour, font, anchor="lm")
        draw.text((begin + ACROSS - 4, middle), right, colour, font, anchor="rm")
    return torch.from_numpy(np.array(image)).float()[None] / 255


def _resized(picture: Tensor, size: tuple[int, int]) -> Image.Image:
    found = F.interpolate(picture[None].float().cpu().movedim(-1, 1), size, mode="bilinear", antialias=True)
    return Image.fromarray((found[0].movedim(0, -1).clamp(0, 1) * 255).round().byte().numpy())
