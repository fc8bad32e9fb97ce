"""The help pages' pictures: there, small, used, and described for those who do not see them."""

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "js" / "docs"
USED = {
    (page.stem, picture): words
    for page in DOCS.glob("*.md")
    for words, picture in re.findall(r"!\[(.*?)\]\((.*?)\)", page.read_text(encoding="utf-8"))
}
LARGEST, ALL = 60_000, 1_500_000  # bytes
WIDEST = 640  # pixels


def test_every_picture_is_on_a_page_and_every_page_shows_its_own():
    assert {picture for _, picture in USED} == {path.name for path in DOCS.iterdir() if path.suffix != ".md"}


@pytest.mark.parametrize(("page", "picture"), USED)
def test_a_picture_is_small_and_described(page, picture):
    file = DOCS / picture
    assert file.stat().st_size <= LARGEST and Image.open(file).width <= WIDEST
    assert len(USED[page, picture].split()) >= 4


def test_all_pictures_together_are_small():
    assert sum((DOCS / picture).stat().st_size for _, picture in USED) <= ALL


def test_every_page_has_a_picture_of_its_node():
    assert {(page.stem, f"{page.stem}.webp") for page in DOCS.glob("*.md")} <= set(USED)
