"""The node search as a new user asks it: an edit's everyday name brings a node of ours."""

import pytest
from node_search import hits, open_search

from pack.tools.frontend import VIEW, visit

SEEN = 8  # hits looked at
PACK = "videograin"  # as a hit names it


@pytest.fixture(scope="module")
def page(browser, server):
    page = browser.new_context(viewport=VIEW).new_page()
    visit(page, server.url)
    page.evaluate("() => window.app.graph.clear()")
    open_search(page)
    yield page
    page.context.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("replace object in video", "Regions"),
        ("edit video", "Paste Edit"),
        ("mask video", "Regions"),
        ("unsample", "DDIM Inversion (Unsample)"),
        ("regional prompt", "Region Prompt"),
        ("ST-Layout Attention", "ST-Layout Attention (Regions)"),  # old names
        ("Attention Layout (K-Means)", "Attention Layout (Find Regions)"),
    ],
)
def test_everyday_words_bring_a_node_of_ours(page, words, expected):
    ours = [name for name, pack, *_ in hits(page, words)[:SEEN] if pack == PACK]
    assert expected in ours


def test_what_the_user_sees(page, picture):
    assert hits(page, "unsample")[0][:2] == ["DDIM Inversion (Unsample)", PACK]
    page.screenshot(path=picture("search"))
