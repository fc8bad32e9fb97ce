"""Views stand on their nodes again after the page is reloaded and the server started anew, without a run."""

import json

import pytest
from shipped import saved
from toy_graph import INVERTED, MODEL, attention_layout

from pack.tools.workflows.graph import Node

ROWS = json.dumps([{"is": "a cat", "becomes": "a wolf", "marks": "box 20, 60, 90, 150, 0"}])
CLIP = Node("clip", "VideoGrainDemoClip", values={"frames": 8})
PLAYER = Node("player", "VideoGrainBeforeAfterVideo", links={"source": "clip.frames", "edited": "edit.IMAGE"})
EDIT = Node("edit", "ImageInvert", links={"image": "clip.frames"})
MARKS = Node(
    "marks", "VideoGrainPointsToRegion", links={"frames": "clip.frames"}, values={"marks": "box 20, 60, 90, 150, 0"}
)
SPLIT = "VideoGrainSplitInstances"
SMALL = [[CLIP], [EDIT], [PLAYER], [MARKS, Node("mask", "MaskPreview", links={"mask": "marks.mask"})]]
# Every kind of view; the player offers the regions of the overview.
ALL = [
    [MODEL, CLIP],
    [*INVERTED, attention_layout(5)],
    [
        Node("pick", "VideoGrainClustersToMask", links={"layout": "layout.layout", "frames": "clip.frames"},
             values={"clusters": "0"}),
        Node("split", "VideoGrainSplitInstances", links={"mask": "pick.mask", "frames": "clip.frames"},
             values={"instances": 2}),
        Node("rows", "VideoGrainRegions", links={"frames": "clip.frames"}, values={"rows": ROWS}),
        MARKS,
    ],
    [
        Node("region", "VideoGrainRegionPrompt", links={"mask": "marks.mask"}, values={"phrase": "a cat"}),
        Node("bind", "VideoGrainBindRegionPrompts",
             links={"clip": "model.clip", "regions": "region.regions", "frames": "clip.frames"},
             values={"prompt": "a cat and a dog"}),
        Node("sampled", "KSampler", links={"model": "model.model", "positive": "bind.conditioning",
             "negative": "source.CONDITIONING", "latent_image": "latent.LATENT"}, values={"steps": 1}),
        Node("edit", "VAEDecode", links={"samples": "sampled.LATENT", "vae": "model.vae"}),
        Node("text", "PreviewAny", links={"source": "rows.source_prompt"}),
        Node("mask", "MaskPreview", links={"mask": "split.instance_1"}),
    ],
    [Node("player", "VideoGrainBeforeAfterVideo", links={"source": "clip.frames", "edited": "edit.IMAGE"})],
]  # fmt: skip
# Each view by its node's kind: its words, its images and how much light is in its pictures.
SHOWN = """() => Object.fromEntries(app.graph.nodes.flatMap((node) => {
  const view = node.widgets?.find(({ name }) => name === 'videograin_view')?.element
  if (!view) return []
  const light = (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width || 1, canvas.height || 1)
    return data.reduce((sum, value) => sum + value, 0)
  }
  const images = [...view.querySelectorAll('img')].map((image) => image.naturalWidth)
  return [[node.type, [view.innerText, images, [...view.querySelectorAll('canvas')].map(light)]]]
}))"""
# The views in the browser's store, and how many pictures it holds.
STORE = """async () => {
  const answer = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result) })
  const database = await answer(indexedDB.open('videograin'))
  const stores = database.transaction(['views', 'pictures'])
  const views = await answer(stores.objectStore('views').getAll())
  const pictures = await answer(stores.objectStore('pictures').count())
  database.close()
  return [views, pictures]
}"""
GRAPH = "() => app.graph.serialize()"
LOAD = "async (graph) => { await app.loadGraphData(graph) }"
WAITING = """() => app.graph.nodes.flatMap(({ widgets }) => widgets ?? []).filter(({ name }) => name === 'videograin_view')
  .map(({ element }) => element.classList.contains('waiting'))"""
FULL = """() => { IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError') } }"""

SILENT = "window.answering = IDBFactory.prototype.open; IDBFactory.prototype.open = () => ({})"


def build(page, graph):
    """As a workflow with an id, which a graph that a program builds has not."""
    page.build(graph)
    page.page.evaluate(LOAD, page.page.evaluate(GRAPH))
    page.look(0.45)


def kept(page):
    """The views in the store of the workflow that is open: their text by their node's kind."""
    workflow = page.page.evaluate("() => app.graph.id")
    views, _ = page.page.evaluate(STORE)
    return {view["kind"]: view["text"] for view in views if view["key"][0] == workflow}


def settle(page, count, before=()):
    """Waits until the workflow's views are kept, none of them one `before`, and ComfyUI has kept the workflow itself."""
    for _ in range(100):
        page.page.wait_for_timeout(100)  # milliseconds
        if len(texts := kept(page).values()) == count and not set(texts) & set(before):
            break
    page.page.mouse.click(20, 700)  # on nothing: ComfyUI looks for changes
    page.page.wait_for_timeout(700)


def shown(page):
    page.page.wait_for_timeout(600)  # milliseconds, for the pictures
    return page.page.evaluate(SHOWN)


@pytest.mark.parametrize(
    "widgets, graph, count",
    [("canvas", ALL, 6), ("nodes 2.0", SMALL, 2)],
    indirect=["widgets"],
    ids=["canvas", "nodes 2.0"],
)
def test_all_views_outlive_the_server(widgets, graph, count, picture):
    """All kinds in one renderer; in the other, where only what is around a view differs, two that need no inversion."""
    build(widgets, graph)
    widgets.run()
    settle(widgets, count)
    before = shown(widgets)
    widgets.server.restart()
    widgets.start()
    widgets.look(0.45)
    assert shown(widgets) == before
    assert not [
        text for text in widgets.console.messages if "/view?filename=videograin" in text
    ]  # the server has ours no more
    widgets.page.screenshot(path=picture(f"views_kept_{widgets.renderer}"))


def waiting(page, graph):
    """Opens a workflow; returns of each view whether it waits for a run."""
    page.page.evaluate(LOAD, graph)
    page.page.wait_for_timeout(400)  # milliseconds
    return page.page.evaluate(WAITING)


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
def test_nothing_is_shown_but_what_a_node_showed_last(widgets):
    build(widgets, SMALL)
    widgets.run()
    settle(widgets, 2)
    graph, first = widgets.page.evaluate(GRAPH), kept(widgets)
    assert waiting(widgets, {**graph, "id": "5dc4ca5e-9ef0-4e40-a7b7-1c3d5f4c8e21"}) == [True, True]
    split = [{**node, "type": SPLIT} if node["type"] == PLAYER.type else node for node in graph["nodes"]]
    assert waiting(widgets, {**graph, "nodes": split}) == [True, False]
    assert waiting(widgets, graph) == [False, False]
    held = widgets.page.evaluate(STORE)[1]

    widgets.set_value(CLIP.type, "seed", 5)
    widgets.run()
    settle(widgets, 2, first.values())
    again = kept(widgets)
    assert all(again[kind] != text for kind, text in first.items())
    assert widgets.page.evaluate(STORE)[1] == held  # the pictures of the first run have gone

    widgets.page.evaluate(FULL)
    widgets.set_value(CLIP.type, "seed", 6)
    widgets.run()
    widgets.view().get_by_role("status").get_by_text("fps").wait_for()
    settle(widgets, 0)
    assert widgets.console.complaints() == [] and kept(widgets) == {}
    assert waiting(widgets, widgets.page.evaluate(GRAPH)) == [True, True]
    widgets.start()


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
def test_each_opening_of_a_template_is_a_workflow_of_its_own(widgets):
    ids = set()
    for _ in range(2):
        widgets.page.evaluate(LOAD, saved("swap"))
        ids.add(widgets.page.evaluate("() => app.graph.id"))
    assert len(ids) == 2


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
def test_pictures_are_shown_where_the_store_never_answers(widgets):
    widgets.page.add_init_script(SILENT)
    widgets.start()
    widgets.build(SMALL)
    widgets.run()
    widgets.view().get_by_role("status").get_by_text("fps").wait_for()
    assert all(sum(lights) for *_, lights in shown(widgets).values())
    widgets.page.add_init_script("IDBFactory.prototype.open = window.answering")
    widgets.start()
