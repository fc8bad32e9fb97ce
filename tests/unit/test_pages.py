"""The pages that a reader meets first: links that lead somewhere, and nothing left out."""

import re
from pathlib import Path

import pytest

from pack.tools import release_check as r
from pack.tools.workflows.files import GALLERY

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/workflows.md", "docs/papers.md", "docs/video-models.md")
LEFT_OUT = tuple(line for line in (ROOT / ".comfyignore").read_text().splitlines() if line and line[0] != "#")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if not link.startswith("https://"):
            target, _, heading = link.partition("#")
            path = (ROOT / page).parent / target
            assert path.exists(), link
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M) if heading else ()
            assert not heading or heading in [title.lower().replace(" ", "-") for title in titles], link


def test_the_readme_is_short_and_links_to_what_is_installed_with_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 150
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if not link.startswith("https://")]
    assert not [link for link in links if link.startswith(LEFT_OUT)]


def test_the_readme_links_to_the_help_page_of_a_node():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "js" / "docs").glob("*.md") if f"js/docs/{page.name}" not in text]


def test_the_workflow_page_names_every_workflow():
    text = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    assert not [title for title in GALLERY.values() if f"**{title}**" not in text]
    names = {path.stem for path in (ROOT / "docs" / "graphs").glob("*.json")}
    assert not [name for name in names if f"graphs/{name}.json" not in text]


def test_the_address_of_the_repository_stands_in_one_place():
    written = r.ADDRESS.search((ROOT / "pyproject.toml").read_text())
    pages = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    assert not written or not [text for text in pages if written[1] in text]
