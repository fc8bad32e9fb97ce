"""Every shipped workflow as a user meets it: opened from the gallery, run with the Run button, saved and opened again."""

import json
from pathlib import Path

import pytest
from frontend import VIEW, Console, drop, exported, open_template, visit

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
FULL = "instance_edit"  # runs as shipped; the others with fewer steps
RUN_TIMEOUT = 240_000  # milliseconds
SHORTEN = """() => {
  const fewer = { steps: 2, refinements: 0 }
  for (const node of window.app.graph.nodes) for (const widget of node.widgets ?? [])
    if (widget.name in fewer) { widget.value = fewer[widget.name]; widget.callback?.(widget.value) }
}"""
FOLLOW = """() => {
  window.outcome = null
  for (const kind of ['execution_success', 'execution_error', 'execution_interrupted'])
    window.app.api.addEventListener(kind, ({ detail }) => { window.outcome ??= [kind, detail.exception_message ?? ''] })
}"""
VIDEOS = "() => [...document.querySelectorAll('video')].map((v) => [v.videoWidth, v.videoHeight])"
PICTURES = """() => window.app.graph.nodes.filter(({ type }) => type === 'PreviewImage')
  .map(({ imgs }) => (imgs ?? []).map((i) => [i.naturalWidth, i.naturalHeight]))"""
MISSING = "() => window.app.graph.nodes.filter((n) => !LiteGraph.registered_node_types[n.type]).map((n) => n.type)"


@pytest.fixture(params=WORKFLOWS)
def name(request) -> str:
    return request.param


@pytest.fixture
def page(browser):
    page = browser.new_context(viewport=VIEW).new_page()
    yield page
    page.context.close()


def shipped(name: str) -> tuple[dict, dict]:
    """A workflow's two committed files."""
    files = ROOT / "workflows" / f"{name}.json", ROOT / "demo" / f"{name}.api.json"
    return tuple(json.loads(path.read_text()) for path in files)


def test_opens_from_the_gallery_complete_and_without_complaint(page, server, picture, name):
    api = shipped(name)[1]
    console = Console(page)
    open_template(page, server.url, name)
    assert page.evaluate(MISSING) == []
    assert page.get_by_test_id("error-overlay").count() == 0
    assert exported(page)[1] == api
    page.screenshot(path=picture(f"{name}_opened"))
    assert console.complaints() == []


def test_saved_with_the_keyboard_and_opened_again_it_is_the_same(page, server, picture, name):
    workflow, api = shipped(name)
    open_template(page, server.url, name)
    page.keyboard.press("Control+s")
    page.get_by_role("dialog").get_by_role("textbox").fill(f"my {name}")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    file = server.base / "user" / "default" / "workflows" / f"my {name}.json"
    visit(page, server.url)
    drop(page, file)
    again, prompt = exported(page)
    assert without_view(again) == without_view(workflow) and prompt == api
    page.screenshot(path=picture(f"{name}_reopened"))


def without_view(workflow: dict) -> dict:
    """A workflow without where its canvas was scrolled to."""
    return {**workflow, "extra": {key: value for key, value in workflow["extra"].items() if key != "ds"}}


def test_runs_and_shows_its_result(page, server, picture, name):
    api = shipped(name)[1]
    open_template(page, server.url, name)
    if name != FULL:
        page.evaluate(SHORTEN)
    page.evaluate(FOLLOW)
    page.get_by_test_id("queue-button").click()
    page.wait_for_function("() => window.outcome", timeout=RUN_TIMEOUT)
    assert page.evaluate("() => window.outcome") == ["execution_success", ""]
    kinds = [node["class_type"] for node in api.values()]
    page.wait_for_function(f"() => ({VIDEOS})().filter(([width]) => width > 0).length === {kinds.count('SaveVideo')}")
    assert {height for _, height in page.evaluate(VIDEOS)} == {192}
    assert page.evaluate(PICTURES) == [[[192, 192]] * 8] * kinds.count("PreviewImage")
    page.wait_for_timeout(1000)  # milliseconds, for the canvas to be drawn
    page.screenshot(path=picture(f"{name}_run"))
