"""Blind crops: what a person names in crops of edits, not knowing the edit nor the word asked, against the judges.

`make bench-edit ARGS=--blind` draws crops from the edits of all rows into out/blind.png, and numbered and enlarged into
out/blind_sheet.png. A person writes a word for each, one a line. Both files are kept beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .crops import SIDE
from .judges import NOTHING, Judges

COUNT, ACROSS = 200, 20
SHOWN, SHEET = 144, 10  # pixels of a crop on the sheet, and crops in a row of it
CROPS, WORDS = (Path(__file__).with_name(f"blind.{end}") for end in ("png", "txt"))


def drawn(crops: np.ndarray, count: int = COUNT, seed: int = 0) -> np.ndarray:
    """Some of the crops (N, 64, 64, 4) uint8, in random order."""
    return crops[np.random.default_rng(seed).permutation(len(crops))[:count]]


def atlas(crops: np.ndarray) -> Image.Image:
    """Crops side by side, ACROSS in a row; regions are in the alpha channel."""
    rows = [np.concatenate(list(crops[i : i + ACROSS]), 1) for i in range(0, len(crops) - len(crops) % ACROSS, ACROSS)]
    return Image.fromarray(np.concatenate(rows), "RGBA")


def crops_of(picture: Image.Image) -> np.ndarray:
    """The crops of an atlas, (N, 64, 64, 4) uint8."""
    tiles = np.asarray(picture).reshape(picture.height // SIDE, SIDE, ACROSS, SIDE, 4)
    return tiles.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 4)


def sheet(crops: np.ndarray) -> Image.Image:
    """Crops for the eye: enlarged and numbered, with the outline of the region."""
    down, step = -(-len(crops) // SHEET), SHOWN + 14
    image = Image.new("RGB", (SHEET * (SHOWN + 4), down * step), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for number, crop in enumerate(crops):
        x, y = number % SHEET * (SHOWN + 4), number // SHEET * step
        image.paste(Image.fromarray(crop[..., :3]).resize((SHOWN, SHOWN), Image.Resampling.BICUBIC), (x, y + 13))
        draw.text((x + 2, y), str(number), "black", font)
        inside = np.asarray(Image.fromarray(crop[..., 3]).resize((SHOWN, SHOWN))) > 127
        edge = inside & ~(
            np.roll(inside, 1, 0) & np.roll(inside, 1, 1) & np.roll(inside, -1, 0) & np.roll(inside, -1, 1)
        )
        draw.point([(x + int(j), y + 13 + int(i)) for i, j in np.argwhere(edge)], "white")
    return image


def seen(crops: np.ndarray, judges: Judges) -> list[str]:
    """The word of each crop on which both judges agree, else NOTHING."""
    answers = judges.read(crops).answers
    return [pair[0].name if len({answer.name for answer in pair}) == 1 else NOTHING for pair in answers]


def kappa(one: Sequence[str], other: Sequence[str]) -> float:
    """Cohen's kappa (1960) of two lists of words: 1 is agreement, 0 what chance would give."""
    agreed = np.mean([a == b for a, b in zip(one, other, strict=True)])
    words = sorted({*one, *other})
    chance = sum(list(one).count(word) * list(other).count(word) for word in words) / len(one) ** 2
    return float((agreed - chance) / (1 - chance)) if chance < 1 else 1.0
