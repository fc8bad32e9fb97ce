"""Makes subgraphs/ from blueprint.py, in the real frontend in a real browser, as make_workflow.py makes workflows/.

python tools/workflows/make_blueprint.py
"""

import argparse
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

sys.path[0] = str(Path(__file__).resolve().parents[2])  # the repository; no comfy in this process

from tools.frontend import SETTINGS, chromium, exported, open_frontend  # noqa: E402
from tools.provision import provision  # noqa: E402
from tools.server import Server  # noqa: E402
from tools.workflows import blueprint  # noqa: E402
from tools.workflows.build import build  # noqa: E402
from tools.workflows.files import ROOT, write_json  # noqa: E402

CONVERT = Path(__file__).with_name("build_blueprint.js")
FILE = ROOT / "subgraphs" / f"{blueprint.NAME}.json"


def make(page: Page) -> dict[str, Any]:
    """The content of the blueprint's file, from the graph built in the page."""
    build(page, blueprint.GRAPH)
    page.evaluate(CONVERT.read_text(), {"name": blueprint.NAME, "shown": blueprint.SHOWN})
    page.wait_for_timeout(500)  # milliseconds; nodes find their sizes when they are drawn
    workflow = exported(page)[0]
    (subgraph,) = workflow["definitions"]["subgraphs"]
    (node,) = (node for node in workflow["nodes"] if node["type"] == subgraph["id"])
    for socket in [*node["inputs"], *subgraph["inputs"]]:
        for name in {"name", "localized_name"} & set(socket):
            socket[name] = blueprint.RENAMED.get(socket[name], socket[name])
    order_inputs(node, subgraph)
    for socket in node["inputs"]:
        socket["link"] = None
    for socket in node["outputs"]:
        socket["links"] = []
    node |= {"pos": [0, 0], "size": [320, 420], "order": 0}
    subgraph |= {"description": blueprint.DESCRIPTION, "category": blueprint.CATEGORY}
    file = {
        "revision": 0, "last_node_id": node["id"], "last_link_id": 0, "nodes": [node], "links": [], "version": 0.4,
        "definitions": {"subgraphs": [subgraph]}, "extra": {"BlueprintSearchAliases": list(blueprint.ALIASES)},
    }  # fmt: skip
    return lasting(file)


def order_inputs(node: dict[str, Any], subgraph: dict[str, Any]) -> None:
    """Brings the sockets into blueprint.INPUTS' order, which the conversion does not keep; links inside go by number."""
    before = [each["name"] for each in subgraph["inputs"]]
    after = sorted(before, key=lambda name: (*blueprint.INPUTS, *before).index(name))
    for sockets in (node["inputs"], subgraph["inputs"]):
        sockets.sort(key=lambda each: after.index(each["name"]))
    for link in subgraph["links"]:
        if link["origin_id"] == subgraph["inputNode"]["id"]:
            link["origin_slot"] = after.index(before[link["origin_slot"]])


def lasting(file: dict[str, Any]) -> dict[str, Any]:
    """The file with ids of the subgraph and its sockets made from their names, so that every run gives the same."""
    text = json.dumps(file)
    (subgraph,) = file["definitions"]["subgraphs"]
    sockets = [("in", each) for each in subgraph["inputs"]] + [("out", each) for each in subgraph["outputs"]]
    for side, name, old in [("", "", subgraph["id"]), *((side, each["name"], each["id"]) for side, each in sockets)]:
        text = text.replace(old, str(uuid.uuid5(uuid.NAMESPACE_URL, f"videograin/{blueprint.NAME}/{side}/{name}")))
    return json.loads(text)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    host = provision()
    with Server(host.python, host.comfyui, ROOT) as server, chromium() as browser:
        server.post("/settings", SETTINGS)
        FILE.parent.mkdir(exist_ok=True)
        write_json(FILE, make(open_frontend(browser, server.url)))


if __name__ == "__main__":
    main()
