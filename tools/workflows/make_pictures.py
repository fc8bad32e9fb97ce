"""Makes the pictures of the help pages, js/docs/NODE.webp, from one real run on the demo model in a real browser.

    python tools/workflows/make_pictures.py [--places]

It takes a few minutes on an idle machine. A node with a view is shown as it stands in the frontend, a node with frames
as output by its first frames, any other node at its place in a workflow (--places: only these, without a run). Needs
Debian's Chromium.
"""

import argparse
import io
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository; no comfy in this process

from tools.frontend import EMPTY, SETTINGS, SUCCESS, chromium, drop, follow, open_frontend, run  # noqa: E402
from tools.provision import provision  # noqa: E402
from tools.server import Server  # noqa: E402
from tools.workflows.build import build, loose  # noqa: E402
from tools.workflows.files import ROOT, path_of  # noqa: E402
from tools.workflows.graph import Graph, Node  # noqa: E402

DOCS = ROOT / "js" / "docs"
WIDTH = 640  # pixels at most: a help page is a narrow column
LARGEST = 60_000  # bytes
STEPS = 12
RUN_TIMEOUT = 3_600_000  # milliseconds, also on a busy machine

SOURCE = [
    Node("model", "VideoGrainLoadDemoModel"),
    Node("clip", "VideoGrainDemoClip", values={"left": "wolf", "right": "pig", "background": "snow", "seed": 1}),
    Node("wide", "VideoGrainFullFrameAttention", links={"model": "model.model"}),
    Node("flow", "VideoGrainFlowGuidedAttention", links={"model": "wide.model", "images": "clip.frames"}),
    Node("latent", "VAEEncode", links={"pixels": "clip.frames", "vae": "model.vae"}),
    Node("source", "CLIPTextEncode", links={"clip": "model.clip", "text": "clip.caption"}),
    Node("negative", "CLIPTextEncode", links={"clip": "model.clip"}, values={"text": ""}),
    Node(
        "inversion",
        "VideoGrainDDIMInversion",
        links={"model": "wide.model", "conditioning": "source.CONDITIONING", "latent": "latent.LATENT"},
        values={"steps": STEPS},
    ),
]
REGIONS = [
    Node(
        "layout",
        "VideoGrainAttentionLayout",
        links={
            "model": "wide.model",
            "inversion": "inversion.inversion",
            "conditioning": "source.CONDITIONING",
            "clip": "model.clip",
            "prompt": "clip.caption",
        },
        values={"clusters": 3},
    ),
    Node(
        "pick",
        "VideoGrainClustersToMask",
        links={"layout": "layout.layout", "frames": "clip.frames"},
        values={"clusters": "wolf"},
        height=440,
    ),
    Node(
        "marks",
        "VideoGrainPointsToRegion",
        links={"frames": "clip.frames"},
        values={"marks": "box 108, 44, 186, 124, 0; not 20, 20, 0"},
        height=440,
    ),
    Node(
        "both",
        "MaskComposite",
        links={"destination": "clip.left_mask", "source": "clip.right_mask"},
        values={"operation": "or"},
    ),
    Node(
        "split",
        "VideoGrainSplitInstances",
        links={"mask": "both.MASK", "frames": "clip.frames"},
        values={"instances": 2, "names": "wolf, pig"},
        height=390,
    ),
    Node(
        "track",
        "VideoGrainTrackRegions",
        links={
            "model": "model.model",
            "vae": "model.vae",
            "frames": "clip.frames",
            "mask_1": "clip.left_mask",
            "mask_2": "clip.right_mask",
        },
    ),
    Node("left", "VideoGrainRegionPrompt", links={"mask": "clip.left_mask"}, values={"phrase": "a bear"}),
    Node(
        "right",
        "VideoGrainRegionPrompt",
        links={"mask": "clip.right_mask", "regions": "left.regions"},
        values={"phrase": "a frog"},
    ),
    Node(
        "bind",
        "VideoGrainBindRegionPrompts",
        links={"clip": "model.clip", "regions": "right.regions", "frames": "clip.frames"},
        values={"prompt": "a bear and a frog in the snow"},
        height=640,
    ),
]
EDIT = [
    Node("st", "VideoGrainSTLayoutAttention", links={"model": "wide.model"}),
    Node(
        "inject",  # has no output node: shown, but not run
        "VideoGrainInjectSourceFeatures",
        links={"model": "st.model", "inversion": "inversion.inversion", "conditioning": "source.CONDITIONING"},
    ),
    Node("things", "VideoGrainRegions", links={"frames": "clip.frames"}, height=680),
    Node(
        "invert",  # as Inject Source Features
        "VideoGrainInvertClip",
        links={
            "model": "wide.model",
            "clip": "model.clip",
            "vae": "model.vae",
            "frames": "clip.frames",
            "source_prompt": "things.source_prompt",
        },
        height=300,
    ),
    Node(
        "vary",  # as the two before
        "VideoGrainVaryNoise",
        links={"noise": "inversion.noise", "inversion": "inversion.inversion", "regions": "right.regions"},
    ),
    Node("blend", "VideoGrainLatentBlend", links={"model": "st.model", "inversion": "inversion.inversion"}),
    Node(
        "show",
        "VideoGrainShowAttention",
        links={
            "model": "st.model",
            "inversion": "inversion.inversion",
            "conditioning": "bind.conditioning",
            "frames": "clip.frames",
        },
    ),
    Node(
        "sampler",
        "KSamplerAdvanced",
        links={
            "model": "blend.model",
            "positive": "bind.conditioning",
            "negative": "negative.CONDITIONING",
            "latent_image": "inversion.noise",
        },
        values={
            "add_noise": "disable",
            "steps": STEPS,
            "cfg": 7.5,
            "sampler_name": "euler",
            "scheduler": "ddim_uniform",
        },
    ),
    Node("edited", "VAEDecode", links={"samples": "sampler.LATENT", "vae": "model.vae"}),
    Node(
        "compare",
        "VideoGrainBeforeAfterVideo",
        links={"source": "clip.frames", "edited": "edited.IMAGE", "fps": "clip.fps"},
        height=480,
    ),
    Node(
        "judge",
        "VideoGrainEvaluateEdit",
        links={"source": "clip.frames", "edited": "edited.IMAGE", "regions": "right.regions"},
    ),
    Node("masked", "SetLatentNoiseMask", links={"samples": "latent.LATENT", "mask": "both.MASK"}),
    Node(
        "previews",
        "VideoGrainPreviewSeeds",
        links={
            "model": "st.model",
            "clip": "model.clip",
            "vae": "model.vae",
            "positive": "bind.conditioning",
            "negative": "negative.CONDITIONING",
            "latent": "masked.LATENT",
            "regions": "right.regions",
        },
    ),
    Node(
        "check",  # of the clip as it was: both regions are wrong
        "VideoGrainRegionCheck",
        links={
            "model": "model.model",
            "clip": "model.clip",
            "latent": "latent.LATENT",
            "regions": "right.regions",
            "frames": "clip.frames",
        },
    ),
]
# Nodes that are shown with their views.
VIEWS = (
    "VideoGrainClustersToMask",
    "VideoGrainPointsToRegion",
    "VideoGrainSplitInstances",
    "VideoGrainBindRegionPrompts",
    "VideoGrainBeforeAfterVideo",
)
# Page -> a node's output, and the number of its frames that are put side by side.
OUTPUTS = {
    "VideoGrainDemoClip": ("clip.frames", 4),
    "VideoGrainAttentionLayout": ("layout.preview", 4),
    "VideoGrainTrackRegions": ("track.preview", 4),
    "VideoGrainFlowGuidedAttention": ("flow.trajectories", 2),
    "VideoGrainShowAttention": ("show.phrases", 1),
    "VideoGrainSTLayoutAttention": ("show.points", 1),
    "VideoGrainLatentBlend": ("edited.IMAGE", 4),
    "VideoGrainEvaluateEdit": ("judge.plot", 1),
    "VideoGrainRegionCheck": ("check.picture", 4),
    "VideoGrainPreviewSeeds": ("previews.sheet", 1),
}
# Nodes that no workflow has, shown at their places here.
LOOSE = ("VideoGrainInjectSourceFeatures", "VideoGrainVaryNoise", "VideoGrainInvertClip")
# Workflow -> the nodes that are shown at their places in it.
PLACES = {
    "start_here": ("VideoGrainLoadVideoFrames", "VideoGrainRegions"),
    "instance_edit": (
        "VideoGrainLoadDemoModel",
        "VideoGrainDDIMInversion",
        "VideoGrainFullFrameAttention",
        "VideoGrainRegionPrompt",
        "VideoGrainPasteEdit",
    ),
    "save_inversion": ("VideoGrainSaveInversion",),
    "re_edit": ("VideoGrainLoadInversion",),
    "draw_and_paste": ("VideoGrainSeedRegions", "VideoGrainSteadyEdit"),
    "fatezero": ("VideoGrainSelfAttentionFusion", "VideoGrainCrossAttentionFusion"),
    "place_objects": ("VideoGrainPlaceObjects",),
    "long_clip": ("VideoGrainEditInChunks",),
    "instruct_pix2pix_sd15": ("VideoGrainAnchorAttention",),
}


def description() -> Graph:
    shown = [
        Node(f"shown{number}", "PreviewImage", title=page, links={"images": output}, height=300)
        for number, (page, (output, _)) in enumerate(OUTPUTS.items())
    ]
    columns = [SOURCE[:4], SOURCE[4:], REGIONS[:3], REGIONS[3:], EDIT[:6], EDIT[6:], shown]
    return loose(columns)


# Scrolls to a node and returns its place on the page, title included.
PLACE = """async ([kind, [aside, above]]) => {
  const node = app.graph.nodes.find(({ type }) => type === kind)
  for (const each of app.graph.nodes) each.has_errors = false // of files that a new user does not have yet
  app.canvas.deselectAll()
  app.canvas.ds.scale = 1
  app.canvas.ds.offset = [300 - node.pos[0], 150 - node.pos[1]]
  app.canvas.setDirty(true, true)
  await new Promise((done) => setTimeout(done, 1500))
  const { x, y } = app.canvas.canvas.getBoundingClientRect()
  const title = LiteGraph.NODE_TITLE_HEIGHT
  const [width, height] = [node.size[0] + 2 * aside, node.size[1] + title + 2 * above]
  return { x: x + 300 - aside, y: y + 150 - title - above, width, height }
}"""
FILES = "(title) => app.nodeOutputs[app.graph.nodes.find((node) => node.title === title).id].images"
MARGIN, AROUND = 8, (130, 30)  # pixels around a node; beside and above it, for the links to its neighbours


def view(page: Page, kind: str, around: tuple[int, int] = (MARGIN, MARGIN)) -> Image.Image:
    """A node as it stands in the frontend."""
    place = page.evaluate(PLACE, [kind, around])
    page.mouse.move(5, 500)
    return opened(page.screenshot(clip=place))


def frames(page: Page, server: Server, title: str, count: int) -> Image.Image:
    """`count` pictures of the Preview Image with this title, at even distances, side by side."""
    files = page.evaluate(FILES, title)
    chosen = [files[index * (len(files) - 1) // max(count - 1, 1)] for index in range(min(count, len(files)))]
    pictures = []
    for file in chosen:
        with urllib.request.urlopen(f"{server.url}/view?{urllib.parse.urlencode(file)}", timeout=60) as answer:
            pictures.append(opened(answer.read()))
    width, height = pictures[0].size
    sheet = Image.new("RGB", (len(pictures) * (width + MARGIN) - MARGIN, height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number * (width + MARGIN), 0))
    return sheet


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def save(picture: Image.Image, name: str) -> None:
    """Saves a picture as WebP, no wider than a help page and as small as possible."""
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    for quality in (90, 80, 70, 60, 50):
        content = io.BytesIO()
        picture.save(content, "webp", quality=quality, method=6)
        if content.tell() <= LARGEST:
            break
    (DOCS / f"{name}.webp").write_bytes(content.getvalue())


def make(page: Page, server: Server) -> None:
    follow(page)
    kind, message = run(page, RUN_TIMEOUT)
    if kind != SUCCESS:
        raise SystemExit(message)
    page.wait_for_timeout(3000)  # milliseconds, for the pictures to be there
    for kind in VIEWS:
        save(view(page, kind), kind)
    for kind, (_, count) in OUTPUTS.items():
        save(frames(page, server, kind, count), kind)


def make_places(page: Page, server: Server) -> None:
    for workflow, kinds in PLACES.items():
        page.evaluate(EMPTY)  # not loaded again: then the last workflow would be opened anew, at any time
        drop(page, path_of(workflow))
        for kind in kinds:
            save(view(page, kind, AROUND), kind)
    page.evaluate(EMPTY)
    build(page, description())
    for kind in LOOSE:
        save(view(page, kind, AROUND), kind)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--places", action="store_true", help="only nodes at their place in a workflow, without a run")
    only_places = parser.parse_args().places
    host = provision()
    with Server(host.python, host.comfyui, ROOT) as server, chromium() as browser:
        server.post("/settings", SETTINGS | {"Comfy.Minimap.Visible": False})  # it would cover the nodes
        page = open_frontend(browser, server.url)
        make_places(page, server)
        if not only_places:
            make(page, server)


if __name__ == "__main__":
    main()
