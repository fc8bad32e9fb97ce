"""Previews side by side on one sheet, each with a caption below."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

ACROSS, MARGIN, BAR, FRAME = 320, 8, 62, 4  # pixels: of a picture, around it, of its caption, of the chosen one's frame
INK, CHOSEN = (30, 30, 30), (0, 110, 60)


def sheet(pictures: Tensor, captions: list[str], chosen: int) -> Tensor:
    """Pictures (n, H, W, 3) float in 0…1 in about as many rows as columns, one of them framed: (1, h, w, 3) float32.

    captions: two lines each, in ASCII: the font has little more. chosen: the number of the framed one, from 0.
    """
    height, width = pictures.shape[1:3]
    size = (max(1, round(ACROSS * height / width)), ACROSS)
    across = ceil(len(pictures) ** 0.5)
    step = size[0] + BAR + MARGIN, ACROSS + MARGIN
    image = Image.new("RGB", (across * step[1] + MARGIN, ceil(len(pictures) / across) * step[0] + MARGIN), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        top, left = (MARGIN + count * length for count, length in zip(divmod(number, across), step, strict=True))
        image.paste(_resized(picture, size), (left, top))
        bottom = top + size[0]
        if number == chosen:
            corners = (left - FRAME, top - FRAME, left + ACROSS + FRAME - 1, bottom + FRAME - 1)
            draw.rectangle(corners, outline=CHOSEN, width=FRAME)
        colour = CHOSEN if number == chosen else INK
        draw.multiline_text((left + FRAME, bottom + FRAME), caption, colour, font, spacing=FRAME)
    return torch.from_numpy(np.array(image)).float()[None] / 255


def _resized(picture: Tensor, size: tuple[int, int]) -> Image.Image:
    found = F.interpolate(picture[None].float().cpu().movedim(-1, 1), size, mode="bilinear", antialias=True)
    return Image.fromarray((found[0].movedim(0, -1).clamp(0, 1) * 255).round().byte().numpy())
