"""Makes the committed workflows from their descriptions in graphs/, in the real frontend in a real browser.

    python tools/workflows/make_workflow.py [NAME ...] [--keep-thumbnails] [--screenshots FOLDER]

Writes the workflow in the frontend's format (files.path_of), demo/NAME.api.json (the same graph in the API's format)
and, for the gallery, a picture beside it: of a whole run (a minute each), or of the opened graph where weights that are
not here would be needed. Without a name: all. Needs Debian's Chromium. NAME_sd15 is made from NAME's description
(twin.py) where it has none of its own.
"""

import argparse
import copy
import importlib
import io
import json
import re
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository; no comfy in this process

from tools.frontend import OPEN, SETTINGS, VIEW, chromium, exported, open_frontend  # noqa: E402
from tools.provision import provision  # noqa: E402
from tools.server import Prompt, Server  # noqa: E402
from tools.workflows.blueprint import NAME as BLUEPRINT  # noqa: E402
from tools.workflows.build import build  # noqa: E402
from tools.workflows.files import GALLERY, ROOT, STAND_INS, path_of, titled, write_json  # noqa: E402
from tools.workflows.graph import App, Graph, Group  # noqa: E402
from tools.workflows.twin import GRAPHS, SUFFIX, is_workflow, twin  # noqa: E402

PACK_VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
ALONE = ("any_generator",)  # without a twin: it is for any model as it is
THUMBNAIL_SIDE = 400  # pixels
CLEAN = """() => {
  for (const node of app.graph.nodes) node.has_errors = false
  for (const said of document.querySelectorAll('[data-testid="error-overlay"], .p-toast')) said.remove()
  app.canvas.deselectAll()
}"""
BARS = 60  # pixels that the frontend's own bar takes at the left


def names() -> list[str]:
    """The names of all workflows: those described, and the twin of each demo workflow."""
    own = {path.stem for path in GRAPHS.glob("*.py")}
    return sorted(own | {f"{name}{SUFFIX}" for name in own if not name.endswith(SUFFIX) and name not in ALONE})


def described(name: str) -> Graph:
    own = name if is_workflow(name) else name.removesuffix(SUFFIX)
    graph = importlib.import_module(f"tools.workflows.graphs.{own}").GRAPH
    return titled_as_in_the_gallery(graph if own == name else twin(graph))


def titled_as_in_the_gallery(graph: Graph) -> Graph:
    """The graph with other workflows called in its notes as the gallery calls them."""

    def renamed(group: Group) -> Group:
        return replace(
            group, note=re.sub(r"\*(\w+)\*", lambda found: f"*{GALLERY.get(found[1], found[1])}*", group.note)
        )

    return replace(graph, columns=[[renamed(group) for group in column] for column in graph.columns])


def make(page: Page, name: str, host_version: str) -> tuple[dict[str, Any], Prompt]:
    """One described graph, built in the page, in the frontend's format and in the API's."""
    packages = {
        "VideoGrain": {"cnr_id": "videograin", "ver": PACK_VERSION},
        "ADE_": {"cnr_id": "comfyui-animatediff-evolved", "ver": "1.5.7"},
        "": {"cnr_id": "comfy-core", "ver": host_version},
    }
    graph = described(name)
    size = build(page, graph, packages)
    workflow, api = exported(page)
    if graph.app:
        workflow["extra"]["linearData"] = app_mode(graph.app, size["ids"])
    workflow = with_lasting_subgraph(workflow)
    workflow["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"videograin/{name}"))  # the same on every run
    workflow["extra"]["ds"] = fitted(size["width"], size["height"])
    return workflow, api


def app_mode(app: App, ids: dict[str, int]) -> dict[str, list]:
    """What the frontend's app mode shows, by the numbers of the nodes."""
    number = {key: int(node) for key, node in ids.items()}
    inputs = [[number[key], widget] for key, widget in app.inputs]
    return {"inputs": inputs, "outputs": [number[key] for key in app.outputs]}


def with_lasting_subgraph(workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow with the blueprint's own id for its copy of it; the frontend gives it another each time."""
    (own,) = json.loads((ROOT / "subgraphs" / f"{BLUEPRINT}.json").read_text())["definitions"]["subgraphs"]
    copies = [each["id"] for each in workflow.get("definitions", {}).get("subgraphs", ()) if each["name"] == BLUEPRINT]
    text = json.dumps(workflow)
    for copy_id in copies:
        text = text.replace(copy_id, own["id"])
    return json.loads(text)


def fitted(width: float, height: float) -> dict[str, Any]:
    """The canvas's scale and offset that show the whole graph, clear of the frontend's own bars."""
    left, top, margin = 90, 110, 40  # pixels
    scale = min((VIEW["width"] - left - margin) / width, (VIEW["height"] - top - margin) / height)
    return {"scale": round(scale, 3), "offset": [round(left / scale), round(top / scale)]}


def settled(page: Page, workflow: dict[str, Any], api: Prompt) -> dict[str, Any]:
    """The workflow after opening and saving in the frontend, which changes it a little, until it stays the same.

    Raises SystemExit if opening changes the prompt, or if the workflow changes every time.
    """
    once = reopened(page, workflow)
    if exported(page)[1] != api:
        raise SystemExit("the saved workflow, opened again, gives another prompt")
    if reopened(page, once) != once:
        raise SystemExit("the saved workflow changes whenever it is opened")
    return once


def reopened(page: Page, workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow opened and saved once, with its old id and view."""
    page.evaluate(OPEN, json.dumps(workflow))
    page.wait_for_timeout(500)  # milliseconds; nodes find their sizes when they are drawn
    again = exported(page)[0]
    return {**again, "id": workflow["id"], "extra": {**again["extra"], "ds": workflow["extra"]["ds"]}}


def thumbnail(server: Server, api: Prompt) -> Image.Image:
    """The middle frame of a run of the whole graph, before and after side by side."""
    graph, (before, after) = copy.deepcopy(api), compared(api)
    for name, images in (("before", before), ("after", after)):
        graph[name] = {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": name}}
    outputs = server.run(graph)["outputs"]
    sheet = Image.new("RGB", (2 * THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    for column, name in enumerate(("before", "after")):
        frames = server.output_files({"outputs": {name: outputs[name]}})
        shown = Image.open(frames[len(frames) // 2]).resize((THUMBNAIL_SIDE,) * 2, Image.Resampling.LANCZOS)
        sheet.paste(shown, (column * THUMBNAIL_SIDE, 0))
    return sheet


def compared(api: Prompt) -> tuple[list, list]:
    """The links to the frames before and after."""
    for node in api.values():
        if node["class_type"] == "VideoGrainBeforeAfterVideo":
            return node["inputs"]["source"], node["inputs"]["edited"]
    paste = titled(api, "Paste over the source")
    return api[paste]["inputs"]["source"], [paste, 0]


def opened(page: Page) -> Image.Image:
    """The open graph, as a picture twice as wide as high, without what is said of files that are missing here."""
    page.evaluate(CLEAN)
    page.evaluate("() => app.canvas.fitViewToSelectionAnimated({ duration: 1, zoom: 0.95 })")
    page.wait_for_timeout(1500)  # milliseconds, for the canvas to be drawn
    width = VIEW["width"] - BARS
    cut = {"x": BARS, "y": (VIEW["height"] - width / 2) / 2, "width": width, "height": width / 2}
    shown = Image.open(io.BytesIO(page.screenshot(clip=cut))).convert("RGB")
    return shown.resize((2 * THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)


def write(browser: Browser, server: Server, name: str, screenshots: Path | None) -> Prompt:
    """Makes one workflow and writes its two files, and a picture where it cannot run; returns the prompt."""
    # One page per workflow: in the same page a widget would keep the last graph's value, by node number and name.
    page = open_frontend(browser, server.url, scale=2)
    workflow, api = make(page, name, server.get("/system_stats")["system"]["comfyui_version"])
    workflow = settled(page, workflow, api)
    if screenshots:
        page.wait_for_timeout(1500)  # milliseconds, for the canvas to be drawn
        page.screenshot(path=screenshots / f"{name}.png")
    if name in GALLERY and name.endswith(SUFFIX):
        save_picture(opened(page), name)
    page.context.close()
    write_json(path_of(name), workflow)
    write_json(ROOT / "demo" / f"{name}.api.json", api)
    return api


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=names(), metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--keep-thumbnails", action="store_true", help="do not run the graphs")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of the opened workflows")
    options = parser.parse_args()
    host = provision()
    with Server(host.python, host.comfyui, ROOT, others=STAND_INS) as server:
        server.post("/settings", SETTINGS | {"Comfy.Minimap.Visible": False})
        with chromium() as browser:
            prompts = {name: write(browser, server, name, options.screenshots) for name in options.names}
        if options.keep_thumbnails:
            return
        for name in prompts:
            if name in GALLERY and not name.endswith(SUFFIX):
                save_picture(thumbnail(server, prompts[name]), name)


def save_picture(picture: Image.Image, name: str) -> None:
    picture.save(path_of(name).with_suffix(".jpg"), quality=88)


if __name__ == "__main__":
    main()
