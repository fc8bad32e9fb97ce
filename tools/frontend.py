"""ComfyUI's real frontend in Debian's Chromium, for the browser tests and for tools/workflows."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
VIEW = {"width": 1920, "height": 1080}
SETTINGS = {"Comfy.TutorialCompleted": True}  # as at a user's second start: at the first, a gallery covers the page
READY = "() => Boolean(window.app?.vueAppReady && Object.keys(window.LiteGraph?.registered_node_types ?? {}).length)"
OPEN = "async (text) => { await window.app.loadGraphData(JSON.parse(text), true, true) }"
DROP = """async ([name, text]) => {
  await window.app.handleFile(new File([text], name, { type: 'application/json' }))
}"""
TITLE = "window.app.extensionManager.workflow.activeWorkflow?.filename"
EXPORT = "async () => JSON.stringify(await window.app.graphToPrompt())"  # a string: undefined entries vanish
# Each graph is a new workflow, since widgets keep their values by graph, node number and name.
EMPTY = """async () => {
  await app.loadGraphData(
    { id: crypto.randomUUID(), version: 0.4, last_node_id: 0, last_link_id: 0, nodes: [], links: [], groups: [] })
  const { workflow } = app.extensionManager
  for (const other of workflow.openWorkflows.filter((each) => each !== workflow.activeWorkflow))
    await workflow.closeWorkflow(other, { warnIfUnsaved: false })
}"""
FOLLOW = """() => {
  window.outcomes = []
  for (const kind of ['execution_success', 'execution_error', 'execution_interrupted'])
    window.app.api.addEventListener(kind, ({ detail }) => window.outcomes.push([kind, detail.exception_message ?? '']))
}"""
ENDED = "(before) => window.outcomes.length > before || app.extensionManager.lastNodeErrors"
REFUSED = "() => app.extensionManager.lastNodeErrors"
SUCCESS = "execution_success"
MISSING = "() => window.app.graph.nodes.filter((n) => !LiteGraph.registered_node_types[n.type]).map((n) => n.type)"
LOAD_TIMEOUT = 120_000  # milliseconds, on a busy machine


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium. Raises FileNotFoundError, with the package to install, where the system has none."""
    if not CHROMIUM.exists():
        raise FileNotFoundError(
            f"The browser tests need Chromium at {CHROMIUM}. Install it: apt-get install chromium (Debian, Ubuntu)."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


def open_frontend(browser: Browser, url: str, scale: float = 1) -> Page:
    """A new user's page, ready to work in. scale: device pixels per pixel."""
    page = browser.new_context(viewport=VIEW, device_scale_factor=scale).new_page()
    visit(page, url)
    return page


def visit(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_function(READY, timeout=LOAD_TIMEOUT)


def open_template(page: Page, title: str) -> None:
    """Opens one of the pack's workflows from the template gallery, which a page of a new user shows at once."""
    gallery = page.get_by_role("dialog").filter(has=page.get_by_text("videograin", exact=True))
    if not gallery.is_visible():
        page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    gallery.get_by_text("videograin", exact=True).click()
    gallery.get_by_test_id(f"template-workflow-{title}").click()
    page.wait_for_function(f"() => {TITLE} === '{title}'", timeout=LOAD_TIMEOUT)


def drop(page: Page, workflow: Path) -> None:
    """Opens a workflow file as if it were dropped on the canvas."""
    page.evaluate(DROP, [workflow.name, workflow.read_text()])
    page.wait_for_function(f"() => {TITLE} === '{workflow.stem}'", timeout=LOAD_TIMEOUT)


def follow(page: Page) -> None:
    """Records the end of every run of the page, for `run`."""
    page.wait_for_function("() => window.app.api.clientId")  # without it the page gets no events of a run
    page.evaluate(FOLLOW)


def run(page: Page, timeout: float) -> tuple[str, str]:
    """Presses Run and waits until it is done; timeout in milliseconds.

    Returns (kind of end, error message): (SUCCESS, "") for a good run, ("refused", the nodes' errors) if the server
    refuses the graph.
    """
    before = page.evaluate("() => window.outcomes.length")
    page.get_by_test_id("queue-button").click()
    page.wait_for_function(ENDED, arg=before, timeout=timeout)
    if errors := page.evaluate(REFUSED):
        return "refused", str(errors)
    kind, message = page.evaluate("() => window.outcomes.at(-1)")
    return kind, message


def exported(page: Page) -> tuple[dict[str, Any], dict[str, Any]]:
    """The open graph as the frontend saves it, and as it sends it to the server."""
    both = json.loads(page.evaluate(EXPORT))
    for node in both["output"].values():
        node["inputs"].pop("video-preview", None)  # the frontend's own, once it has loaded a video on the node
    return both["workflow"], both["output"]


def plain_workflow(workflow: dict[str, Any]) -> dict[str, Any]:
    """A saved workflow without its scroll position, its id and differences between frontends.

    Each opening of a template has an id of its own. Newer frontends order the links differently, also name a node's values, and leave out an empty list of values.
    """
    return {
        **{key: value for key, value in workflow.items() if key != "id"},
        "nodes": [_plain_node(node) for node in workflow["nodes"]],
        "links": sorted(workflow["links"]),
        "extra": {key: value for key, value in workflow["extra"].items() if key not in ("ds", "frontendVersion")},
    }


def _plain_node(node: dict[str, Any]) -> dict[str, Any]:
    return {"widgets_values": [], **{key: value for key, value in node.items() if key != "widgets_values_named"}}


def plain_prompt(prompt: dict[str, Any]) -> dict[str, Any]:
    """A prompt with only the titles as `_meta`; newer frontends add each node's pack and version."""
    return {number: {**node, "_meta": {"title": node["_meta"]["title"]}} for number, node in prompt.items()}


class Console:
    """The console of a page from now on: errors, warnings and uncaught exceptions."""

    NOISE = (  # the frontend's own messages, with or without the pack, at start
        r"404 .*(/user\.css|/api/userdata.*)$",  # a new user has no such files yet
        r"^\[ComfyUI\] The legacy queue/history menu is deprecated",  # its own extensions use what it deprecates
        r"^\[MaskEditor\] ComfyApp\.open_maskeditor is deprecated",
        r"^ComfyApp graph accessed before initialization",
        r"huggingface\.co/Comfy-Org/z_image_turbo/",  # models of the default workflow, looked up without network
        r"^(input\.link|output\.links) is deprecated\.",  # its own use; for ours see tests/unit/test_house_rules.py
        r"^WARNING: Invalid layout total size: .* Layout normalization will be applied\.",  # its own panels, at opening
    )

    def __init__(self, page: Page):
        self.messages: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.messages.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.messages.append(f"{message.text} {message.location['url']}")

    def complaints(self) -> list[str]:
        """All messages but the frontend's own."""
        return [text for text in self.messages if not any(re.search(pattern, text) for pattern in self.NOISE)]
