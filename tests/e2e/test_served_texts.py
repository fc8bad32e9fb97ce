"""What the server hands to the frontend beside the nodes: help pages and locales, asked for as the frontend asks."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "js" / "docs").glob("*.md"))
LANGUAGES = sorted(folder.name for folder in (ROOT / "locales").iterdir())


def answer(server, path: str):
    return urllib.request.urlopen(server.url + path, timeout=60)


def test_help_pages_are_served_where_the_frontend_looks(server):
    assert PAGES
    for page in PAGES:
        with answer(server, f"/extensions/videograin/docs/{page.name}") as found:
            assert found.read() == page.read_bytes()
            assert "text/html" not in found.headers["content-type"]  # which the frontend takes for “not found”


def test_a_page_that_is_not_translated_is_missed_so_that_the_english_one_is_shown(server):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        answer(server, f"/extensions/videograin/docs/{PAGES[0].stem}/zh.md")


def test_the_browser_is_told_to_load_programs_only(server):
    ours = [path for path in server.get("/extensions") if path.startswith("/extensions/videograin/")]
    assert [path for path in ours if not path.endswith(".js") or "/docs/" in path] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_locales_are_merged_into_the_servers_translations(server, language):
    served = server.get("/i18n")[language]
    for file in (ROOT / "locales" / language).glob("*.json"):
        ours = json.loads(file.read_text(encoding="utf-8"))
        for name, texts in (ours if file.stem == "main" else {file.stem: ours}).items():
            assert {key: served[name][key] for key in texts} == texts
