"""Views stand on their nodes again after the page is reloaded and the server started anew, without a run."""

import json

from pack.tools.workflows.graph import Node

ROWS = json.dumps([{"is": "a cat", "becomes": "a wolf", "marks": "box 20, 60, 90, 150, 0"}])
CLIP = Node("clip", "VideoGrainDemoClip", values={"frames": 8})
PLAYER = Node("player", "VideoGrainBeforeAfterVideo", links={"source": "clip.frames", "edited": "edit.IMAGE"})
EDIT = Node("edit", "ImageInvert", links={"image": "clip.frames"})
MARKS = Node("marks", "VideoGrainPointsToRegion", links={"frames": "clip.frames"}, values={"marks": "box 20, 60, 90, 150, 0"})
SMALL = [[CLIP], [EDIT], [PLAYER], [MARKS, Node("mask", "MaskPreview", links={"mask": "marks.mask"})]]
# Every kind of view; the player offers the regions of the overview.
ALL = [
    [Node("model", "VideoGrainLoadDemoModel"), CLIP],
    [
        Node("latent", "VAEEncode", links={"pixels": "clip.frames", "vae": "model.vae"}),
        Node("source", "CLIPTextEncode", links={"clip": "model.clip", "text": "clip.caption"}),
        Node(
            "inversion",
            "VideoGrainDDIMInversion",
            links={"model": "model.model", "conditioning": "source.CONDITIONING", "latent": "latent.LATENT"},
            values={"steps": 2, "refinements": 0},
        ),
        Node(
            "layout",
            "VideoGrainAttentionLayout",
            links={"model": "model.model", "inversion": "inversion.inversion", "conditioning": "source.CONDITIONING"},
            values={"steps": 1, "start_percent": 0.0, "clusters": 5},
        ),
    ],
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
KEPT = """() => new Promise((resolve) => {
  const request = indexedDB.open('videograin')
  request.onsuccess = () => {
    const all = request.result.transaction('views').objectStore('views').getAll()
    all.onsuccess = () => { request.result.close(); resolve(all.result.map(({ key, kind }) => [...key, kind])) }
  }
})"""
IN_ORDER = "(count) => app.graph.nodes.filter(({ widgets }) => widgets?.some(({ name }) => name === 'videograin_view')).length === count"


def build(page, graph):
    """As a workflow with an id, which a graph that a program builds has not."""
    page.build(graph)
    page.page.evaluate("async () => { await app.loadGraphData(app.graph.serialize()) }")
    page.look(0.45)


def kept(page):
    """The views in the browser's store of the workflow that is open, by kind."""
    workflow = page.page.evaluate("() => app.graph.id")
    return sorted(kind for each, _, kind in page.page.evaluate(KEPT) if each == workflow)


def settle(page, count):
    """Waits until the workflow's views are kept, and ComfyUI has kept the workflow itself."""
    for _ in range(40):
        page.page.wait_for_timeout(100)
        if len(kept(page)) == count:
            break
    page.page.mouse.click(20, 700)  # on nothing: ComfyUI looks for changes
    page.page.wait_for_timeout(700)


def shown(page):
    page.page.wait_for_timeout(600)  # milliseconds, for the pictures
    return page.page.evaluate(SHOWN)


def test_all_views_outlive_the_server(widgets, picture):
    build(widgets, ALL)
    widgets.run()
    settle(widgets, 6)
    before = shown(widgets)
    widgets.server.restart()
    widgets.start()
    widgets.look(0.45)
    assert shown(widgets) == before
    assert not [text for text in widgets.console.messages if "/view?" in text]  # the server has the pictures no more
    widgets.page.screenshot(path=picture(f"views_kept_{widgets.renderer}"))
