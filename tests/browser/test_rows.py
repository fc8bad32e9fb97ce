"""Regions' table in both renderers: rows typed, marked, added and removed, undone, run, and kept."""

import json

from test_mark_picker import numbers, place

from pack.tools.workflows.graph import Node

KIND = "VideoGrainRegions"
ROWS = """app.graph.nodes.find(({ type }) => type === 'VideoGrainRegions').widgets.find(({ name }) => name === 'rows').value"""
BLOCKED = """() => window.outcomes.filter(([kind, message]) =>
  kind === 'execution_error' && message.startsWith('Execution Blocked: Row 1: the thing is not marked')).length"""
ALONE = """async () => {
  app.canvas.select(app.graph.nodes.find(({ type }) => type === 'VideoGrainRegions'))
  await app.extensionManager.command.execute('Comfy.QueueSelectedOutputNodes')
}"""
RELOAD = "async () => { await app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize()))) }"
LINKED = """() => app.graph.nodes.find(({ type }) => type === 'VideoGrainRegions').inputs
  .filter((input) => /^mask_/.test(input.name) && input.link !== null).map(({ name }) => name)"""


def graph(links=(), scene=""):
    """links: rows whose mask comes from the demo clip."""
    masks = {f"mask_{row}": "clip.left_mask" for row in links}
    # "rows": the frontend gives a new node the texts of an earlier one of the same number.
    return [
        [Node("clip", "VideoGrainDemoClip", values={"frames": 8})],
        [Node("rows", KIND, links={"frames": "clip.frames", **masks}, values={"rows": "", "scene": scene}, height=640)],
        [
            Node("source", "PreviewAny", links={"source": "rows.source_prompt"}),
            Node("edited", "PreviewAny", links={"source": "rows.edited_prompt"}),
        ],
    ]


def rows(widgets):
    return json.loads(widgets.value(KIND, "rows") or "[]")


def field(widgets, row, what):
    return widgets.view().get_by_role("textbox", name=f"Row {row}: what it {what}")


def problem(widgets, row):
    return widgets.view().locator(".problem").nth(row - 1).inner_text()


def drag(widgets, *box):
    page = widgets.page
    page.mouse.move(*place(widgets, *box[:2]))
    page.mouse.down()
    page.mouse.move(*place(widgets, *box[2:]), steps=4)
    page.mouse.up()


def test_typed_marked_and_run(widgets, picture):
    widgets.build(graph())
    page, view = widgets.page, widgets.view()
    assert view.get_by_role("textbox").count() == 4 and not page.get_by_text("rows", exact=True).count()
    show = view.get_by_role("button", name="Show frames")
    show.wait_for()
    page.screenshot(path=picture(f"rows_new_{widgets.renderer}"))
    before = page.evaluate(BLOCKED)  # by other tests
    for times in (1, 2):  # ComfyUI keeps what it ran; the second run has to say the same
        page.get_by_test_id("queue-button").click()
        # once for each of what would show a prompt
        page.wait_for_function(f"(times) => ({BLOCKED})() === times", arg=before + 2 * times)
        page.keyboard.press("Escape")  # the error's window

    field(widgets, 1, "is").fill("a tiger")
    page.keyboard.press("Tab")
    page.keyboard.type("a pandas")
    page.keyboard.press("Backspace")  # a letter, not the node
    assert problem(widgets, 1) == "Mark it in the picture." and problem(widgets, 2) == ""
    drag(widgets, 30, 30, 60, 60)
    drag(widgets, 10, 60, 90, 150)  # in place of the other
    found = rows(widgets)
    assert [row["is"] for row in found] == ["a tiger", ""] and found[0]["becomes"] == "a panda"
    assert all(abs(a - b) <= 2 for a, b in zip(numbers(found[0]["marks"]), [10, 60, 90, 150, 0], strict=True))

    marked = widgets.value(KIND, "rows")
    field(widgets, 2, "is").fill("a dog")
    page.keyboard.press("Tab")
    page.evaluate("() => app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_function(f"(before) => {ROWS} === before", arg=marked)  # the whole word at once
    page.wait_for_timeout(800)  # milliseconds, for the new node's view
    assert field(widgets, 2, "is").input_value() == ""

    view = widgets.view()
    view.get_by_role("button", name="Add a thing").click()
    page.keyboard.type("a frog")  # the new row has the focus
    assert [row["is"] for row in rows(widgets)] == ["a tiger", "", "a frog"]
    drag(widgets, 100, 60, 180, 150)
    assert rows(widgets)[2]["marks"].startswith("box ") and rows(widgets)[0] == found[0]
    before = widgets.value(KIND, "rows")
    view.get_by_role("button", name="Remove row 2").click()
    assert [row["is"] for row in rows(widgets)] == ["a tiger", "a frog"]
    page.evaluate("() => app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_function(f"(before) => {ROWS} === before", arg=before)
    page.wait_for_timeout(800)  # milliseconds, for the new node's view
    assert widgets.value(KIND, "rows") == before and widgets.view().get_by_role("textbox").count() == 6
    assert field(widgets, 3, "is").input_value() == "a frog"

    widgets.run()
    page.wait_for_timeout(800)  # milliseconds, for the pictures
    shown = page.evaluate("() => Object.values(app.nodeOutputs).flatMap(({ text }) => text ?? [])")
    assert shown == ["a tiger and a frog", "a panda and a frog"]
    page.screenshot(path=picture(f"rows_{widgets.renderer}"))
    assert [problem(widgets, row) for row in (1, 2, 3)] == [""] * 3
    page.evaluate(RELOAD)
    page.wait_for_timeout(800)  # milliseconds, for the new node's view
    assert widgets.value(KIND, "rows") == before and field(widgets, 1, "becomes").input_value() == "a panda"
    assert widgets.console.complaints() == []


def test_linked_masks_stay_with_their_rows(widgets):
    widgets.build(graph([2]))
    page, view = widgets.page, widgets.view()
    field(widgets, 2, "is").fill("a tiger")
    assert view.locator(".mark").all_inner_texts()[1].startswith("Linked")
    view.get_by_role("button", name="Remove row 1").click()
    assert page.evaluate(LINKED) == ["mask_1"] and [row["is"] for row in rows(widgets)] == ["a tiger"]
    assert view.locator(".mark").all_inner_texts()[0].startswith("Linked")
    widgets.run()
    view.locator("canvas.stage").wait_for()
    assert "Row 1 has its mask from a link" in view.locator(".status").inner_text()


def test_filled_in_by_keyboard_alone(widgets):
    widgets.build(graph())
    page = widgets.page
    page.evaluate(ALONE)
    widgets.view().locator("canvas.stage").wait_for()
    field(widgets, 1, "is").focus()
    for words in ("a cat", "a bear"):
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    widgets.set_value(KIND, "scene", "a dog")
    assert "“a cat” is not in the scene" in problem(widgets, 1)
    widgets.set_value(KIND, "scene", "a Cat in the grass")
    assert problem(widgets, 1) == "Mark it in the picture."
    page.keyboard.press("Enter")  # Mark: on to the picture
    for key in ("ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert rows(widgets)[0] == {"is": "a cat", "becomes": "a bear", "marks": "99, 96, 0"}
    page.keyboard.press("Delete")
    assert rows(widgets)[0]["marks"] == ""
