"""Makes the committed workflows from their descriptions in graphs/, in the real frontend in a real browser.

    python tools/workflows/make_workflow.py [NAME ...] [--keep-thumbnails] [--screenshots FOLDER]

Writes workflows/NAME.json (the frontend's format), demo/NAME.api.json (the same graph in the API's format) and the
thumbnail workflows/NAME.jpg from a whole run (a minute each). Without a name: all. Needs Debian's Chromium.
NAME_sd15 is made from NAME's description (twin.py), and its thumbnail from NAME's.
"""

import argparse
import copy
import importlib
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository; no comfy in this process

from tools.frontend import OPEN, SETTINGS, VIEW, chromium, exported, open_frontend  # noqa: E402
from tools.provision import provision  # noqa: E402
from tools.server import Prompt, Server  # noqa: E402
from tools.workflows.build import build  # noqa: E402
from tools.workflows.files import AFTER, ROOT, prompt, titled, write_json  # noqa: E402
from tools.workflows.graph import Graph  # noqa: E402
from tools.workflows.twin import GRAPHS, SUFFIX, is_workflow, twin  # noqa: E402

PACK_VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
THUMBNAIL_SIDE = 400  # pixels


def names() -> list[str]:
    """The names of all workflows: those described, and the twin of each demo workflow."""
    own = {path.stem for path in GRAPHS.glob("*.py")}
    return sorted(own | {f"{name}{SUFFIX}" for name in own if not name.endswith(SUFFIX)})


def described(name: str) -> Graph:
    own = name if is_workflow(name) else name.removesuffix(SUFFIX)
    graph = importlib.import_module(f"tools.workflows.graphs.{own}").GRAPH
    return graph if own == name else twin(graph)


def make(page: Page, name: str, host_version: str) -> tuple[dict[str, Any], Prompt]:
    """One described graph, built in the page, in the frontend's format and in the API's."""
    packages = {
        "pack": {"cnr_id": "videograin", "ver": PACK_VERSION},
        "core": {"cnr_id": "comfy-core", "ver": host_version},
    }
    size = build(page, described(name), packages)
    workflow, api = exported(page)
    workflow["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"videograin/{name}"))  # the same on every run
    workflow["extra"]["ds"] = fitted(size["width"], size["height"])
    return workflow, api


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


def picture(server: Server, name: str, api: Prompt) -> Image.Image:
    """A workflow's thumbnail: from its own run, or another workflow's with a badge that names its model."""
    shown, before = described(name).picture, AFTER.get(name)
    if before and not shown:
        server.run(prompt(before))
    return badged(Image.open(thumbnail_file(shown))) if shown else thumbnail(server, api)


def thumbnail_file(name: str) -> Path:
    return ROOT / "workflows" / f"{name}.jpg"


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


def badged(sheet: Image.Image) -> Image.Image:
    """The picture with a badge: the model that the workflow is for, and that another model drew it."""
    draw, middle = ImageDraw.Draw(sheet), 2 * THUMBNAIL_SIDE - 88
    draw.rounded_rectangle((middle - 76, 12, middle + 76, 72), radius=10, fill=(20, 20, 24))
    for text, size, y in (("for SD 1.5", 26, 30), ("picture: demo model", 15, 56)):
        draw.text((middle, y), text, font=ImageFont.load_default(size), fill=(255, 255, 255), anchor="mm")
    return sheet


def write(browser: Browser, server: Server, name: str, screenshots: Path | None) -> Prompt:
    """Makes one workflow and writes its two files; returns the prompt."""
    # One page per workflow: in the same page a widget would keep the last graph's value, by node number and name.
    page = open_frontend(browser, server.url, scale=2)
    workflow, api = make(page, name, server.get("/system_stats")["system"]["comfyui_version"])
    workflow = settled(page, workflow, api)
    if screenshots:
        page.wait_for_timeout(1500)  # milliseconds, for the canvas to be drawn
        page.screenshot(path=screenshots / f"{name}.png")
    page.context.close()
    write_json(ROOT / "workflows" / f"{name}.json", workflow)
    write_json(ROOT / "demo" / f"{name}.api.json", api)
    return api


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=names(), metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--keep-thumbnails", action="store_true", help="do not run the graphs")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of the opened workflows")
    options = parser.parse_args()
    host = provision()
    with Server(host.python, host.comfyui, ROOT) as server:
        server.post("/settings", SETTINGS)
        with chromium() as browser:
            prompts = {name: write(browser, server, name, options.screenshots) for name in options.names}
        if options.keep_thumbnails:
            return
        for name in sorted(prompts, key=lambda name: bool(described(name).picture)):  # own pictures first
            picture(server, name, prompts[name]).save(thumbnail_file(name), quality=88)


if __name__ == "__main__":
    main()
