"""Our own sockets have colours of their own, in both renderers, under every palette."""

import io

import numpy as np
import pytest
from PIL import Image

from pack.tools.workflows.graph import Node

COLOURS = {"REGIONS": (0xFF, 0x33, 0x99), "INVERSION": (0x58, 0x4D, 0xFF), "LAYOUT": (0x00, 0x79, 0x6B)}
GRAPH = [
    [
        Node("region", "VideoGrainRegionPrompt"),
        Node("inversion", "VideoGrainLoadInversion"),
        Node("layout", "VideoGrainAttentionLayout", links={"inversion": "inversion.inversion"}),
    ],
    [
        Node("bind", "VideoGrainBindRegionPrompts", links={"regions": "region.regions"}),
        Node("mask", "VideoGrainClustersToMask", links={"layout": "layout.layout"}),
    ],
]
PALETTE = "(name) => app.extensionManager.setting.set('Comfy.ColorPalette', name)"
SLOTS = """() => app.graph.nodes.flatMap((node) => [...node.inputs, ...node.outputs])
  .filter(({ type }) => String(type).startsWith('VIDEOGRAIN_'))
  .map((slot) => [slot.type.slice(11), slot.renderingColor(app.canvas.colourGetter)])"""
DOTS = """() => ['REGIONS', 'INVERSION', 'LAYOUT'].map((type) => [...document.querySelectorAll(`[style*="VIDEOGRAIN_${type}"]`)]
  .map((dot) => getComputedStyle(dot).backgroundColor))"""
OWN = """(colour) => Object.assign(app.canvas.default_connection_color_byType, { VIDEOGRAIN_REGIONS: colour })"""


def seen(page):
    """How many pixels of the page have each colour."""
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    return {name: int((abs(pixels - colour).max(-1) < 12).sum()) for name, colour in COLOURS.items()}


@pytest.fixture
def palettes(widgets):
    """Chooses a palette as the settings do."""

    def choose(name):
        widgets.page.evaluate(PALETTE, name)
        widgets.page.mouse.move(5, 500)
        widgets.page.wait_for_timeout(500)  # milliseconds, for both renderers to follow

    yield choose
    choose("dark")


def test_each_type_has_its_colour_under_every_palette(widgets, palettes, picture):
    widgets.build(GRAPH, zoom=1.0)
    for palette in ("dark", "light"):
        palettes(palette)
        found = seen(widgets.page)
        widgets.page.screenshot(path=picture(f"socket_colours_{palette}_{widgets.renderer}"))
        assert all(count > 40 for count in found.values()), (palette, found)  # a link and the sockets at its ends
        slots = dict(widgets.page.evaluate(SLOTS))
        assert slots == {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in COLOURS.items()}
        if widgets.renderer == "nodes 2.0":
            dots = widgets.page.evaluate(DOTS)
            assert [set(each) for each in dots] == [{f"rgb{colour}"} for colour in COLOURS.values()]
    assert widgets.console.complaints() == []


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
def test_a_palette_that_knows_our_types_is_obeyed(widgets):
    widgets.build(GRAPH)
    widgets.page.evaluate(OWN, "#123456")
    assert dict(widgets.page.evaluate(SLOTS))["REGIONS"] == "#123456"
    widgets.page.evaluate(OWN, "")
    assert dict(widgets.page.evaluate(SLOTS))["REGIONS"] == "#ff3399"
