"""The blueprint as a user meets it: found by its name, dragged in as one node, run, and unpacked."""

import json

import pytest
from node_search import open_search

from pack.tools.frontend import SUCCESS, VIEW, Console, exported, follow, run, visit
from pack.tools.workflows.blueprint import NAME

RUN_TIMEOUT = 240_000  # milliseconds
KINDS = "() => window.app.graph.nodes.map(({ type }) => type)"
CONNECT = """(title) => {
  const graph = window.app.graph
  const whole = graph.nodes.find((node) => node.title === title)
  const add = (type, values = {}) => {
    const node = LiteGraph.createNode(type)
    graph.add(node)
    for (const [name, value] of Object.entries(values)) node.widgets.find((widget) => widget.name === name).value = value
    return node
  }
  const link = (from, output, to, input) => {
    const out = from.outputs.findIndex(({ name }) => name === output)
    const into = to.inputs.findIndex(({ name, label }) => name === input || label === input)
    if (!from.connect(out, to, into)) throw new Error(`${output} \u2192 ${input}`)
  }
  const model = add('VideoGrainLoadDemoModel'), clip = add('VideoGrainDemoClip')
  const rows = JSON.stringify([{ is: 'a cat', becomes: 'a bear' }])
  const region = add('VideoGrainRegions', { rows, scene: 'a cat and a dog on grass' }), preview = add('PreviewImage')
  for (const name of ['model', 'clip', 'vae']) link(model, name, whole, name)
  link(clip, 'frames', whole, 'frames')
  link(clip, 'frames', region, 'frames')
  link(clip, 'left_mask', region, 'mask_1')
  for (const name of ['regions', 'source_prompt', 'edited_prompt']) link(region, name, whole, name)
  link(whole, 'frames', preview, 'images')
  const compare = add('VideoGrainBeforeAfterVideo')
  link(clip, 'frames', compare, 'source')
  link(whole, 'frames', compare, 'edited')
  compare.pos = [whole.pos[0] + whole.size[0] + 60, whole.pos[1]]
  whole.widgets.find(({ name }) => name === 'steps').value = 2
}"""
# What the classic canvas writes when it is drawn once.
DRAWN = """() => {
  const { fillText } = CanvasRenderingContext2D.prototype
  const texts = []
  CanvasRenderingContext2D.prototype.fillText = function (text, ...all) { texts.push(text); fillText.call(this, text, ...all) }
  app.canvas.draw(true, true)
  CanvasRenderingContext2D.prototype.fillText = fillText
  return texts
}"""
UNPACK = """(title) => {
  const graph = window.app.graph
  graph.unpackSubgraph(graph.nodes.find((node) => node.title === title))
}"""


@pytest.fixture
def page(browser):
    page = browser.new_context(viewport=VIEW).new_page()
    yield page
    page.context.close()


def test_the_server_offers_it(server):
    entries = server.get("/global_subgraphs")
    (number,) = (number for number, entry in entries.items() if entry["name"] == NAME)
    assert entries[number]["info"]["node_pack"] == "custom_nodes.videograin"
    data = json.loads(server.get(f"/global_subgraphs/{number}")["data"])
    assert [node["title"] for node in data["nodes"]] == [NAME]


def test_found_dragged_run_and_unpacked(page, server, picture):
    console = Console(page)
    visit(page, server.url)
    page.evaluate("() => window.app.graph.clear()")
    open_search(page)
    page.keyboard.type(NAME)
    page.get_by_text("Blueprint", exact=True).first.wait_for()
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => window.app.graph.nodes.some(({{ title }}) => title === '{NAME}')")
    page.evaluate(CONNECT, NAME)
    page.evaluate("() => { window.app.canvas.ds.scale = 0.8; window.app.canvas.setDirty(true, true) }")
    drawn = page.evaluate(DRAWN)
    assert [drawn.count(name) for name in ("source_prompt", "edited_prompt")] == [2, 2]  # where a link begins, and ends
    api = exported(page)[1]
    steps = {node["class_type"]: node["inputs"].get("steps") for node in api.values()}
    assert steps["VideoGrainInvertClip"] == steps["KSamplerAdvanced"] and steps["KSamplerAdvanced"] is not None
    follow(page)
    assert run(page, RUN_TIMEOUT) == (SUCCESS, "")
    player = page.locator(".videograin", has=page.get_by_label("Zoom", exact=True))
    player.get_by_role("status").get_by_text("fps").wait_for()  # it has both clips, and the regions from inside
    assert player.get_by_label("Zoom", exact=True).locator("option").all_inner_texts()[:2] == [
        "whole picture",
        "1 a bear",
    ]
    page.screenshot(path=picture("blueprint_run"))
    assert console.complaints() == []
    page.evaluate(UNPACK, NAME)  # the frontend grumbles about links of widgets, and forgets what was typed there
    assert {"VideoGrainInvertClip", "VideoGrainSTLayoutAttention", "KSamplerAdvanced"} <= set(page.evaluate(KINDS))
    assert sorted(kinds(exported(page)[1])) == sorted(kinds(api))
    page.screenshot(path=picture("blueprint_unpacked"))


def kinds(api):
    return [node["class_type"] for node in api.values()]
