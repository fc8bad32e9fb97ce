"""Pictures of the edits: a contact sheet, and crops with the word asked and the word seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import suite
from .method import HEADLINE
from .report import Best, Row
from .suite import Area, Example

SIDE = 144  # pixels of a frame on the sheet
LABEL, GAP = 230, 6  # pixels: the column of names, the space between clips
CROP, ACROSS, CROPS = 112, 5, 20
COLOURS = ((255, 140, 0), (0, 120, 255), (40, 180, 90), (190, 60, 190))
RIGHT, WRONG = (30, 150, 70), (210, 40, 40)
PLAIN_TEXT = str.maketrans("", "", "*`")  # labels are Markdown


def contact_sheet(shown: Sequence[Example], best: Best, frames: Callable[[Row], np.ndarray]) -> Image.Image:
    """Columns: a few clips by three frames each. Rows: source, masks, then every headline method's best edit."""
    rows: list[tuple[str, list[np.ndarray]]] = [
        ("source", [one.shot.frames for one in shown]),
        ("areas", [coloured(one) for one in shown]),
    ]
    for method in (method for method in HEADLINE if method.name in best):
        clips = [frames(best[method.name][one.case.name]) for one in shown]
        rows.append((method.label.translate(PLAIN_TEXT), clips))
    strip, font = 40, ImageFont.load_default(13)
    width = LABEL + len(shown) * (3 * SIDE + GAP)
    sheet = Image.new("RGB", (width, strip + len(rows) * (SIDE + 2)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, one in enumerate(shown):
        x = LABEL + column * (3 * SIDE + GAP)
        draw.text((x, 2), f"{one.case.name}, {one.case.kind}: {one.shot.caption}", "black", font)
        draw.text((x, 19), f"becomes: {one.task.prompt}", "black", font)
    for row, (label, clips) in enumerate(rows):
        y = strip + row * (SIDE + 2)
        draw.text((4, y + SIDE // 2 - 8), label, "black", font)
        for column, clip in enumerate(clips):
            for place, frame in enumerate((0, len(clip) // 2, len(clip) - 1)):
                picture = Image.fromarray(clip[frame]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                sheet.paste(picture, (LABEL + column * (3 * SIDE + GAP) + place * SIDE, y))
    return sheet


def coloured(one: Example) -> np.ndarray:
    """The areas in colours over the darkened source, (F, H, W, 3) uint8; areas that stay are pale."""
    picture = one.shot.frames // 3
    for number, area in enumerate(suite.areas(one)):
        colour = np.uint8(COLOURS[number % len(COLOURS)])
        picture[area.mask] = colour if area.changes else colour // 3 + 90
    return picture


def crops(edits: Sequence[tuple[Example, Row, np.ndarray]]) -> Image.Image:
    """Twenty changed areas, spread over the clips and frames, each with the word asked and the word seen.

    edits: examples with their rows and frames.
    """
    choices = [
        (one, area, words, pictures, frame)
        for one, row, pictures in edits
        for area, words in zip(suite.areas(one), row["seen"], strict=True)
        if area.changes
        for frame, word in enumerate(words)
        if word is not None
    ]
    chosen = [choices[round(i)] for i in np.linspace(0, len(choices) - 1, min(CROPS, len(choices)))]
    down = -(-len(chosen) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * (CROP + 4), max(1, down) * (CROP + 20)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (_, area, words, pictures, frame) in enumerate(chosen):
        x, y = number % ACROSS * (CROP + 4), number // ACROSS * (CROP + 20)
        sheet.paste(_cut(area, pictures[frame], frame), (x, y + 16))
        right = words[frame] == area.word
        text = area.word if right else f"{area.word}: {words[frame]}"
        draw.text((x + 2, y + 1), text, RIGHT if right else WRONG, font)
    return sheet


def _cut(area: Area, picture: np.ndarray, frame: int) -> Image.Image:
    """A square around the area; the whole frame for a place."""
    y, x = np.nonzero(area.mask[frame])
    side = 1.15 * max(np.ptp(y), np.ptp(x)) + 1
    middle = (x.min() + x.max() + 1) / 2, (y.min() + y.max() + 1) / 2
    box = tuple(
        round(v) for v in (middle[0] - side / 2, middle[1] - side / 2, middle[0] + side / 2, middle[1] + side / 2)
    )
    whole = Image.fromarray(picture)
    return (whole if area.is_place else whole.crop(box)).resize((CROP, CROP), Image.Resampling.LANCZOS)
