"""Pictures for the eye: crops of every row with the words asked and seen, and a sheet of whole frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..ruler.crops import crop
from ..ruler.judges import Answer, Judges
from ..ruler.score import Standard

CLIPS, SIDE, LABEL = 4, 120, 200  # clips on the sheet, pixels of a frame, and of the column of names
CROP, ACROSS, CROPS = 112, 8, 40
RIGHT, WRONG = (30, 150, 70), (210, 40, 40)
Edited = tuple[Standard, np.ndarray]  # a clip's standard, and its edit (F, H, W, 3) uint8


def chosen(edits: Sequence[Edited], count: int = CROPS) -> list[tuple[np.ndarray, Answer, tuple[str, ...]]]:
    """Crops of changed regions, spread over clips and frames: (64, 64, 4) uint8, what is wanted, and what is asked."""
    choices = [
        (frames[f], region.outline[f], region)
        for held, frames in edits
        for region, seen in zip(held.regions, held.frames, strict=True)
        if region.changes
        for f in seen
    ]
    picked = [choices[round(i)] for i in np.linspace(0, len(choices) - 1, min(count, len(choices)))]
    return [(crop(frame, outline), region.wanted, region.asked) for frame, outline, region in picked]


def crops(edits: Sequence[Edited], judges: Judges) -> Image.Image:
    """Forty crops of a row, each with the word asked, and, where a judge sees another one, what both see."""
    picked = chosen(edits)
    reading = judges.read(np.stack([picture for picture, _, _ in picked]))
    down = -(-len(picked) // ACROSS)
    image = Image.new("RGB", (ACROSS * (CROP + 4), down * (CROP + 32)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(10)
    for i, (picture, wanted, asked) in enumerate(picked):
        x, y = i % ACROSS * (CROP + 4), i // ACROSS * (CROP + 32)
        image.paste(Image.fromarray(picture[..., :3]).resize((CROP, CROP), Image.Resampling.LANCZOS), (x, y + 28))
        right = reading.agree(i, wanted, asked)
        draw.text((x + 2, y), said(wanted, asked), RIGHT if right else WRONG, font)
        if not right:
            draw.text((x + 2, y + 13), " / ".join(said(answer, asked) for answer in reading.answers[i]), WRONG, font)
    return image


def said(answer: Answer, asked: tuple[str, ...]) -> str:
    """What counts of an answer, in words."""
    return " ".join(getattr(answer, what) for what in asked if getattr(answer, what))


def sheet(rows: dict[str, Sequence[np.ndarray]], titles: Sequence[str]) -> Image.Image:
    """A row of the picture for each label: two frames of each clip. rows: label -> clips (F, H, W, 3) uint8."""
    font, strip = ImageFont.load_default(11), 18
    image = Image.new("RGB", (LABEL + len(titles) * (2 * SIDE + 6), strip + len(rows) * (SIDE + 2)), "white")
    draw = ImageDraw.Draw(image)
    for column, title in enumerate(titles):
        draw.text((LABEL + column * (2 * SIDE + 6), 3), title, "black", font)
    for number, (label, clips) in enumerate(rows.items()):
        y = strip + number * (SIDE + 2)
        draw.text((4, y + SIDE // 2 - 8), label.replace("*", ""), "black", font)
        for column, frames in enumerate(clips):
            for place, frame in enumerate((frames[0], frames[-1])):
                picture = Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                image.paste(picture, (LABEL + column * (2 * SIDE + 6) + place * SIDE, y))
    return image
