"""Bind Region Prompts' overview in both renderers: what it shows, and that words stay words."""

import io
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image

from pack.tools.workflows.graph import Node

KIND = "VideoGrainBindRegionPrompts"
HARMFUL = '<img src=x onerror="window.harmed=true">'


def graph(phrases, prompt, missing="error", masks=("clip.left_mask", "clip.right_mask")):
    """Region Prompts for the two things of the demo clip, bound in `prompt`."""
    regions = [
        Node(
            f"region{number}",
            "VideoGrainRegionPrompt",
            links={"mask": mask} | ({"regions": f"region{number - 1}.regions"} if number else {}),
            values={"phrase": phrase},
        )
        for number, (phrase, mask) in enumerate(zip(phrases, masks, strict=False))
    ]
    bind = Node(
        "bind",
        KIND,
        links={"clip": "model.clip", "regions": f"{regions[-1].key}.regions", "frames": "clip.frames"},
        values={"prompt": prompt, "missing_phrase": missing},
    )
    return [
        [Node("model", "VideoGrainLoadDemoModel"), Node("clip", "VideoGrainDemoClip", values={"frames": 8})],
        regions,
        [bind],
        [Node("picture", "PreviewImage", links={"images": "bind.overview"}, height=400)],
    ]


def shown_picture(widgets):
    file = widgets.page.evaluate(
        "() => app.nodeOutputs[app.graph.nodes.find(({ type }) => type === 'PreviewImage').id].images[0]"
    )
    with urllib.request.urlopen(f"{widgets.server.url}/view?{urllib.parse.urlencode(file)}", timeout=60) as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))


def test_regions_with_their_words_and_areas(widgets, picture):
    widgets.build(graph(["a cat", "a dog"], "a cat and a dog on grass"))
    assert widgets.view().evaluate("(v) => v.parentElement.offsetHeight") <= widgets.spare_height
    widgets.run()
    view = widgets.view()
    view.locator("img").wait_for()
    assert view.locator("mark").all_inner_texts() == ["a cat1", "a dog2"]
    assert view.locator(".prompt").inner_text() == "a cat1 and a dog2 on grass"
    rows = view.locator(".regions > li")
    assert rows.count() == 2 and view.locator("svg polyline").count() == 2
    colours = [mark.evaluate("(m) => getComputedStyle(m).borderBottomColor") for mark in view.locator("mark").all()]
    swatches = [s.evaluate("(m) => getComputedStyle(m).backgroundColor") for s in view.locator(".swatch").all()]
    assert colours == swatches and len(set(colours)) == 2
    width, height = view.locator("img").evaluate("(i) => [i.naturalWidth, i.naturalHeight]")
    assert width == 3 * 302 + 2 * 6 and 100 < height < width  # two rows of three frames
    assert "of the clip belongs to no region" in view.locator(".marks").inner_text()
    assert shown_picture(widgets).shape[1] == 960
    widgets.page.screenshot(path=picture(f"overview_{widgets.renderer}"))
    assert widgets.console.complaints() == []


def test_marks_of_overlaps_and_appended_phrases(widgets, picture):
    masks = ("clip.left_mask", "clip.left_mask", "clip.right_mask")
    widgets.build(graph(["a cat", "a doggy", ""], "a cat and a dog", "append it", masks))
    widgets.run()
    text = widgets.view().inner_text()
    assert "was not in the prompt and was appended; the closest there is “a dog”" in text
    assert "overlaps region 2 in frames 0 to 7, by up to 100% of the smaller" in text
    assert "has no words of its own" in text and "(no phrase)" in text
    assert widgets.view().locator(".prompt").inner_text() == "a cat1 and a dog, a doggy2"
    widgets.page.screenshot(path=picture(f"overview_marks_{widgets.renderer}"))


def test_a_missing_phrase_is_told_with_the_closest_one(widgets):
    widgets.build(graph(["a catt", "a dog"], "a cat and a dog"))
    message = widgets.run("execution_error")
    assert (
        'bound to the phrase "a catt", which does not occur' in message and 'The closest there is "a cat".' in message
    )


@pytest.mark.parametrize("missing", ["error", "append it"])
def test_words_are_never_read_as_html(widgets, picture, missing):
    prompt = f"a {HARMFUL} and a dog" if missing == "error" else "a dog"
    widgets.build(graph([HARMFUL, "a dog"], prompt, missing))
    widgets.run()
    view = widgets.view()
    view.locator("strong, b").get_by_text(HARMFUL, exact=True).wait_for()
    assert HARMFUL in view.locator(".prompt").inner_text()
    widgets.page.wait_for_timeout(500)
    assert view.locator("img").count() == 1  # the strip
    assert widgets.page.evaluate("() => window.harmed") is None
    widgets.page.screenshot(path=picture(f"overview_words_{widgets.renderer}"))


def test_it_is_read_by_keyboard_and_kept_through_undo(widgets):
    widgets.build(graph(["a cat", "a dog"], "a cat and a dog"))
    widgets.run()
    view = widgets.view()
    view.focus()
    assert view.evaluate("(v) => document.activeElement === v") and view.get_attribute("aria-label") == "Regions"
    widgets.set_value(KIND, "encode_phrases_alone", False)
    widgets.page.keyboard.press("Control+z", delay=150)
    widgets.page.wait_for_function(
        f"() => app.graph.nodes.find(({{ type }}) => type === '{KIND}').widgets.find(({{ name }}) => name === 'encode_phrases_alone').value === true"
    )
    widgets.page.wait_for_timeout(500)
    assert widgets.view().locator("mark").count() == 2 and widgets.console.complaints() == []
