"""The report on regions as one picture: a strip of frames with masks, the prompt in colours, areas and marks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core.cells import cut_like
from .centre import centre
from .palette import shades
from .region_report import Finding, Overview, extent

WIDTH, MARGIN, GAP = 960, 20, 6  # pixels
MOST, COLUMNS = 6, 3  # frames in the strip, and in a row of it
INK, PALE, WARNING = (30, 30, 30), (225, 225, 225), (170, 60, 0)
SPARKLINE = (180, 34)  # pixels

Colour = tuple[int, int, int]


def shown_frames(count: int) -> list[int]:
    """The numbers of at most MOST frames, evenly from the first to the last."""
    number = min(count, MOST)
    return [round(index * (count - 1) / max(number - 1, 1)) for index in range(number)]


def strip(overview: Overview, frames: Tensor | None) -> Tensor:
    """Some frames with every region's mask and number, in rows of COLUMNS.

    Args: frames (F, H, W, 3 or more) float in 0…1, or None for plain grey. Returns (1, h, w, 3) float32, w <= 920.
    """
    masks = overview.masks
    if frames is not None and len(masks):
        frames = cut_like(frames, tuple(masks.shape[2:]))
    height, width = frames.shape[1:3] if frames is not None else masks.shape[2:]
    shown = shown_frames(masks.shape[1] if len(masks) or frames is None else len(frames))
    across = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) // COLUMNS
    size = (max(1, round(across * height / width)), across)
    sheet = torch.ones(-(-len(shown) // COLUMNS) * (size[0] + GAP) - GAP, COLUMNS * (across + GAP) - GAP, 3)
    for place, number in enumerate(shown):
        picture = frames[min(number, len(frames) - 1)] if frames is not None else None
        tile = _tile(picture, masks[:, min(number, masks.shape[1] - 1)], size, number)
        top, left = (step * (length + GAP) for step, length in zip(divmod(place, COLUMNS), size, strict=True))
        sheet[top : top + size[0], left : left + across] = tile
    return sheet[None, :, : min(len(shown), COLUMNS) * (across + GAP) - GAP]


def _tile(picture: Tensor | None, masks: Tensor, size: tuple[int, int], number: int) -> Tensor:
    """One frame of the strip. picture (H, W, 3) or None; masks (K, H, W) bool. Returns (h, w, 3)."""
    tile = torch.full((*size, 3), 0.6)
    if picture is not None:
        tile = _resized(picture[..., :3].float().cpu().movedim(-1, 0), size).movedim(0, -1).clamp(0, 1)
    labels = []
    for region, colour in enumerate(shades(len(masks))):
        inside = _resized(masks[region : region + 1].float(), size)[0] > 0.5
        tint = torch.tensor(colour) / 255
        tile[inside] = 0.45 * tile[inside] + 0.55 * tint
        core = -F.max_pool2d(-inside[None].float(), 7, stride=1, padding=3)[0] > 0.5
        tile[inside & ~core] = tint
        if inside.any():
            labels.append((centre(inside), str(region + 1)))
    image = Image.fromarray((tile * 255).round().byte().numpy())
    draw = ImageDraw.Draw(image)
    for (y, x), text in labels:
        draw.text((x, y), text, "black", _font(24), anchor="mm", stroke_width=3, stroke_fill="white")
    draw.text((5, 3), str(number), "white", _font(16), stroke_width=2, stroke_fill="black")
    return torch.from_numpy(np.array(image)).float() / 255


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (C, H, W) resized to (C, h, w)."""
    return F.interpolate(picture[None], size, mode="bilinear", antialias=True)[0]


def overview_picture(overview: Overview, top: Tensor) -> Tensor:
    """The whole report as one picture. top: the strip (1, h, w, 3). Returns (1, H, 960, 3) float32."""
    trial = _Sheet(Image.new("RGB", (WIDTH, 1)))  # drawn twice: the first time to find its height
    sheet = _Sheet(Image.new("RGB", (WIDTH, trial.write(overview, top.shape[1])), "white"))
    sheet.write(overview, top.shape[1])
    drawn = torch.from_numpy(np.array(sheet.image)).float() / 255
    drawn[MARGIN : MARGIN + top.shape[1], MARGIN : MARGIN + top.shape[2]] = top[0]
    return drawn[None]


def overview_data(overview: Overview) -> dict[str, Any]:
    """The whole report as data, drawn by the browser."""
    entries = zip(overview.findings, shades(len(overview.findings)), overview.masks, strict=True)
    return {
        "prompt": overview.prompt,
        "regions": [
            {
                "phrase": phrase,
                "area": area,
                "marks": [mark._asdict() for mark in marks],
                "colour": colour,
                "box": extent(mask),
            }
            for (phrase, area, marks), colour, mask in entries
        ],
        "marks": [mark._asdict() for mark in overview.marks],
    }


class _Sheet:
    """The part below the strip."""

    def __init__(self, image: Image.Image):
        self.image, self.draw = image, ImageDraw.Draw(image)

    def write(self, overview: Overview, top: int) -> int:
        """Draws everything below the strip, which ends at `top`; returns the height of the whole picture."""
        colours = shades(len(overview.findings))
        y = self.prompt(overview, colours, top + 2 * MARGIN) + MARGIN
        for number, (finding, colour) in enumerate(zip(overview.findings, colours, strict=True)):
            y = self.region(number, finding, colour, y)
        for mark in overview.marks:
            y = self.words(str(mark).split(), MARGIN, y, WIDTH - MARGIN, _font(14), INK) + 4
        return y + MARGIN

    def prompt(self, overview: Overview, colours: list[Colour], y: int) -> int:
        """The prompt; a region's words are underlined in its colour and followed by its number."""
        x, font, line = MARGIN, _font(18), 30
        for text, number in overview.prompt:
            words = text.split()
            for index, word in enumerate(words):
                last = number is not None and index == len(words) - 1
                width = self.draw.textlength(f"{word} ", font)
                if x + width > WIDTH - MARGIN and x > MARGIN:
                    x, y = MARGIN, y + line
                self.draw.text((x, y), word, INK, font)
                if number is not None:
                    end = x + self.draw.textlength(word, font)
                    self.draw.line((x, y + 24, end, y + 24), colours[number], 4)
                    if last:
                        self.draw.text((end + 1, y - 3), str(number + 1), INK, _font(11))
                        width += 8
                x += width
        return y + line

    def region(self, number: int, finding: Finding, colour: Colour, y: int) -> int:
        """A swatch with the number, the phrase, the area as a curve, and the marks."""
        self.draw.rectangle((MARGIN, y, MARGIN + 22, y + 22), colour, INK)
        self.draw.text((MARGIN + 11, y + 11), str(number + 1), "black", _font(14), anchor="mm", stroke_width=2,
                       stroke_fill="white")  # fmt: skip
        right = WIDTH - MARGIN - SPARKLINE[0] - MARGIN
        name = (finding.phrase or "(no phrase)").split()
        below = self.words(name, MARGIN + 34, y + 1, right, _font(17), INK)
        low, high = min(finding.area), max(finding.area)
        share = f"{high:.1%} of each frame" if low == high else f"{low:.1%} to {high:.1%} of a frame"
        below = self.words([share], MARGIN + 34, below, right, _font(13), INK)
        self.sparkline(finding.area, colour, WIDTH - MARGIN - SPARKLINE[0], y)
        for mark in finding.marks:
            below = self.words(["-", *str(mark).split()], MARGIN + 34, below, right, _font(14), WARNING)
        return max(below, y + SPARKLINE[1]) + 14

    def words(self, words: list[str], left: int, y: int, right: int, font, colour: Colour) -> int:
        """Words wrapped between left and right; returns the y of the next line."""
        x = left
        for word in words:
            width = self.draw.textlength(f"{word} ", font)
            if x + width > right and x > left:
                x, y = left, y + round(font.size * 1.35)
            self.draw.text((x, y), word, colour, font)
            x += width
        return y + round(font.size * 1.45)

    def sparkline(self, area: list[float], colour: Colour, x: int, y: int) -> None:
        """The area per frame as a curve, from 0 at the bottom to the largest at the top."""
        width, height = SPARKLINE
        self.draw.rectangle((x, y, x + width, y + height), outline=PALE)
        top = max(area) or 1.0
        places = [
            (x + 3 + index * (width - 6) / max(len(area) - 1, 1), y + height - 3 - share / top * (height - 6))
            for index, share in enumerate(area)
        ]
        if len(places) > 1:
            self.draw.line(places, colour, 3)
        for px, py in places if len(places) <= 32 else ():
            self.draw.ellipse((px - 2, py - 2, px + 2, py + 2), colour)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
