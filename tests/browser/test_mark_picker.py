"""Points to Region's picture in both renderers: marks by mouse and by keyboard, undone, run, and kept."""

from pack.tools.workflows.graph import Node

KIND = "VideoGrainPointsToRegion"
VALUE = f"""() => app.graph.nodes.find(({{ type }}) => type === '{KIND}').widgets.find(({{ name }}) => name === 'marks').value"""


def graph(marks=""):
    return [
        [Node("clip", "VideoGrainDemoClip", values={"frames": 8})],
        [Node("marks", KIND, links={"frames": "clip.frames"}, values={"marks": marks}, height=560)],
        [Node("preview", "MaskPreview", links={"mask": "marks.mask"}, height=300)],
    ]


def stage(widgets):
    """Where the square picture stands on the page: left, top, side."""
    box = widgets.view().locator("canvas.stage").bounding_box()
    side = min(box["width"], box["height"])
    return box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2, side


def place(widgets, x, y):
    left, top, side = stage(widgets)
    return left + side * x / 192, top + side * y / 192


def numbers(mark):
    return [int(part) for part in mark.removeprefix("box").removeprefix("not").split(",")]


def test_marked_with_the_mouse_undone_and_run(widgets, picture):
    widgets.build(graph())
    widgets.run()
    page, view = widgets.page, widgets.view()
    view.locator(".counter").get_by_text("1 / 8").wait_for()
    assert "Marks: 0" in view.locator(".status").inner_text()

    page.mouse.move(*place(widgets, 20, 30))
    page.mouse.down()
    page.mouse.move(*place(widgets, 90, 120), steps=4)
    page.mouse.up()
    assert page.evaluate(VALUE).startswith("box ")
    assert all(abs(a - b) <= 2 for a, b in zip(numbers(page.evaluate(VALUE)), [20, 30, 90, 120, 0], strict=True))

    page.mouse.click(*place(widgets, 60, 70))
    page.keyboard.down("Shift")
    page.mouse.click(*place(widgets, 150, 20))
    page.keyboard.up("Shift")
    box, on, beside = page.evaluate(VALUE).split("; ")
    assert all(abs(a - b) <= 2 for a, b in zip(numbers(on), [60, 70, 0], strict=True))
    assert beside.startswith("not ") and all(
        abs(a - b) <= 2 for a, b in zip(numbers(beside), [150, 20, 0], strict=True)
    )
    page.keyboard.press("Delete")  # the last mark, not the node
    assert page.evaluate(VALUE) == f"{box}; {on}"
    view.get_by_role("button", name="Undo").click()
    page.wait_for_function(f"() => ({VALUE})() === {f'{box}; {on}; {beside}'!r}")
    page.wait_for_timeout(500)  # milliseconds, for the picture
    page.mouse.move(*place(widgets, 20, 100))
    page.mouse.down()
    page.mouse.move(*place(widgets, 90, 180), steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert page.evaluate(VALUE) == f"{box}; {on}; {beside}"  # no box

    page.mouse.click(*place(widgets, 60, 70))  # the same point again: removed
    assert page.evaluate(VALUE) == f"{box}; {beside}"
    view.get_by_role("button", name="Undo").click()
    page.wait_for_function(f"() => ({VALUE})() === {f'{box}; {on}; {beside}'!r}")

    widgets.run()
    view = widgets.view()
    page.wait_for_timeout(800)  # milliseconds, for the pictures
    assert (
        "Run it" not in view.locator(".status").inner_text()
        and "Marks: 3, in this frame 3" in view.locator(".status").inner_text()
    )
    page.screenshot(path=picture(f"marks_{widgets.renderer}"))
    view.get_by_role("button", name="Clear").click()
    assert page.evaluate(VALUE) == ""


def test_marked_by_keyboard_and_painted(widgets, picture):
    widgets.build(graph("not 3, 3, 1"))
    widgets.run()
    page, view = widgets.page, widgets.view()
    view.locator("canvas.stage").focus()
    for key in ("PageDown", "ArrowRight", "ArrowDown", "Enter", "ArrowRight", "ArrowRight", "Shift+Enter"):
        page.keyboard.press(key)
    assert view.locator(".counter").inner_text() == "2 / 8"
    assert page.evaluate(VALUE) == "not 3, 3, 1; 99, 99, 1; not 105, 99, 1"

    view.get_by_role("button", name="Clear").click()
    view.get_by_role("button", name="Brush").click()
    page.mouse.move(*place(widgets, 30, 90))
    page.mouse.down()
    page.mouse.move(*place(widgets, 90, 90), steps=12)
    page.mouse.move(*place(widgets, 90, 130), steps=8)
    page.mouse.up()
    painted = page.evaluate(VALUE)
    *line, radius, frame = numbers(painted.removeprefix("brush"))
    assert (len(line), radius, frame) == (6, 8, 1)  # a straight line has two points
    assert all(abs(a - b) <= 2 for a, b in zip(line, [30, 90, 90, 90, 90, 130], strict=True))
    page.mouse.move(0, 0)
    view.get_by_role("slider", name="Size of the brush").fill("20")
    view.get_by_role("button", name="Erase").click()
    view.locator("canvas.stage").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate(VALUE) == f"{painted}; erase 99, 96, 4, 1"
    page.screenshot(path=picture(f"painted_{widgets.renderer}"))
