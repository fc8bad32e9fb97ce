"""Renders `sprites.png` from Noto Color Emoji: `python demo/make_sprites.py [NotoColorEmoji.ttf]`.

Needed only to change the world's objects. Debian and Ubuntu: `apt-get install fonts-noto-color-emoji`.
The font, and so the atlas, is under the SIL Open Font License 1.1.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

sys.path[0] = str(Path(__file__).resolve().parents[1])

from videograin.toybox.world import ACCESSORIES, ATLAS, ATLAS_CELL, ATLAS_COLUMNS, OBJECTS  # noqa: E402

DEBIAN_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
GLYPH = 109  # px, the only size of the font's bitmaps


def render(font_file: str | Path) -> Image.Image:
    """The RGBA atlas: one glyph per cell, row by row, in the order of `OBJECTS`, then of `ACCESSORIES`."""
    font = ImageFont.truetype(str(font_file), GLYPH)
    glyphs = [*OBJECTS.values(), *ACCESSORIES.values()]
    rows = -(-len(glyphs) // ATLAS_COLUMNS)
    atlas = Image.new("RGBA", (ATLAS_CELL * ATLAS_COLUMNS, ATLAS_CELL * rows))
    for i, glyph in enumerate(glyphs):
        cell = Image.new("RGBA", (ATLAS_CELL, ATLAS_CELL))
        ImageDraw.Draw(cell).text((0, 4), glyph, font=font, embedded_color=True)
        atlas.paste(cell, (ATLAS_CELL * (i % ATLAS_COLUMNS), ATLAS_CELL * (i // ATLAS_COLUMNS)))
    return atlas


if __name__ == "__main__":
    render(sys.argv[1] if len(sys.argv) > 1 else DEBIAN_FONT).save(ATLAS, optimize=True)
