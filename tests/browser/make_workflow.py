"""Makes the committed workflows from their descriptions in graphs/, with the real frontend in a real browser.

    python tests/browser/make_workflow.py instance_edit [--screenshot opened.png]

Writes workflows/NAME.json (the frontend's own format), demo/NAME.api.json (the same graph as the API takes it) and,
when `make demo` has left its videos in demo/out/, the thumbnail workflows/NAME.jpg. Needs Chromium and `playwright`.
"""

import argparse
import dataclasses
import importlib
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

import av
from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT))  # no comfy in this process

from demo.host.provision import provision  # noqa: E402
from demo.host.server import Server  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
PACK_VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
VIEW = {"width": 1920, "height": 1080}
READY = "() => Boolean(window.app?.vueAppReady && window.LiteGraph?.registered_node_types?.VideoGrainDDIMInversion)"
SAVED = "async () => JSON.stringify(await window.app.graphToPrompt())"  # a string: undefined entries vanish
OPEN = "async (text) => { await window.app.loadGraphData(JSON.parse(text), true, true) }"
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}  # no gallery over a new user's first page
THUMBNAIL_SIDE = 400  # pixels


def make(page: Page, name: str, host_version: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Builds one described graph in the page; returns it in the frontend's format and in the API's."""
    graph = importlib.import_module(f"graphs.{name}").GRAPH
    packages = {
        "pack": {"cnr_id": "videograin", "ver": PACK_VERSION},
        "core": {"cnr_id": "comfy-core", "ver": host_version},
    }
    description = {"columns": dataclasses.asdict(graph)["columns"], "packages": packages}
    size = page.evaluate((HERE / "build_graph.js").read_text(), description)
    saved = json.loads(page.evaluate(SAVED))
    workflow = saved["workflow"]
    workflow["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"videograin/{name}"))  # the same on every run
    workflow["extra"]["ds"] = fitted(size["width"], size["height"])
    return workflow, saved["output"]


def fitted(width: float, height: float) -> dict[str, Any]:
    """The canvas's scale and offset that show the whole graph, clear of the frontend's own bars."""
    left, top, margin = 90, 110, 40  # pixels
    scale = min((VIEW["width"] - left - margin) / width, (VIEW["height"] - top - margin) / height)
    return {"scale": round(scale, 3), "offset": [round(left / scale), round(top / scale)]}


def check_opens(page: Page, workflow: dict[str, Any], api: dict[str, Any]) -> None:
    """Opens a saved workflow as a user would: it must be complete, without complaint, and give the same prompt."""
    complaints = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.evaluate(OPEN, json.dumps(workflow))
    page.wait_for_timeout(1500)
    opened = json.loads(page.evaluate(SAVED))["output"]
    if opened != api:
        raise SystemExit("the saved workflow, opened again, gives another prompt")
    if complaints:
        raise SystemExit("the browser complains about the opened workflow:\n" + "\n".join(complaints))


def thumbnail(out: Path) -> Image.Image:
    """The middle frame, before and after side by side."""
    before, after = (middle_frame(out / f"{name}.mp4") for name in ("source", "edit"))
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    sheet = Image.new("RGB", (2 * side[0], side[1]))
    sheet.paste(before.resize(side, Image.Resampling.LANCZOS))
    sheet.paste(after.resize(side, Image.Resampling.LANCZOS), (side[0], 0))
    return sheet


def middle_frame(video: Path) -> Image.Image:
    with av.open(str(video)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    return frames[len(frames) // 2]


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--screenshot", type=Path)
    options = parser.parse_args()
    host = provision()
    with Server(host.python, host.comfyui, ROOT) as server, sync_playwright() as playwright:
        server.post("/settings", SETTINGS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport=VIEW, device_scale_factor=2)
        page.goto(server.url)
        page.wait_for_function(READY, timeout=120_000)
        workflow, api = make(page, options.name, server.get("/system_stats")["system"]["comfyui_version"])
        check_opens(page, workflow, api)
        if options.screenshot:
            page.screenshot(path=options.screenshot)
        browser.close()
    write_json(ROOT / "workflows" / f"{options.name}.json", workflow)
    write_json(ROOT / "demo" / f"{options.name}.api.json", api)
    out = ROOT / "demo" / "out"
    if (out / "edit.mp4").exists():
        thumbnail(out).save(ROOT / "workflows" / f"{options.name}.jpg", quality=88)


if __name__ == "__main__":
    main()
