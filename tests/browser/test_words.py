"""The views' own words, choices of lists, and a template's notes, in the language the frontend is set to."""

import json
from pathlib import Path

import pytest
from shipped import path_of, prompt
from widget_page import WidgetPage

from pack.tools.frontend import drop, exported
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
# By language: what a view says before a run, Undo, no marks, the parts to zoom into, the speed; a list's name and choices;
# of two templates, titles and a note's first line, and of the one with a subgraph what its node shows.
EXPECTED = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))

RENDERERS = {"zh": "canvas", "ja": "nodes 2.0"}
UNDOABLE = "() => app.extensionManager.workflow.activeWorkflow.changeTracker.undoQueue.length"
TITLES = "() => app.graph.nodes.map(({ title }) => title)"
LABELS = """() => app.graph.nodes.filter((node) => node.isSubgraphNode())
  .flatMap(({ inputs, outputs, widgets }) => [inputs, outputs, widgets].flat().map(({ label }) => label))"""
LIST_PLACE = """(name) => {
  const node = app.graph.nodes.find(({ widgets }) => widgets.some((each) => each.name === name))
  const { scale, offset } = app.canvas.ds
  const { x, y } = app.canvas.canvas.getBoundingClientRect()
  const widget = node.widgets.find((each) => each.name === name)
  const inside = [node.size[0] / 2, widget.y + 10]
  return [0, 1].map((axis) => [x, y][axis] + scale * (node.pos[axis] + inside[axis] + offset[axis]))
}"""


@pytest.fixture(scope="module", params=EXPECTED)
def foreign(request, browser, server):
    """A page in another language, each in another renderer."""
    server.post("/settings", {"Comfy.Locale": request.param})
    page = WidgetPage(browser, server, RENDERERS[request.param])
    yield page, EXPECTED[request.param], request.param
    page.close()
    server.post("/settings", {"Comfy.Locale": "en"})


def test_views_speak_the_users_language(foreign, picture):
    widgets, expected, language = foreign
    waiting, undo, marks, zoom, speed = expected["views"]
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


def choose(widgets, list_name, text):
    """Opens a list as its user does, and picks an entry by its text; returns all texts."""
    if widgets.renderer == "canvas":
        widgets.page.mouse.click(*widgets.page.evaluate(LIST_PLACE, "key_set"))
        entries = widgets.page.locator(".litemenu-entry")
    else:
        widgets.page.get_by_role("combobox", name=list_name, exact=True).click()
        entries = widgets.page.get_by_role("option")
    entries.first.wait_for()
    texts = entries.all_inner_texts()
    entries.get_by_text(text, exact=True).click()
    return texts


def test_a_choice_reads_in_the_users_language_and_stays_english_in_the_file(foreign, picture):
    widgets, expected, language = foreign
    list_name, shown = expected["list"]
    widgets.build([[Node("frames", "VideoGrainFullFrameAttention")]])
    assert choose(widgets, list_name, shown[2]) == shown
    widgets.page.wait_for_timeout(300)  # milliseconds, for the list to close
    assert widgets.value("VideoGrainFullFrameAttention", "key_set") == "middle"
    (node,) = (each for each in exported(widgets.page)[0]["nodes"] if each["type"] == "VideoGrainFullFrameAttention")
    assert node["widgets_values"][0] == "middle"
    if widgets.renderer == "nodes 2.0":
        assert widgets.page.get_by_role("combobox", name=list_name, exact=True).inner_text() == shown[2]
    widgets.page.screenshot(path=picture(f"choice_{language}"))
    assert widgets.console.complaints() == []


@pytest.mark.parametrize("name", ["instance_edit", "start_here"])
def test_a_template_opens_in_the_users_language(foreign, picture, name):
    widgets, expected, language = foreign
    drop(widgets.page, path_of(name))
    workflow, api = exported(widgets.page)
    notes = [each["widgets_values"][0] for each in workflow["nodes"] if each["type"] == "MarkdownNote"]
    titles = [each["title"] for each in workflow["groups"]] + widgets.page.evaluate(TITLES)
    shown = [*titles, *(text.splitlines()[0] for text in notes), *widgets.page.evaluate(LABELS)]
    assert [text for text in expected["templates"][name] if text not in shown] == []
    asked = {number: node["inputs"] for number, node in prompt(name).items()}
    assert {number: node["inputs"] for number, node in api.items()} == asked  # only what is read differs
    assert widgets.page.evaluate(UNDOABLE) == 0  # undo does not bring the English back
    widgets.page.wait_for_timeout(500)  # milliseconds, for the graph to be drawn
    widgets.page.screenshot(path=picture(f"template_{name}_{language}"))
    assert widgets.console.complaints() == []
