"""Clusters to Mask's picker, by mouse and by keyboard, in both renderers: what is picked is what the mask becomes."""

import io
import json
import re
import urllib.parse
import urllib.request
import zlib
from base64 import b64encode

import numpy as np
import pytest
import torch
from PIL import Image
from toy_graph import INVERTED, MODEL, attention_layout
from widget_page import WidgetPage

from pack.tools.frontend import OPEN, exported
from pack.tools.workflows.graph import Node
from pack.videograin.masks.cluster_choice import chosen_mask, parse_choice

PICKER = "VideoGrainClustersToMask"
GRAPH = [
    [MODEL, Node("clip", "VideoGrainDemoClip", values={"frames": 8})],
    INVERTED,
    [attention_layout(9)],
    [
        Node(
            "pick",
            PICKER,
            links={"layout": "layout.layout", "frames": "clip.frames"},
            values={"clusters": "0", "invert": False, "edges": False},  # the outline of the very tokens that are picked
            height=480,
        )
    ],
    [
        Node("image", "MaskToImage", links={"mask": "pick.mask"}),
        Node("preview", "PreviewImage", links={"images": "image.IMAGE"}, height=300),
    ],
]


@pytest.fixture
def picker(widgets):
    widgets.build(GRAPH, zoom=0.9)
    widgets.stage = widgets.view().locator("canvas")
    assert not widgets.stage.is_visible()  # nothing to show yet, and nothing to press
    assert not any(button.is_visible() for button in widgets.view().locator("button, input, select").all())
    widgets.run()
    widgets.stage.wait_for()
    return widgets


def token_of(layout, cluster, frame=0):
    """The middle of some token of a cluster, as shares of the picture."""
    row, column = (layout.labels[frame] == cluster).nonzero()[0].tolist()
    return (column + 0.5) / layout.labels.shape[2], (row + 0.5) / layout.labels.shape[1]


def others(layout, chosen=0, frame=0):
    """Clusters in a frame, from the largest, without the one that is chosen from the start."""
    count = torch.bincount(layout.labels[frame].flatten(), minlength=len(layout.names))
    return [number for number in count.argsort(descending=True).tolist() if number != chosen and count[number]]


def masks(picker):
    """The masks of the last run, as PreviewImage shows them: (frames, height, width) in 0…1."""
    files = picker.page.evaluate(
        "() => app.nodeOutputs[app.graph.nodes.find(({ type }) => type === 'PreviewImage').id].images"
    )
    frames = []
    for file in files:
        with urllib.request.urlopen(f"{picker.server.url}/view?{urllib.parse.urlencode(file)}", timeout=60) as answer:
            frames.append(np.asarray(Image.open(io.BytesIO(answer.read())).convert("L")) / 255)
    return torch.from_numpy(np.stack(frames)).float()


def test_a_click_takes_a_cluster_and_gives_it_back(picker, picture):
    layout = picker.layout()
    one, two = others(layout)[:2]
    before = picker.pixels(picker.stage)
    picker.click_at(picker.stage, *token_of(layout, one))
    assert picker.value(PICKER, "clusters") == f"0, {one}" == picker.prompt_input(PICKER, "clusters")
    assert picker.pixels(picker.stage) != before
    picker.click_at(picker.stage, *token_of(layout, two))
    picker.page.screenshot(path=picture(f"picker_{picker.renderer}"))
    picker.click_at(picker.stage, *token_of(layout, one))
    chosen = picker.value(PICKER, "clusters")
    assert str(two) in chosen.split(", ") and str(one) not in chosen.split(", ")
    assert picker.console.complaints() == []


def test_the_mask_of_the_next_run_is_what_was_picked(picker):
    layout, first = picker.layout(), masks(picker)
    assert torch.equal(first > 0.5, chosen_mask(layout, parse_choice(layout, "0", "`clusters`")) > 0.5)
    one = others(layout)[0]
    picker.click_at(picker.stage, *token_of(layout, one))
    picker.run()
    second = masks(picker)
    assert torch.equal(second > 0.5, chosen_mask(layout, parse_choice(layout, f"0, {one}", "`clusters`")) > 0.5)
    assert not torch.equal(first, second)


def test_a_shift_click_takes_only_the_connected_part(picker, picture):
    layout = picker.layout()
    one = others(layout)[0]
    picker.click_at(picker.stage, *token_of(layout, one), shift=True)
    text = picker.value(PICKER, "clusters")
    assert re.fullmatch(rf"0, {one}@\(\d+, \d+, 0\)", text)
    expected = chosen_mask(layout, parse_choice(layout, text, "`clusters`")) > 0.5
    picker.run()
    assert torch.equal(masks(picker) > 0.5, expected)
    picker.page.screenshot(path=picture(f"picker_part_{picker.renderer}"))
    picker.click_at(picker.stage, *token_of(layout, one), shift=True)
    assert picker.value(PICKER, "clusters") == "0"


def test_a_choice_that_no_longer_fits_is_told_and_mended_on_the_new_picture(picker, picture):
    picker.set_value(PICKER, "clusters", "0, 8")
    picker.set_value("VideoGrainAttentionLayout", "clusters", 4)
    assert 'asks for "8"' in picker.run("execution_error")
    chips, status = picker.view().get_by_role("group").get_by_role("button"), picker.view().get_by_role("status")
    assert chips.count() == 4 and "Not in this layout: “8”" in status.inner_text()
    picker.page.keyboard.press("Escape")
    picker.page.screenshot(path=picture(f"picker_vain_{picker.renderer}"))
    for text, said in (("zzz, 0", "“zzz”"), ("", "Nothing is chosen"), ("0@(9999, 1, 0)", "“0@(9999, 1, 0)”")):
        picker.set_value(PICKER, "clusters", text)
        assert said in status.inner_text()
    picker.set_value(PICKER, "clusters", "0, 3")
    assert "The mask covers" in status.inner_text() and picked(picker) == {0, 3}


def test_only_a_click_picks(picker):
    """Pressed elsewhere, or dragged across, as to pan."""
    layout = picker.layout()
    one, two = (picker.place(picker.stage, *token_of(layout, cluster)) for cluster in others(layout)[:2])
    box = picker.view().get_by_role("status").bounding_box()
    for start in ((box["x"] + 5, box["y"] + 5), two):
        picker.page.mouse.move(*start)
        picker.page.mouse.down()
        picker.page.mouse.move(*one, steps=4)
        picker.page.mouse.up()
        assert picker.value(PICKER, "clusters") == "0"
    picker.page.mouse.click(*one)
    assert picker.value(PICKER, "clusters") == f"0, {others(layout)[0]}"


def test_connected_and_set_free_again(picker):
    link = """([kind, text]) => {
      const node = app.graph.nodes.find(({ type }) => type === kind)
      const slot = node.inputs.findIndex(({ name }) => name === 'clusters')
      if (text === null) return node.disconnectInput(slot)
      const source = LiteGraph.createNode('PrimitiveString')
      app.graph.add(source)
      source.widgets[0].value = text
      source.connect(0, node, slot)
    }"""
    status = picker.view().get_by_role("status")
    picker.page.evaluate(link, [PICKER, "2"])
    assert "is connected" in status.inner_text()
    picker.run()
    assert picked(picker) == {2}
    picker.page.evaluate(link, [PICKER, None])
    assert picked(picker) == {0} and "Click a cluster" in status.inner_text()
    picker.view().get_by_role("group").get_by_role("button").nth(1).click()
    assert picker.value(PICKER, "clusters") == "0, 1"


def test_hovering_tells_number_and_area(picker):
    layout = picker.layout()
    one = others(layout)[0]
    picker.page.mouse.move(*picker.place(picker.stage, *token_of(layout, one)))
    share = 100 * float((layout.labels[0] == one).float().mean())
    assert f"Cluster {one}: {share:.1f}% of this frame" in picker.view().get_by_role("status").inner_text()
    picker.page.mouse.move(5, 500)
    assert "The mask covers" in picker.view().get_by_role("status").inner_text()


def test_the_scrubber_moves_through_the_frames(picker):
    layout, before = picker.layout(), picker.pixels(picker.stage)
    picker.view().get_by_role("slider").focus()
    for _ in range(3):
        picker.page.keyboard.press("ArrowRight")
    assert picker.view().locator(".counter").inner_text() == "4 / 8"
    assert picker.pixels(picker.stage) != before
    one = others(layout, frame=3)[0]
    picker.click_at(picker.stage, *token_of(layout, one, frame=3), shift=True)
    assert picker.value(PICKER, "clusters").endswith(", 3)")


def test_undo_and_redo_are_the_graphs_own(picker):
    layout = picker.layout()
    picker.view().get_by_role("slider").focus()
    picker.page.keyboard.press("End")
    frame = 7
    one, two = others(layout, frame=frame)[:2]
    for cluster in (one, two):
        picker.click_at(picker.stage, *token_of(layout, cluster, frame))
    assert picker.value(PICKER, "clusters") == f"0, {one}, {two}" and picked(picker) == {0, one, two}
    picker.view().get_by_role("button", name="Undo").click()
    becomes(picker, f"0, {one}")
    assert picked(picker) == {0, one}
    assert picker.view().locator(".counter").inner_text() == "8 / 8"
    picker.page.keyboard.press("Control+z", delay=150)
    becomes(picker, "0")
    assert picked(picker) == {0}
    picker.page.keyboard.press("Control+y", delay=150)
    becomes(picker, f"0, {one}")
    picker.click_at(picker.view().locator("canvas"), *token_of(layout, one, frame))
    assert picker.value(PICKER, "clusters") == "0" and picked(picker) == {0}
    assert picker.console.complaints() == []


def picked(picker):
    """The clusters that the view shows as picked."""
    chips = picker.view().get_by_role("group").get_by_role("button").all()
    return {number for number, chip in enumerate(chips) if chip.get_attribute("aria-pressed") == "true"}


def test_the_panel_of_parameters_leaves_the_view_alone(picker, picture):
    before = picker.view().bounding_box()
    picker.page.evaluate("(kind) => app.canvas.selectNode(app.graph.nodes.find(({ type }) => type === kind))", PICKER)
    panel = picker.panel(shown=True)
    picker.page.wait_for_timeout(1000)  # milliseconds
    picker.page.screenshot(path=picture(f"picker_panel_{picker.renderer}"))
    assert panel.get_by_text("clusters").first.is_visible() and "videograin" not in panel.inner_text()
    assert picker.view().bounding_box()["width"] == pytest.approx(before["width"], abs=1)
    picker.panel(shown=False)


def becomes(picker, text):
    """Waits until undo or redo has made all nodes anew."""
    tracker = "app.extensionManager.workflow.activeWorkflow.changeTracker"
    value = f"app.graph.nodes.find(({{ type }}) => type === '{PICKER}')?.widgets[0].value"
    picker.page.wait_for_function(f"(text) => !{tracker}._restoringState && {value} === text", arg=text)
    picker.page.wait_for_timeout(1000)  # milliseconds, for the picture


def test_by_keyboard_alone(picker):
    layout = picker.layout()
    picker.stage.focus()
    for _ in range(40):  # into the upper left corner
        picker.page.keyboard.press("ArrowLeft")
        picker.page.keyboard.press("ArrowUp")
    picker.page.keyboard.press("ArrowRight")
    cluster = int(layout.labels[0, 0, 1])
    assert f"Cluster {cluster}" in picker.view().get_by_role("status").inner_text()
    picker.page.keyboard.press("Shift+Enter")
    part = f"{cluster}@({', '.join(str(int((i + 0.5) * s / n)) for i, s, n in ((1, layout.width, layout.labels.shape[2]), (0, layout.height, layout.labels.shape[1])))}, 0)"
    assert part in picker.value(PICKER, "clusters")
    picker.page.keyboard.press("Shift+Enter")
    assert part not in picker.value(PICKER, "clusters")
    picker.page.keyboard.press("PageDown")
    assert picker.view().locator(".counter").inner_text() == "2 / 8"
    picker.view().get_by_role("group").get_by_role("button").first.focus()
    picker.page.keyboard.press("Space")
    assert "0" not in picker.value(PICKER, "clusters").split(", ")
    picker.page.keyboard.press("Space")
    assert "0" in picker.value(PICKER, "clusters").split(", ")
    assert picker.page.evaluate("() => app.graph.nodes.length") == len(exported(picker.page)[0]["nodes"]) > 8


def test_text_written_by_hand_is_followed(picker):
    one = others(picker.layout())[0]
    before = picker.pixels(picker.stage)
    picker.set_value(PICKER, "clusters", f"{one}, nonsense@@, 99")
    pressed = picker.view().locator(".chips button[aria-pressed=true]")
    assert [text.split()[0] for text in pressed.all_inner_texts()] == [str(one)]
    assert picker.pixels(picker.stage) != before


def test_saved_and_opened_again_the_choice_is_the_same(picker):
    one = others(picker.layout())[0]
    picker.click_at(picker.stage, *token_of(picker.layout(), one))
    workflow, prompt = exported(picker.page)
    node = next(node for node in workflow["nodes"] if node["type"] == PICKER)
    assert node["widgets_values"] == [f"0, {one}", False, False]  # the picture is not among them
    # Somebody else's browser, on a screen of twice the density.
    other = WidgetPage(picker.page.context.browser, picker.server, picker.renderer, scale=2)
    try:
        other.page.evaluate(OPEN, json.dumps(workflow))
        other.page.wait_for_timeout(1000)
        assert exported(other.page)[1] == prompt and other.value(PICKER, "clusters") == f"0, {one}"
        other.run()
        pressed = other.view().locator(".chips button[aria-pressed=true]")
        assert [text.split()[0] for text in pressed.all_inner_texts()] == ["0", str(one)]
        other.click_at(other.view().locator("canvas"), *token_of(picker.layout(), one))
        assert other.value(PICKER, "clusters") == "0"
        assert other.console.complaints() == []
    finally:
        other.page.context.close()


def test_a_connected_choice_is_shown_but_not_changed(picker):
    layout = picker.layout()
    one = others(layout)[0]
    picker.page.evaluate(
        """([kind, text]) => {
          const node = app.graph.nodes.find(({ type }) => type === kind)
          const from = LiteGraph.createNode('PrimitiveString')
          app.graph.add(from)
          from.widgets[0].value = text
          from.connect(0, node, node.inputs.findIndex(({ name }) => name === 'clusters'))
        }""",
        [PICKER, str(one)],
    )
    picker.run()
    assert "is connected" in picker.view().get_by_role("status").inner_text()
    picker.click_at(picker.stage, *token_of(layout, others(layout)[1]))
    assert picker.value(PICKER, "clusters") == "0"
    assert torch.equal(masks(picker) > 0.5, chosen_mask(layout, parse_choice(layout, str(one), "`clusters`")) > 0.5)


def test_copies_collapsing_subgraphs_and_zoom(picker, picture):
    page, layout = picker.page, picker.layout()
    select = (
        f"() => {{ app.canvas.deselectAll(); app.canvas.select(app.graph.nodes.find(n => n.type === '{PICKER}')) }}"
    )
    page.evaluate(select)
    page.evaluate("() => { app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard({ position: [1500, 700] }) }")
    assert page.evaluate(f"() => app.graph.nodes.filter(n => n.type === '{PICKER}').length") == 2
    page.evaluate(f"() => app.graph.remove(app.graph.nodes.filter(n => n.type === '{PICKER}')[1])")
    page.wait_for_timeout(300)

    page.evaluate(f"() => app.graph.nodes.find(n => n.type === '{PICKER}').collapse()")
    page.wait_for_timeout(300)
    assert not picker.stage.is_visible()
    page.evaluate(f"() => app.graph.nodes.find(n => n.type === '{PICKER}').collapse()")
    page.wait_for_timeout(300)

    picker.look(0.45)
    one = others(layout)[0]
    picker.click_at(picker.stage, *token_of(layout, one))
    assert picker.value(PICKER, "clusters") == f"0, {one}"
    page.screenshot(path=picture(f"picker_far_{picker.renderer}"))

    page.evaluate(select)
    page.evaluate(
        "() => { const { node } = app.graph.convertToSubgraph(app.canvas.selectedItems); window.outer = node }"
    )
    picker.run()
    page.evaluate("() => app.canvas.openSubgraph(window.outer.subgraph, window.outer)")
    page.wait_for_timeout(1000)
    picker.view().locator("canvas").wait_for()
    page.screenshot(path=picture(f"picker_subgraph_{picker.renderer}"))
    assert picker.console.complaints() == []


def test_names_are_text_and_nothing_else(picker):
    """Names come from prompts, and prompts from other people's workflows."""
    page = picker.page
    page.evaluate(
        """(kind) => {
          const node = app.graph.nodes.find(({ type }) => type === kind)
          const output = app.nodeOutputs[node.id]
          const shown = JSON.parse(output.videograin[0])
          shown.names[0] = '<img src=x onerror="window.harmed = true">'
          node.onExecuted({ videograin: [JSON.stringify(shown)] })
        }""",
        PICKER,
    )
    picker.view().get_by_text('<img src=x onerror="window.harmed = true">').first.wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.harmed") is None and picker.view().locator("img").count() == 0


def test_a_long_clip_stays_responsive(picker, picture):
    """32 frames at 512×512, as the browser sees its own long tasks (over 50 ms) while the pointer is at work."""
    frames, side = 32, 64
    place = torch.arange(side)
    drift = torch.arange(frames)[:, None]
    labels = (((place + drift) // 12)[:, None, :] + 2 * (place // 12)[None, :, None]) % 8
    shown = picker.shown(PICKER) | {
        "labels": b64encode(zlib.compress(bytes(labels.flatten().tolist()))).decode(),
        "shape": [frames, side, side],
        "size": [512, 512],
        "names": [""] * 8,
        "colours": [[30 * number, 120, 255 - 30 * number] for number in range(8)],
        "pictures": [],
    }
    picker.page.evaluate(
        """([kind, shown]) => {
          app.graph.nodes.find(({ type }) => type === kind).onExecuted({ videograin: [JSON.stringify(shown)] })
        }""",
        [PICKER, shown],
    )
    picker.watch()
    picker.page.wait_for_function("() => document.querySelector('.videograin .counter').textContent === '1 / 32'")
    picker.click_at(picker.stage, 0.3, 0.3, shift=True)
    for step in range(40):
        picker.page.mouse.move(*picker.place(picker.stage, 0.1 + 0.02 * step, 0.2 + 0.015 * step))
    picker.view().get_by_role("slider").focus()
    for _ in range(31):
        picker.page.keyboard.press("ArrowRight")
    assert picker.view().locator(".counter").inner_text() == "32 / 32"
    longest = picker.watched(
        picture(f"picker_long_tasks_{picker.renderer}"), "cluster picker", frames, actions=1 + 40 + 31
    )
    assert longest < 2000  # milliseconds, also on a busy machine
