"""The views' own words in the language the frontend is set to."""

import json
from pathlib import Path

import pytest
from widget_page import WidgetPage

from pack.tools.workflows.graph import Node

GRAPH = [
    [Node("clip", "VideoGrainDemoClip", values={"frames": 8})],
    [
        Node("marks", "VideoGrainPointsToRegion", links={"frames": "clip.frames"}, height=520),
        Node(
            "compare",
            "VideoGrainBeforeAfterVideo",
            links={"source": "clip.frames", "edited": "clip.frames"},
            height=480,
        ),
    ],
]
# By language: what a view says before a run, Undo, no marks, the parts to zoom into, the speed.
EXPECTED = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=EXPECTED)
def foreign(request, browser, server):
    """A page in another language."""
    server.post("/settings", {"Comfy.Locale": request.param})
    page = WidgetPage(browser, server, "canvas")
    yield page, EXPECTED[request.param], request.param
    page.close()
    server.post("/settings", {"Comfy.Locale": "en"})


def test_views_speak_the_users_language(foreign, picture):
    widgets, (waiting, undo, marks, zoom, speed), language = foreign
    widgets.build(GRAPH)
    assert widgets.view().get_attribute("data-hint") == waiting
    widgets.run()
    marking, playing = (widgets.view(number) for number in (0, 1))
    assert marking.get_by_role("button", name=undo).inner_text() == undo
    assert marking.get_by_role("status").inner_text().startswith(marks)
    assert playing.locator("select.zoom option").all_inner_texts() == zoom
    playing.get_by_text(speed, exact=True).wait_for()
    widgets.page.screenshot(path=picture(f"words_{language}"))
    assert widgets.console.complaints() == []
