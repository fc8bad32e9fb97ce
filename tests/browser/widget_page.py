"""A page with a small graph of our nodes, in one of the frontend's two renderers, as the widgets' tests use it."""

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Browser, Locator, Page

from pack.tools.frontend import EMPTY, SUCCESS, VIEW, Console, exported, follow, run, visit
from pack.tools.server import Server
from pack.tools.workflows.build import build, loose
from pack.tools.workflows.graph import Node
from pack.videograin.core.attention_clusters import ClusterLayout

RENDERERS = {"canvas": False, "nodes 2.0": True}
RUN_TIMEOUT = 90_000  # milliseconds
# Tasks over 50 ms, and how long what a user does takes until it is painted, as the browser itself counts them.
WATCH = """() => {
  window.watched = { long_tasks_ms: [], events_ms: [] }
  const add = (name) => (list) => window.watched[name].push(...list.getEntries().map(({ duration }) => Math.round(duration)))
  new PerformanceObserver(add('long_tasks_ms')).observe({ type: 'longtask' })
  new PerformanceObserver(add('events_ms')).observe({ type: 'event', durationThreshold: 16 })
}"""


class WidgetPage:
    """Builds a graph, runs it, and finds what our nodes show on themselves."""

    def __init__(self, browser: Browser, server: Server, renderer: str, scale: float = 1):
        """scale: device pixels per pixel."""
        self.server, self.renderer = server, renderer
        self.spare_height = 20 if renderer == "canvas" else 100  # pixels that a node of the least size has to give away
        self.page: Page = browser.new_context(viewport=VIEW, device_scale_factor=scale).new_page()
        self.console = Console(self.page)
        self.start()

    def start(self) -> None:
        """Loads the frontend, also for the second time. The setting is the server's, and other pages' too: put back at once."""
        self.server.post("/settings", {"Comfy.VueNodes.Enabled": RENDERERS[self.renderer]})
        visit(self.page, self.server.url)
        self.server.post("/settings", {"Comfy.VueNodes.Enabled": False})
        follow(self.page)

    def close(self) -> None:
        self.page.context.close()

    def build(self, columns: list[list[Node]], zoom: float = 1.0, at: tuple[int, int] = (0, 0)) -> None:
        """Makes a graph; at: what is scrolled out of view, left and above, in pixels of the graph."""
        self.page.evaluate(EMPTY)
        self.console.messages.clear()
        build(self.page, loose(columns))
        self.look(zoom, at)

    def look(self, zoom: float, at: tuple[int, int] = (0, 0)) -> None:
        self.page.evaluate(
            "([zoom, x, y]) => { app.canvas.ds.scale = zoom; app.canvas.ds.offset = [100 / zoom - x, 60 / zoom - y];"
            " app.canvas.setDirty(true, true) }",
            [zoom, *at],
        )
        self.page.wait_for_timeout(400)  # milliseconds, for both renderers to follow

    def run(self, expected: str = SUCCESS) -> str:
        """Presses Run and waits until it is done; returns the error's message."""
        kind, message = run(self.page, RUN_TIMEOUT)
        assert kind == expected, message
        self.page.wait_for_timeout(500)  # milliseconds, for the results to be drawn
        return message

    # ---- nodes -------------------------------------------------------------------------------------------------------

    def view(self, number: int = 0) -> Locator:
        """What one of our nodes shows on itself."""
        return self.page.locator(".videograin").nth(number)

    def value(self, kind: str, widget: str) -> Any:
        """A widget's value on the first node of a kind."""
        return self.page.evaluate(
            "([kind, widget]) => app.graph.nodes.find(({ type }) => type === kind).widgets.find(({ name }) => name === "
            "widget).value",
            [kind, widget],
        )

    def set_value(self, kind: str, widget: str, value: Any) -> None:
        """Changes a value as an edit by hand does."""
        self.page.evaluate(
            """([kind, name, value]) => {
              const node = app.graph.nodes.find(({ type }) => type === kind)
              const widget = node.widgets.find((each) => each.name === name)
              app.canvas.emitBeforeChange()
              widget.value = value
              widget.callback?.(value, app.canvas, node)
              app.canvas.emitAfterChange()
            }""",
            [kind, widget, value],
        )

    def prompt_input(self, kind: str, name: str) -> Any:
        """What a run would send for an input of the first node of a kind."""
        return next(node for node in exported(self.page)[1].values() if node["class_type"] == kind)["inputs"][name]

    def shown(self, kind: str) -> dict[str, Any]:
        """What the first node of a kind was given to show by its last run."""
        text = self.page.evaluate(
            "(kind) => app.nodeOutputs[app.graph.nodes.find(({ type }) => type === kind).id].videograin[0]", kind
        )
        return json.loads(text)

    def watch(self) -> None:
        """Begins to count what keeps the page from answering."""
        self.page.evaluate(WATCH)

    def watched(self, path: Path, view: str, frames: int, actions: int) -> int:
        """Writes what was counted, for benchmarks/response.py; returns the longest task in milliseconds."""
        self.page.wait_for_timeout(500)
        found = self.page.evaluate("() => window.watched")
        tasks, events = (sorted(found[name], reverse=True) for name in ("long_tasks_ms", "events_ms"))
        report = {"view": view, "renderer": self.renderer, "frames": frames, "actions": actions}
        report |= {"long_tasks_ms": tasks, "slowest_event_ms": max(events, default=0)}
        path.with_suffix(".json").write_text(json.dumps(report))
        return max(tasks, default=0)

    def panel(self, shown: bool) -> Locator:
        """The panel of parameters, opened or closed; ComfyUI keeps which of them it is."""
        panel = self.page.get_by_test_id("properties-panel")
        if panel.is_visible() != shown:
            self.page.get_by_role("button", name=re.compile("properties panel", re.I)).click()
            panel.wait_for(state="visible" if shown else "hidden")
        return panel

    def pixels(self, locator: Locator) -> str:
        """A canvas's pixels, to compare."""
        return locator.evaluate("(canvas) => canvas.toDataURL()")

    def click_at(self, canvas: Locator, x: float, y: float, shift: bool = False) -> None:
        """Clicks a place of a picture that is fitted into its canvas; x, y as shares of the picture's sides."""
        self.page.mouse.move(*self.place(canvas, x, y))
        if shift:
            self.page.keyboard.down("Shift")
        self.page.mouse.down()
        self.page.mouse.up()
        if shift:
            self.page.keyboard.up("Shift")

    def place(self, canvas: Locator, x: float, y: float) -> tuple[float, float]:
        box, (width, height) = canvas.bounding_box(), canvas.evaluate("(c) => [c.width, c.height]")
        scale = min(box["width"] / width, box["height"] / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + x * width * scale, top + y * height * scale

    # ---- Clusters to Mask --------------------------------------------------------------------------------------------

    def layout(self) -> ClusterLayout:
        """The clusters that Clusters to Mask was given."""
        shown = self.shown("VideoGrainClustersToMask")
        labels = torch.frombuffer(bytearray(zlib.decompress(b64decode(shown["labels"]))), dtype=torch.uint8).long()
        width, height = shown["size"]
        return ClusterLayout(labels.view(shown["shape"]), tuple(shown["names"]), height, width)
