"""Regions' picture before any run, in both renderers: the frame that the loader will give, marked, run, and what else there is."""

import json
from base64 import b64decode
from fractions import Fraction
from io import BytesIO

import footage
import numpy as np
import pytest
import torch
from PIL import Image
from test_mark_picker import numbers
from test_rows import drag, field, problem, rows
from test_views_kept import build, settle
from widget_page import RENDERERS

from pack.tools.workflows.graph import Node
from pack.videograin.media.load import load, open_clip
from pack.videograin.media.rates import exact_rate
from pack.videograin.media.resize import Fit
from pack.videograin.media.selection import Pick, Trim
from pack.videograin.toybox import clips

LOADER, REGIONS = "VideoGrainLoadVideoFrames", "VideoGrainRegions"
LIKE = 4 / 255  # mean difference: a browser turns YUV to RGB and resizes in its own way
DRAWN = """async () => {
  const { href } = new URL(performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/clip_preview.js')).name)
  const { asked, firstFrame } = await import(href)
  const canvas = await firstFrame(asked(app.graph.nodes.find(({ type }) => type === 'VideoGrainRegions')))
  return canvas?.toDataURL().split(',')[1] ?? null
}"""
INSIDE = """() => {
  app.graph.convertToSubgraph(new Set(app.graph.nodes.filter(({ type }) => type === 'VideoGrainLoadVideoFrames')))
}"""
UNDO = "() => app.extensionManager.command.execute('Comfy.Undo')"


@pytest.fixture(scope="module")
def clip(server):
    """The demo's tiger and frog as two files, and one as a GIF, in ComfyUI's input folder."""
    shot = clips.clip(("tiger", "frog"), "snow", 8, 1.0, 1)
    for name, codec in (("row a.mp4", "libx264"), ("row b.webm", "libvpx-vp9")):
        footage.write(server.base / "input" / name, shot.frames, codec, 8)
    first, *others = (Image.fromarray(frame) for frame in shot.frames)
    first.save(server.base / "input" / "row c.gif", save_all=True, append_images=others, duration=125)
    return shot


PLAIN = {"start_time": 0.0, "force_rate": 0.0, "skip": 0, "every_nth": 1, "size": "multiple of 8, cropped", "width": 512,
         "height": 512}  # fmt: skip


def graph(file="row a.mp4", **settings):
    return [
        [Node("loader", LOADER, values={"file": file, **PLAIN, **settings})],
        [Node("rows", REGIONS, links={"frames": "loader.frames"}, height=640)],
        [
            Node("source", "PreviewAny", links={"source": "rows.source_prompt"}),
            Node("edited", "PreviewAny", links={"source": "rows.edited_prompt"}),
        ],
    ]


DEMO = [Node("model", "VideoGrainLoadDemoModel"), Node("used", "ModelSamplingDiscrete", links={"model": "model.model"})]
SETTINGS = (
    {},
    {"start_time": 0.5, "size": "multiple of 8, padded"},
    {"skip": 9, "size": "keep"},
    {"force_rate": 10.0, "skip": 4, "size": "multiple of 64, cropped"},
    {"start_time": 0.31, "skip": 13, "size": "exact", "width": 64, "height": 128},
    {"start_time": 0.2, "force_rate": 24.0, "skip": 7, "every_nth": 3, "size": "multiple of 64, padded"},
)


def test_the_first_frame_is_what_the_loader_gives(widgets):
    files = ("ramps.mp4", "libx264", Fraction(30000, 1001)), ("ramps.webm", "libvpx-vp9", Fraction(24))
    name, codec, rate = files[RENDERERS[widgets.renderer]]  # what is drawn does not depend on the renderer
    path = footage.write(widgets.server.base / "input" / name, footage.scene(40, 100, 132), codec, rate)
    widgets.build(graph(name))
    for settings in SETTINGS:
        given = {**PLAIN, **settings}
        for setting, value in given.items():
            widgets.set_value(LOADER, setting, value)
        drawn = Image.open(BytesIO(b64decode(widgets.page.evaluate(DRAWN)))).convert("RGB")
        pick = Pick(exact_rate(given["force_rate"]), given["skip"], given["every_nth"], 1)
        fit, trim = Fit(given["size"], given["width"], given["height"]), Trim.seconds(given["start_time"])
        expected = load(open_clip(path), pick, fit, trim=trim).frames[0]
        found = torch.from_numpy(np.array(drawn)).float() / 255
        assert found.shape == expected.shape, settings
        assert float((found - expected).abs().mean()) < LIKE, settings
    wide = footage.write(path.with_name(f"wide {name}"), footage.scene(3, 100, 132), codec, aspect=Fraction(4, 3))
    widgets.set_value(LOADER, "file", wide.name)
    assert widgets.page.evaluate(DRAWN) is None  # the browser would show it wider than the loader
    widgets.set_value(LOADER, "file", name)
    widgets.page.evaluate(INSIDE)
    assert widgets.page.evaluate(DRAWN)  # from within a subgraph


def test_six_actions_before_any_run(widgets, clip, picture):
    widgets.build(graph())
    page, view = widgets.page, widgets.view()
    view.locator("canvas.stage").wait_for()
    assert view.locator(".counter").inner_text() == "1 / 1"
    for row, (words, box) in enumerate(zip((("a tiger", "a bear"), ("a frog", "")), boxes(clip), strict=True), 1):
        field(widgets, row, "is").fill(words[0])
        field(widgets, row, "becomes").fill(words[1])
        drag(widgets, *box)
    page.screenshot(path=picture(f"row_source_{widgets.renderer}"))
    for row, box in zip(rows(widgets), boxes(clip), strict=True):
        marked = json.loads(f"[{row['marks'].removeprefix('box ')}]")
        assert max(abs(a - b) for a, b in zip(marked, [*box, 0], strict=True)) <= 2
    assert [problem(widgets, row) for row in (1, 2)] == ["", ""]
    widgets.run()
    view.get_by_text("1 / 8").wait_for()
    page.screenshot(path=picture(f"row_source_ran_{widgets.renderer}"))
    shown = page.evaluate("() => Object.values(app.nodeOutputs).flatMap(({ text }) => text ?? [])")
    assert shown == ["a tiger and a frog", "a bear and a frog"]
    widgets.set_value(LOADER, "skip", 2)  # another first frame than that of the run
    view.get_by_text("1 / 1").wait_for()
    widgets.set_value(LOADER, "skip", 0)
    view.get_by_text("1 / 8").wait_for()
    assert widgets.console.complaints() == []


def test_frames_are_shown_when_they_are_connected_and_nothing_is_missing(widgets, picture):
    """By hand: a link made by a program, or in a workflow that is opened, runs nothing."""
    widgets.build([
        [Node("clip", "VideoGrainDemoClip", values={"frames": 8, "left": "cat", "right": "dog"})],
        [Node("scaled", "ImageScaleBy", links={"image": "clip.frames"}, values={"scale_by": 0.5})],
        [Node("rows", REGIONS, height=640)],
        DEMO,
    ])  # fmt: skip
    page, view = widgets.page, widgets.view()
    view.get_by_text("Connect `frames`").wait_for()
    ended = "() => window.outcomes.length + Object.keys(app.extensionManager.lastNodeErrors ?? {}).length"
    before = page.evaluate(ended)
    page.evaluate("(id) => app.graph.getNodeById(id).disconnectInput(0)", ids(widgets)["ImageScaleBy"])
    connect(widgets, "ImageScaleBy", REGIONS)
    view.get_by_role("button", name="Show frames").wait_for()
    page.wait_for_timeout(400)  # milliseconds, in which a run would begin and be refused
    assert page.evaluate(ended) == before
    connect(widgets, "VideoGrainDemoClip", REGIONS)
    view.get_by_text("1 / 8").wait_for()
    assert page.evaluate("() => window.outcomes.at(-1)[0]") == "execution_success"
    field(widgets, 1, "is").fill("a cat")
    field(widgets, 1, "becomes").fill("an elephant")
    said = problem(widgets, 1)
    assert "cannot draw “an elephant”; it knows cat, dog, bear" in said and said.endswith("Mark it in the picture.")
    described = field(widgets, 1, "becomes").get_attribute("aria-describedby")
    assert view.locator(".problem").first.get_attribute("id") == described
    assert view.locator(".advice").inner_text() == ""
    page.screenshot(path=picture(f"row_connected_{widgets.renderer}"))


def ids(widgets):
    return widgets.page.evaluate(
        "() => Object.fromEntries(app.graph.nodes.toReversed().map(({ id, type }) => [type, id]))"
    )


def connect(widgets, source, target):
    """Draws a link with the mouse, from a node's first output to another's first input."""
    slots = []
    for kind, way in ((source, "Output"), (target, "Input")):
        slots.append(widgets.page.evaluate("""([id, way]) => {
          const node = app.graph.getNodeById(id)
          const [x, y] = node[`get${way}Pos`](0)
          const { left, top } = app.canvas.canvas.getBoundingClientRect()
          const { scale, offset } = app.canvas.ds
          return [left + (x + offset[0]) * scale, top + (y + offset[1]) * scale]
        }""", [ids(widgets)[kind], way]))  # fmt: skip
    mouse = widgets.page.mouse
    mouse.move(*slots[0])
    mouse.down()
    mouse.move(*slots[1], steps=6)
    mouse.up()


def boxes(clip):
    for mask in clip.masks[:, 0]:
        down, across = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        yield across[0] - 3, down[0] - 3, across[-1] + 3, down[-1] + 3


def test_another_file_takes_the_marks_along_for_undo_too(widgets, clip, picture):
    widgets.build([*graph(), DEMO])
    page, view = widgets.page, widgets.view()
    view.locator("canvas.stage").wait_for()
    field(widgets, 2, "is").fill("a frog")
    drag(widgets, 100, 60, 180, 150)
    # Not that this clip needs another model: it shows the demo's own, which no file's name tells.
    assert "A clip of anything else needs" in view.locator(".advice").inner_text()
    page.screenshot(path=picture(f"row_demo_{widgets.renderer}"))
    before = widgets.value(REGIONS, "rows")
    assert rows(widgets)[1]["marks"]
    widgets.set_value(LOADER, "file", "row b.webm")
    assert [row["marks"] for row in rows(widgets)] == ["", ""] and rows(widgets)[1]["is"] == "a frog"
    page.evaluate(UNDO)
    page.wait_for_function(
        "(before) => app.graph.nodes.some(({ widgets }) => widgets?.some(({ value }) => value === before))", arg=before
    )
    page.wait_for_timeout(800)  # milliseconds, for the new nodes' views
    assert widgets.value(LOADER, "file") == "row a.mp4"
    widgets.set_value(LOADER, "file", "row c.gif")  # which no video element plays
    widgets.view().get_by_role("button", name="Show frames").click()
    widgets.view().get_by_text("1 / 8").wait_for()
    assert rows(widgets)[1] == {"is": "a frog", "becomes": "", "marks": ""}


def test_another_loader_takes_the_marks_along_for_undo_too(widgets, clip):
    loaders, *rest = graph()
    widgets.build([[Node("other", LOADER, values={"file": "row b.webm", **PLAIN}), *loaders], *rest])
    page = widgets.page
    widgets.view().locator("canvas.stage").wait_for()
    field(widgets, 1, "is").fill("a tiger")
    widgets.set_value(REGIONS, "scene", "a tiger in the snow")
    drag(widgets, 20, 60, 80, 150)
    before = widgets.value(REGIONS, "rows")
    page.mouse.click(20, 700)  # on nothing: ComfyUI looks for changes
    connect(widgets, LOADER, REGIONS)  # the first loader
    page.wait_for_timeout(400)  # milliseconds, for ComfyUI to look for changes
    assert rows(widgets)[0] == {"is": "a tiger", "becomes": "", "marks": ""} and not widgets.value(REGIONS, "scene")
    page.evaluate(UNDO)
    page.wait_for_timeout(800)  # milliseconds, for the new nodes' views
    assert widgets.value(REGIONS, "rows") == before and widgets.value(REGIONS, "scene") == "a tiger in the snow"


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
def test_marks_scale_with_the_frames(widgets, clip, picture):
    """A change of one side alone is another crop, which a row tells; with the other side the crop is the first one again."""
    widgets.build(graph(size="exact", width=192, height=192))
    widgets.view().locator("canvas.stage").wait_for()
    field(widgets, 1, "is").fill("a frog")
    widgets.page.wait_for_timeout(300)  # milliseconds, for the node to grow
    drag(widgets, 100, 60, 180, 150)
    before = rows(widgets)
    widgets.set_value(LOADER, "width", 96)
    assert "box" in before[0]["marks"] == rows(widgets)[0]["marks"] and "another cut of the clip" in problem(widgets, 1)
    widgets.page.screenshot(path=picture("row_cut"))
    widgets.set_value(LOADER, "height", 96)
    assert problem(widgets, 1) == "" and rows(widgets)[1] == before[1]
    large, small = (numbers(found[0]["marks"]) for found in (before, rows(widgets)))
    assert all(abs(a / 2 - b) <= 1 for a, b in zip(large, small, strict=True))
    for _ in range(2):
        widgets.page.evaluate(UNDO)
        widgets.page.wait_for_timeout(800)  # milliseconds, for the new nodes' views
    assert rows(widgets) == before and widgets.value(LOADER, "width") == 192
    widgets.set_value(LOADER, "skip", 2)
    assert "another cut" in problem(widgets, 1)
    drag(widgets, 20, 20, 80, 80)
    assert problem(widgets, 1) == ""


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
def test_masks_stand_there_again_after_a_reload(widgets, clip, picture):
    build(widgets, graph())
    widgets.view().locator("canvas.stage").wait_for()
    field(widgets, 1, "is").fill("a tiger")
    drag(widgets, 20, 60, 80, 150)
    widgets.run()
    widgets.view().get_by_text("1 / 8").wait_for()
    settle(widgets, 1)
    before = widgets.pixels(widgets.view().locator("canvas.stage"))
    widgets.start()
    widgets.look(1.0)
    widgets.view().get_by_text("1 / 8").wait_for()
    widgets.page.wait_for_timeout(400)  # milliseconds, for the picture
    widgets.page.screenshot(path=picture("row_source_reloaded"))
    assert widgets.pixels(widgets.view().locator("canvas.stage")) == before
