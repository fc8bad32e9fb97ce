"""Makes subgraphs/ from blueprint.py, with the real frontend in a real browser, as make_workflow.py makes workflows/.

python tests/browser/make_blueprint.py
"""

import dataclasses
import json
import uuid
from typing import Any

from make_workflow import HERE, ROOT, provision, write_json
from playwright.sync_api import Page

# make_workflow has put the folders of these on the path
import blueprint  # isort: skip
from frontend import SETTINGS, chromium, exported, open_frontend  # isort: skip
from tools.server import Server  # isort: skip

FILE = ROOT / "subgraphs" / f"{blueprint.NAME}.json"


def make(page: Page) -> dict[str, Any]:
    """Builds the graph in the page and returns the blueprint's file."""
    description = {"columns": dataclasses.asdict(blueprint.GRAPH)["columns"], "packages": {"pack": {}, "core": {}}}
    page.evaluate((HERE / "build_graph.js").read_text(), description)
    wanted = {"name": blueprint.NAME, "shown": blueprint.SHOWN}
    page.evaluate((HERE / "build_blueprint.js").read_text(), wanted)
    page.wait_for_timeout(500)  # milliseconds; nodes find their sizes when they are drawn
    workflow = exported(page)[0]
    (subgraph,) = workflow["definitions"]["subgraphs"]
    (node,) = (node for node in workflow["nodes"] if node["type"] == subgraph["id"])
    for socket in [*node["inputs"], *subgraph["inputs"]]:
        for name in {"name", "localized_name"} & set(socket):
            socket[name] = blueprint.RENAMED.get(socket[name], socket[name])
    for socket in node["inputs"]:
        socket["link"] = None
    for socket in node["outputs"]:
        socket["links"] = []
    node |= {"pos": [0, 0], "size": [320, 420], "order": 0}
    subgraph |= {"description": blueprint.DESCRIPTION, "category": blueprint.CATEGORY}
    file = {
        "revision": 0, "last_node_id": node["id"], "last_link_id": 0, "nodes": [node], "links": [], "version": 0.4,
        "definitions": {"subgraphs": [subgraph]}, "extra": {},
    }  # fmt: skip
    return lasting(file)


def lasting(file: dict[str, Any]) -> dict[str, Any]:
    """The same with the subgraph's and its sockets' ids made from their names: equal on every run."""
    text = json.dumps(file)
    (subgraph,) = file["definitions"]["subgraphs"]
    sockets = [("in", each) for each in subgraph["inputs"]] + [("out", each) for each in subgraph["outputs"]]
    for side, name, old in [("", "", subgraph["id"]), *((side, each["name"], each["id"]) for side, each in sockets)]:
        text = text.replace(old, str(uuid.uuid5(uuid.NAMESPACE_URL, f"videograin/{blueprint.NAME}/{side}/{name}")))
    return json.loads(text)


def main() -> None:
    host = provision()
    with Server(host.python, host.comfyui, ROOT) as server, chromium() as browser:
        server.post("/settings", SETTINGS)
        FILE.parent.mkdir(exist_ok=True)
        write_json(FILE, make(open_frontend(browser, server.url)))


if __name__ == "__main__":
    main()
