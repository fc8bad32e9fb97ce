"""Makes docs/short_way.webp: *1 Start here* in six pictures, from one real run on the demo model in a real browser.

    python tools/workflows/make_short_way.py

Needs Debian's Chromium, and some minutes.
"""

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository; no comfy in this process

from tools.frontend import SETTINGS, SUCCESS, chromium, follow, open_frontend, open_template, run  # noqa: E402
from tools.provision import provision  # noqa: E402
from tools.server import Server  # noqa: E402
from tools.workflows.files import GALLERY, ROOT  # noqa: E402
from tools.workflows.graphs.start_here import ROWS  # noqa: E402
from tools.workflows.make_pictures import RUN_TIMEOUT, view  # noqa: E402

FILE = ROOT / "docs" / "short_way.webp"
CELL, MARGIN = (400, 560), 16  # pixels of a picture and around it
EMPTY = {"is": "", "becomes": "", "marks": ""}
REGIONS = "VideoGrainRegions"
SET_ROWS = """(rows) => {
  const node = app.graph.nodes.find(({ type }) => type === 'VideoGrainRegions')
  const widget = node.widgets.find(({ name }) => name === 'rows')
  widget.value = JSON.stringify(rows)
  widget.callback?.(widget.value, app.canvas, node)
}"""


def stages() -> list[list[dict[str, str]]]:
    """The rows of Regions: the first one written, then marked too, then both."""
    first, second = ROWS
    return [[{**first, "marks": ""}, EMPTY], [first, EMPTY], [first, second]]


def pictures(page: Page) -> list[Image.Image]:
    found = [view(page, "VideoGrainLoadVideoFrames")]
    for rows in stages():
        page.evaluate(SET_ROWS, rows)
        found.append(view(page, REGIONS))
    follow(page)
    kind, message = run(page, RUN_TIMEOUT)
    if kind != SUCCESS:
        raise SystemExit(message)
    page.wait_for_timeout(3000)  # milliseconds, for the pictures to be there
    return [*found, view(page, REGIONS), view(page, "VideoGrainBeforeAfterVideo")]


def sheet(shown: list[Image.Image]) -> Image.Image:
    """Three beside each other, in two rows, each fitted into its cell from the top."""
    width, height = CELL
    found = Image.new("RGB", (3 * (width + MARGIN) + MARGIN, 2 * (height + MARGIN) + MARGIN), (24, 24, 28))
    for number, picture in enumerate(shown):
        share = min(width / picture.width, height / picture.height)
        fitted = picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS)
        left, top = (MARGIN + at * (side + MARGIN) for at, side in zip((number % 3, number // 3), CELL, strict=True))
        found.paste(fitted, (left + (width - fitted.width) // 2, top))
    return found


def main() -> None:
    host = provision()
    with Server(host.python, host.comfyui, ROOT) as server, chromium() as browser:
        server.post("/settings", SETTINGS | {"Comfy.Minimap.Visible": False})  # it would cover the nodes
        page = open_frontend(browser, server.url)
        open_template(page, GALLERY["start_here"])
        page.wait_for_timeout(2000)  # milliseconds, for the clip's first frame
        sheet(pictures(page)).save(FILE, "webp", quality=80, method=6)


if __name__ == "__main__":
    main()
