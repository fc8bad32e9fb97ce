"""Start here in the frontend's app mode: no graph, but the clip, the table, the scene, Run, and the saved video."""

import re

import pytest
from shipped import GALLERY

from pack.tools.frontend import SUCCESS, Console, follow, open_template, visit

SIZE = {"width": 1600, "height": 1000}
RUN_TIMEOUT = 240_000  # milliseconds
GRAPH_BUTTON = "queue-button"  # app mode has another
ONE_STEP = """() => {
  const steps = app.graph.nodes.flatMap(({ widgets }) => widgets ?? []).find(({ name }) => name === 'steps')
  steps.value = 1
}"""
WIDTHS = (
    "() => [...document.querySelectorAll('video')].filter(({ src }) => src.includes('edit_')).map((v) => v.videoWidth)"
)


@pytest.fixture
def page(browser, server):
    page = browser.new_context(viewport=SIZE).new_page()
    skip = page.get_by_role("button", name="Skip", exact=True)
    page.add_locator_handler(skip, skip.click)  # a newer frontend's tour
    visit(page, server.url)
    yield page
    page.context.close()


def test_a_clip_its_things_and_the_result_without_the_graph(page, picture):
    console = Console(page)
    open_template(page, GALLERY["start_here"])
    page.get_by_test_id(GRAPH_BUTTON).wait_for()  # it opens as a graph
    page.evaluate("() => app.extensionManager.command.execute('Comfy.ToggleLinear')")
    page.get_by_test_id(GRAPH_BUTTON).wait_for(state="hidden")
    page.get_by_text("Things of the clip", exact=True).wait_for()
    page.get_by_text("VideoGrain demo clip.mp4").first.wait_for()
    shown = page.locator("body").inner_text()
    assert "scene" in shown and "videograin_view" not in shown
    table = page.locator(".videograin", has=page.locator(".things"))
    table.locator("canvas.stage").wait_for()
    table.get_by_role("textbox", name="Row 2: what it becomes").fill("a frog")
    page.screenshot(path=picture("app_mode_opened"))
    page.evaluate(ONE_STEP)
    follow(page)
    page.get_by_role("button", name="Run", exact=True).last.click()
    page.wait_for_function("() => window.outcomes.length", timeout=RUN_TIMEOUT)
    assert page.evaluate("() => window.outcomes") == [[SUCCESS, ""]]
    page.get_by_text(re.compile(r"edit_\d+_\.mp4")).first.wait_for()
    page.wait_for_function(f"() => ({WIDTHS})().includes(192)")
    page.screenshot(path=picture("app_mode_run"))
    assert console.complaints() == []
