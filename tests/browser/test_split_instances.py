"""Split Instances' rows in both renderers: a picture, number, name and area for each thing."""

from pack.tools.workflows.graph import Node

KIND = "VideoGrainSplitInstances"
HARMFUL = '<img src=x onerror="window.harmed=true">'


def graph(names):
    """The demo clip's two things in one mask, split again."""
    both = Node(
        "both",
        "MaskComposite",
        links={"destination": "clip.left_mask", "source": "clip.right_mask"},
        values={"operation": "or"},
    )
    split = Node(
        "split", KIND, links={"mask": "both.MASK", "frames": "clip.frames"}, values={"instances": 2, "names": names}
    )
    return [[Node("clip", "VideoGrainDemoClip", values={"frames": 8})], [both], [split]]


def test_a_row_for_each_thing(widgets, picture):
    widgets.build(graph("the cat, " + HARMFUL))
    widgets.run()
    view = widgets.view()
    rows = view.locator(".regions > li")
    rows.nth(1).wait_for()
    assert rows.count() == 2 and view.locator("svg polyline").count() == 2
    assert view.locator("b").all_inner_texts() == ["the cat", HARMFUL]
    assert view.locator(".swatch").all_inner_texts() == ["1", "2"]
    widgets.page.wait_for_function(
        "() => [...document.querySelectorAll('.videograin .thumbnail')].every((i) => i.naturalWidth > 20)"
    )
    assert widgets.page.evaluate("() => window.harmed") is None
    assert view.locator(".regions").evaluate("(list) => list.scrollHeight <= list.clientHeight")  # no row is cut
    widgets.page.screenshot(path=picture(f"instances_{widgets.renderer}"))
