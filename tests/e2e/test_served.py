"""What the server offers of this pack: its nodes, and its workflows with their thumbnails."""

import json
import os
import re
import urllib.request
from itertools import combinations, pairwise
from urllib.parse import quote

import pytest
from shipped import GALLERY, NAMES, ROOT, prompt, require_nodes, saved

from pack.tools.provision import NEWEST

OLDER = os.environ.get("VIDEOGRAIN_E2E_VERSION", NEWEST) != NEWEST
NOTES = ("Note", "MarkdownNote")
WIDGETS = ("BOOLEAN", "COMBO", "FLOAT", "INT", "STRING", "COMFY_DYNAMICCOMBO_V3")
LAID_OUT = [name for name in NAMES if "definitions" not in saved(name)]  # the frontend itself lays subgraphs out
TITLE_HEIGHT = 30  # pixels above a node's `pos`


@pytest.fixture(scope="module")
def schemas(server):
    return server.object_info()


# ---- nodes ----------------------------------------------------------------------------------------------------------


def test_every_declared_node_is_served_and_can_be_found(schemas):
    declared = {name for path in ROOT.glob("nodes/*.py") for name in re.findall(r'node_id="(\w+)"', path.read_text())}
    served = {name: node for name, node in schemas.items() if node["python_module"] == "custom_nodes.videograin"}
    assert set(served) == declared and declared
    for name, node in served.items():
        assert name.startswith("VideoGrain"), name
        assert node["category"].split("/")[0] == "VideoGrain", name
        assert node["description"] and node["display_name"], name
        assert len(node["search_aliases"]) >= 2, name


def test_every_input_and_output_has_a_tooltip(schemas):
    for name, node in schemas.items():
        if node["python_module"] != "custom_nodes.videograin":
            continue
        inputs = {key: spec for group in ("required", "optional") for key, spec in node["input"].get(group, {}).items()}
        assert [key for key, spec in inputs.items() if not spec[1].get("tooltip")] == [], name
        assert len(node["output_tooltips"] or []) == len(node["output"]) and all(node["output_tooltips"] or []), name


# ---- workflows ------------------------------------------------------------------------------------------------------


def fetched(server, path: str) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        return answer.read()


def test_the_gallery_is_short():
    assert {path.stem for path in (ROOT / "workflows").glob("*.json")} == set(GALLERY.values()) and len(GALLERY) <= 8


@pytest.mark.parametrize("name", GALLERY)
def test_the_gallery_lists_each_of_its_workflows_with_a_picture(server, name):
    title = GALLERY[name]
    assert title in server.get("/workflow_templates")["videograin"]
    place = f"/api/workflow_templates/videograin/{quote(title)}"
    assert json.loads(fetched(server, f"{place}.json")) == saved(name)
    assert fetched(server, f"{place}.jpg").startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("name", LAID_OUT)
def test_the_saved_workflow_and_its_api_form_are_the_same_graph(schemas, name):
    require_nodes(name, schemas)
    workflow, api = saved(name), prompt(name)
    nodes = {str(node["id"]): node for node in workflow["nodes"] if node["type"] not in NOTES}
    assert {node_id: node["type"] for node_id, node in nodes.items()} == {i: n["class_type"] for i, n in api.items()}
    slots = {
        (str(target), nodes[str(target)]["inputs"][slot]["name"]): [str(origin), output]
        for _, origin, output, target, slot, _ in workflow["links"]
    }
    assert slots == {(i, name): v for i, n in api.items() for name, v in n["inputs"].items() if isinstance(v, list)}
    for node_id, node in nodes.items():
        shown, more = widget_values(schemas[node["type"]], node.get("widgets_values", []))
        literal = {name: v for name, v in api[node_id]["inputs"].items() if not isinstance(v, list)}
        if OLDER and not node["type"].startswith("VideoGrain"):  # core's own has yet to get some widgets
            literal, more = {name: v for name, v in literal.items() if name in shown}, []
        assert {name: shown[name] for name in literal} == literal and more == [], node["type"]


def widget_values(schema: dict, values: list) -> tuple[dict, list]:
    """A saved node's widget values by name, and values left over; a seed is followed by what happens to it after a run.

    The button for uploads, where there is one, stands between the inputs that are required and those that are not.
    """
    rest, found = iter(values), {}
    for group in ("required", "optional"):
        uploads = False
        for name, (kind, *options) in schema["input"].get(group, {}).items():
            if (isinstance(kind, list) or kind in WIDGETS) and not (options and options[0].get("forceInput")):
                found[name] = next(rest)
                uploads |= bool(options and options[0].get("video_upload"))
                if name in ("seed", "noise_seed") or (options and options[0].get("control_after_generate")):
                    assert next(rest) in ("fixed", "increment", "decrement", "randomize")
        if uploads:
            assert next(rest) == "image"
    return found, list(rest)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_is_tidy_and_explained(name):
    workflow = saved(name)
    boxes = [rectangle(node) for node in workflow["nodes"]]
    frames = [group["bounding"] for group in workflow["groups"]]
    for (one, a), (other, b) in combinations(zip(workflow["nodes"], boxes, strict=True), 2):
        assert apart(a, b), f"{one['type']} {one['id']} and {other['type']} {other['id']} overlap"
    for a, b in combinations(frames, 2):
        assert apart(a, b)
    for node, box in zip(workflow["nodes"], boxes, strict=True) if frames else ():
        assert sum(inside(box, frame) for frame in frames) == 1, f"{node['type']} {node['id']} is in no group"
    notes = [box for node, box in zip(workflow["nodes"], boxes, strict=True) if node["type"] in NOTES]
    assert all(any(inside(note, frame) for note in notes) for frame in frames)
    titles = [group["title"] for group in workflow["groups"]]
    assert all(first[0] < second[0] for first, second in pairwise(titles))


@pytest.mark.parametrize("name", NAMES)
def test_saved_nodes_name_the_package_they_come_from(name):
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    ours = [node for node in saved(name)["nodes"] if node["type"].startswith("VideoGrain")]
    assert ours
    assert {(n["properties"]["cnr_id"], n["properties"]["ver"]) for n in ours} == {("videograin", version)}


def rectangle(node: dict) -> tuple[float, float, float, float]:
    """x, y, width, height, the title bar included."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE_HEIGHT, width, height + TITLE_HEIGHT


def apart(a: tuple, b: tuple) -> bool:
    return a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]


def inside(box: tuple, frame: tuple) -> bool:
    across = frame[0] <= box[0] and box[0] + box[2] <= frame[0] + frame[2]
    return across and frame[1] <= box[1] and box[1] + box[3] <= frame[1] + frame[3]
