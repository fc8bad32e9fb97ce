"""The workflows for the demo model as a user meets them: opened, run with the Run button, saved."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from shipped import AFTER, DEMO, GALLERY, path_of, prompt, saved, shortened

from pack.tools.frontend import (
    MISSING,
    SUCCESS,
    TITLE,
    VIEW,
    Console,
    drop,
    exported,
    follow,
    open_frontend,
    open_template,
    plain_prompt,
    plain_workflow,
    run,
    visit,
)

FIRST = "instance_edit"
RUN_TIMEOUT = 240_000  # milliseconds
SHORTEN = """() => {
  const fewer = { steps: 1, refinements: 0 }
  for (const { widgets } of app.graph.nodes) for (const widget of widgets ?? [])
    if (widget.name in fewer) { widget.value = fewer[widget.name]; widget.callback?.(widget.value) }
}"""
CLOSE = """() => {
  const { workflow } = app.extensionManager
  return workflow.closeWorkflow(workflow.activeWorkflow, { warnIfUnsaved: false })
}"""
WIDTH = "async (image) => { await image.decode(); return image.naturalWidth }"
VIDEOS = "() => [...document.querySelectorAll('video')].map((v) => [v.videoWidth, v.videoHeight])"
PICTURES = """() => window.app.graph.nodes.filter(({ type }) => type === 'PreviewImage')
  .map(({ imgs }) => (imgs ?? []).map((i) => [i.naturalWidth, i.naturalHeight]))"""


@pytest.fixture(scope="module")
def page(browser, server):
    server.post("/settings", {"Comfy.RightSidePanel.IsOpen": False})  # else it hides the result
    page = open_frontend(browser, server.url)
    follow(page)
    yield page
    page.context.close()


@pytest.fixture(params=DEMO)
def name(request, page, server) -> str:
    """Once what it starts from is there."""
    if before := AFTER.get(request.param):
        with ThreadPoolExecutor(1) as thread:  # in this one Playwright's event loop runs
            thread.submit(server.run, shortened(prompt(before), steps=1)).result()
        page.evaluate("() => app.refreshComboInNodes()")  # key R
    return request.param


def previewed(graph: dict) -> list[int]:
    """How many pictures each Preview Image shows: the clip's frames, or a drawing for each of Seed Regions' regions."""
    shown = [node["inputs"]["images"] for node in graph.values() if node["class_type"] == "PreviewImage"]
    regions = sum(node["class_type"] == "VideoGrainRegionPrompt" for node in graph.values())
    return [
        regions if (graph[node]["class_type"], output) == ("VideoGrainSeedRegions", 2) else 8 for node, output in shown
    ]


def test_it_opens_complete_and_without_complaint_runs_and_shows_its_result(page, picture, name):
    """With one step: what an edit shows is seen in tests/e2e."""
    console = Console(page)
    drop(page, path_of(name))
    assert page.evaluate(MISSING) == []
    assert page.get_by_test_id("error-overlay").count() == 0
    page.screenshot(path=picture(f"{name}_opened"))
    workflow, api = exported(page)
    assert plain_prompt(api) == prompt(name) and plain_workflow(workflow) == plain_workflow(saved(name))
    assert console.complaints() == []

    page.evaluate(SHORTEN)
    assert run(page, RUN_TIMEOUT) == (SUCCESS, "")
    kinds = [node["class_type"] for node in prompt(name).values()]
    videos = kinds.count("SaveVideo") + kinds.count("VideoGrainLoadVideoFrames")  # the loader shows its file
    page.wait_for_function(f"() => ({VIDEOS})().filter(([width]) => width > 0).length === {videos}")
    assert {height for _, height in page.evaluate(VIDEOS)} == {192}
    assert sorted(page.evaluate(PICTURES)) == sorted([[192, 192]] * count for count in previewed(prompt(name)))
    page.wait_for_timeout(1000)  # milliseconds, for the canvas to be drawn
    page.screenshot(path=picture(f"{name}_run"))
    page.evaluate(CLOSE)


def test_found_in_the_gallery(page, picture):
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    gallery = page.get_by_role("dialog")
    gallery.get_by_text("videograin", exact=True).click()
    for title in GALLERY.values():  # with a picture each, and no file's name
        assert gallery.get_by_test_id(f"template-workflow-{title}").locator("img").first.evaluate(WIDTH) > 200
    page.screenshot(path=picture("gallery"))
    gallery.get_by_role("textbox").fill("Step by step")
    card = gallery.get_by_test_id(f"template-workflow-{GALLERY[FIRST]}")
    card.click()
    page.wait_for_function(f"() => {TITLE} === '{GALLERY[FIRST]}'")
    assert plain_prompt(exported(page)[1]) == prompt(FIRST)


def test_saved_with_the_keyboard_and_opened_again_it_is_the_same(browser, server, picture):
    page = browser.new_context(viewport=VIEW).new_page()
    visit(page, server.url)
    open_template(page, GALLERY[FIRST])
    page.keyboard.press("Control+s")
    page.get_by_role("dialog").get_by_role("textbox").fill(f"my {FIRST}")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    file = server.base / "user" / "default" / "workflows" / f"my {FIRST}.json"
    visit(page, server.url)
    drop(page, file)
    workflow, api = exported(page)
    assert plain_prompt(api) == prompt(FIRST) and plain_workflow(workflow) == plain_workflow(saved(FIRST))
    page.screenshot(path=picture(f"{FIRST}_reopened"))
    page.context.close()
