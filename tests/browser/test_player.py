"""Before/After Video's player, by mouse and by keyboard, in both renderers."""

from itertools import pairwise

import pytest
from graph import Node

KIND = "VideoGrainBeforeAfterVideo"
GRAPH = [
    [Node("clip", "VideoGrainDemoClip", values={"frames": 8})],
    [Node("edit", "ImageInvert", links={"image": "clip.frames"})],
    [
        Node(
            "compare",
            KIND,
            links={"source": "clip.frames", "edited": "edit.IMAGE", "fps": "clip.fps"},
            values={"mode": "wipe, fixed line", "position": 0.25, "line": 4},
        )
    ],
]
# The mean colour of a column of the picture, at shares of its width: source and inverted edit add up to white.
COLUMN = """(canvas, share) => {
  const at = Math.min(canvas.width - 4, Math.round(share * canvas.width))
  const small = document.createElement('canvas')
  small.width = small.height = 1
  const context = small.getContext('2d')
  context.drawImage(canvas, at, 0, 3, canvas.height, 0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
}"""


@pytest.fixture
def player(widgets):
    widgets.build(GRAPH, zoom=1.0)
    assert widgets.view().evaluate("(v) => v.parentElement.offsetHeight") <= widgets.spare_height
    widgets.run()
    widgets.stage = widgets.view().locator("canvas")
    widgets.stage.wait_for()
    widgets.page.wait_for_function(
        "() => [...document.querySelectorAll('.videograin [role=status]')].every((s) => s.textContent.endsWith('fps'))"
    )
    return widgets


def counter(player) -> str:
    return player.view().locator(".counter").first.inner_text()


def opposite(one, other) -> bool:
    """Whether two columns are each other's negative, to within what JPEG loses."""
    return all(abs(a + b - 255) < 12 for a, b in zip(one, other, strict=True))


def test_it_begins_as_the_node_is_set(player, picture):
    mode, line = player.view().get_by_role("combobox"), player.view().get_by_label("Line between")
    assert mode.input_value() == "wipe" and float(line.input_value()) == 0.25
    assert counter(player) == "1 / 8" and player.view().get_by_role("status").inner_text() == "8 fps"
    player.page.screenshot(path=picture(f"player_wipe_{player.renderer}"))
    assert player.console.complaints() == []


def test_side_by_side_shows_both_whole(player, picture):
    player.view().get_by_role("combobox").select_option("side by side")
    width, height = player.stage.evaluate("(c) => [c.width, c.height]")
    assert width > 2 * height
    for share in (0.1, 0.25, 0.4):  # of the whole; the edit begins after the gap
        other = (share * width + (width + width / 129) / 2) / width
        columns = [player.stage.evaluate(COLUMN, at) for at in (share, other)]
        assert opposite(*columns), (share, columns)
    assert player.view().get_by_label("Line between").is_disabled()
    player.page.screenshot(path=picture(f"player_sides_{player.renderer}"))


def test_the_line_is_dragged(player):
    left, middle = (player.stage.evaluate(COLUMN, share) for share in (0.1, 0.5))  # source, edit
    player.page.mouse.move(*player.place(player.stage, 0.25, 0.5))
    player.page.mouse.down()
    player.page.mouse.move(*player.place(player.stage, 0.5, 0.4))
    player.page.mouse.move(*player.place(player.stage, 0.8, 0.3))
    player.page.mouse.up()
    assert abs(float(player.view().get_by_label("Line between").input_value()) - 0.8) < 0.02
    assert player.stage.evaluate(COLUMN, 0.1) == left
    assert opposite(player.stage.evaluate(COLUMN, 0.5), middle)
    player.page.mouse.move(*player.place(player.stage, 0.3, 0.3))  # the button is up: nothing follows
    assert abs(float(player.view().get_by_label("Line between").input_value()) - 0.8) < 0.02


def test_frames_are_stepped_by_button_and_by_key(player):
    first = player.pixels(player.stage)
    player.view().get_by_role("button", name="One frame forward").click()
    assert counter(player) == "2 / 8" and player.pixels(player.stage) != first
    player.view().get_by_role("button", name="One frame back").click()
    player.view().get_by_role("button", name="One frame back").click()
    assert counter(player) == "8 / 8"
    player.stage.focus()
    player.page.keyboard.press("ArrowRight")
    assert counter(player) == "1 / 8" and player.pixels(player.stage) == first
    player.page.keyboard.press("End")
    assert counter(player) == "8 / 8"
    player.page.keyboard.press("Home")
    player.page.keyboard.press("Shift+ArrowRight")
    assert counter(player) == "1 / 8"
    assert float(player.view().get_by_label("Line between").input_value()) == pytest.approx(0.27)
    player.view().get_by_label("Frame", exact=True).focus()
    player.page.keyboard.press("ArrowRight")
    assert counter(player) == "2 / 8"


def test_it_plays_and_pauses_and_both_clips_keep_together(player):
    player.view().get_by_role("combobox").select_option("side by side")
    seen = """() => new Promise((done) => {
      const frames = []
      const view = document.querySelector('.videograin')
      const look = new MutationObserver(() => frames.push(view.querySelector('.counter').textContent))
      look.observe(view.querySelector('.counter'), { childList: true, characterData: true, subtree: true })
      setTimeout(() => { look.disconnect(); done(frames) }, 4000)
    })"""
    player.stage.focus()
    player.page.keyboard.press("Space")
    frames = player.page.evaluate(seen)
    player.page.keyboard.press("Space")
    numbers = [int(text.split(" / ")[0]) for text in frames]
    assert len(set(numbers)) == 8  # all of them, more than once round at 8 frames a second
    assert all(b == a % 8 + 1 for a, b in pairwise(numbers) if a != b)
    width = player.stage.evaluate("(c) => c.width")
    columns = [player.stage.evaluate(COLUMN, at) for at in (0.25, (0.25 * width + (width + width / 129) / 2) / width)]
    assert opposite(*columns)
    still = counter(player)
    player.page.wait_for_timeout(600)
    assert counter(player) == still
    assert player.page.evaluate("() => app.graph.nodes.length") == 4  # no key reached the graph


def test_undo_of_something_else_keeps_the_frame_and_the_line(player):
    player.stage.focus()
    player.page.keyboard.press("ArrowRight")
    player.page.keyboard.press("Shift+ArrowRight")
    player.set_value(KIND, "line", 8)
    player.page.keyboard.press("Control+z", delay=150)
    player.page.wait_for_function(
        f"() => app.graph.nodes.find(({{ type }}) => type === '{KIND}').widgets.find(({{ name }}) => name === 'line').value === 4"
    )
    player.page.wait_for_timeout(500)
    assert counter(player) == "2 / 8"
    assert float(player.view().get_by_label("Line between").input_value()) == pytest.approx(0.27)
    player.view().get_by_role("button", name="One frame forward").click()
    assert counter(player) == "3 / 8" and player.console.complaints() == []
