"""Workflows saved by earlier versions (tests/saved/) open as they were, also where a node has got inputs since."""

import json
from pathlib import Path

import pytest

from pack.tools.frontend import MISSING, OPEN, exported

SAVED = Path(__file__).parents[1] / "saved"
WORKFLOWS = sorted(path for path in SAVED.rglob("*.json") if not path.name.endswith(".api.json"))

NODE = {"id": 1, "type": "VideoGrainLoadVideoFrames", "pos": [0, 0], "size": [280, 330], "flags": {}, "order": 0,
        "mode": 0, "inputs": [{"name": "video", "type": "VIDEO", "link": None, "shape": 7}], "outputs": [],
        "properties": {}}  # fmt: skip
# The upload button's value, "image", came last before there were `start_time` and those after it.
VALUES = ["clip.mp4", 12.5, 3, 2, 16, "exact", 512, 448, "image"]
NAMES = ("file", "force_rate", "skip", "every_nth", "cap", "size", "width", "height")
ADDED = {"start_time": 0, "duration": 0, "background": "white", "count_for_wan": False}


def opened(page, values):
    workflow = {"version": 0.4, "last_node_id": 1, "last_link_id": 0, "links": [], "groups": [],
                "nodes": [{**NODE, "widgets_values": values}]}  # fmt: skip
    page.evaluate(OPEN, json.dumps(workflow))
    again, prompt = exported(page)
    return again["nodes"][0]["widgets_values"], prompt["1"]["inputs"]


def test_load_video_frames(widgets):
    values, inputs = opened(widgets.page, VALUES)
    assert inputs == dict(zip(NAMES, VALUES, strict=False)) | ADDED
    assert values == [*VALUES, *ADDED.values()]
    changed = [*VALUES, 1.5, 0.75, "#00ff00", True]
    assert opened(widgets.page, changed) == (changed, inputs | dict(zip(ADDED, changed[9:], strict=True)))


@pytest.mark.parametrize("widgets", ["canvas"], indirect=True)
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_saved_workflow_asks_for_what_it_asked_for_then(widgets, workflow):
    """What goes to the server, against the API form that was exported when the workflow was saved."""
    widgets.page.evaluate(OPEN, workflow.read_text(encoding="utf-8"))
    assert widgets.page.evaluate(MISSING) == []
    _, prompt = exported(widgets.page)
    then = json.loads(workflow.with_suffix(".api.json").read_text(encoding="utf-8"))
    assert {node: part["class_type"] for node, part in prompt.items()} == {
        node: part["class_type"] for node, part in then.items()
    }
    for node, part in then.items():
        now = {name: prompt[node]["inputs"].get(name) for name in part["inputs"]}
        assert now == part["inputs"], f"{node} ({part['class_type']})"
