"""Workflows saved by earlier versions open as they were, also where a node has got inputs since."""

import json

from frontend import OPEN, exported

NODE = {"id": 1, "type": "VideoGrainLoadVideoFrames", "pos": [0, 0], "size": [280, 330], "flags": {}, "order": 0,
        "mode": 0, "inputs": [{"name": "video", "type": "VIDEO", "link": None, "shape": 7}], "outputs": [],
        "properties": {}}  # fmt: skip
# The upload button's value, "image", came last before there were `start_time`, `duration` and `background`.
SAVED = ["clip.mp4", 12.5, 3, 2, 16, "exact", 512, 448, "image"]
NAMES = ("file", "force_rate", "skip", "every_nth", "cap", "size", "width", "height")
ADDED = {"start_time": 0, "duration": 0, "background": "white"}


def opened(page, values):
    workflow = {"version": 0.4, "last_node_id": 1, "last_link_id": 0, "links": [], "groups": [],
                "nodes": [{**NODE, "widgets_values": values}]}  # fmt: skip
    page.evaluate(OPEN, json.dumps(workflow))
    again, prompt = exported(page)
    return again["nodes"][0]["widgets_values"], prompt["1"]["inputs"]


def test_load_video_frames(widgets):
    values, inputs = opened(widgets.page, SAVED)
    assert inputs == dict(zip(NAMES, SAVED, strict=False)) | ADDED
    assert values == [*SAVED, *ADDED.values()]
    changed = [*SAVED, 1.5, 0.75, "#00ff00"]
    assert opened(widgets.page, changed) == (changed, inputs | dict(zip(ADDED, changed[9:], strict=True)))
