"""Help pages as a user opens them: the text, and its pictures loaded."""

import pytest

from pack.tools.workflows.graph import Node

PAGES = ("VideoGrainBindRegionPrompts", "VideoGrainClustersToMask", "VideoGrainBeforeAfterVideo")
TITLE = """(kind) => {
  const { pos: [x, y] } = app.graph.nodes.find(({ type }) => type === kind)
  const { scale, offset } = app.canvas.ds
  const page = app.canvas.canvas.getBoundingClientRect()
  return [page.x + (x + offset[0] + 80) * scale, page.y + (y + offset[1] - 15) * scale]
}"""
LOADED = "(picture) => picture.complete && picture.naturalWidth"


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
@pytest.mark.parametrize("kind", PAGES)
def test_a_help_page_shows_its_picture(widgets, picture, kind):
    page = widgets.page
    widgets.build([[Node("node", kind)]])
    page.mouse.click(*page.evaluate(TITLE, kind))
    page.get_by_test_id("info-button").click()
    shown = page.locator(f".node-help-content img[src$='/docs/{kind}.webp']")
    shown.wait_for()
    page.wait_for_timeout(500)
    width, image = shown.evaluate(LOADED), shown.bounding_box()
    assert width > 200 and image["width"] > 100
    assert len(shown.get_attribute("alt").split()) > 4
    page.screenshot(path=picture(f"help_{kind}_{widgets.renderer}"))
    widgets.panel(shown=False)
    # The frontend asks for a page in the user's language first.
    assert [text for text in widgets.console.complaints() if not text.endswith(f"/docs/{kind}/en.md")] == []
