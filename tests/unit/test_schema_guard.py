"""The guard itself: each kind of change that spoils a saved workflow is seen, and additions are not."""

import copy
import json

import pytest
import schema

NODE = {
    "Node": {
        "inputs": [
            {"id": "model", "type": "MODEL", "optional": False, "widget": False},
            {"id": "mode", "type": "COMBO", "optional": False, "widget": True, "options": ["a", "b"]},
            {"id": "steps", "type": "INT", "optional": False, "widget": True, "min": 1, "max": 9},
            {"id": "mask", "type": "MASK", "optional": True, "widget": False},
        ],
        "outputs": [{"name": "model", "type": "MODEL"}, {"name": "mask", "type": "MASK"}],
    }
}


def entry(name, **changes):
    return {"id": name, "type": "INT", "optional": False, "widget": True, **changes}


BREAKING = {
    "is gone": lambda s: s.pop("Node"),
    "input steps is gone": lambda s: s["Node"]["inputs"].pop(2),
    "was INT and is FLOAT": lambda s: s["Node"]["inputs"][2].update(type="FLOAT"),
    "no longer offers b": lambda s: s["Node"]["inputs"][1].update(options=["a", "c"]),
    "range of steps is narrower": lambda s: s["Node"]["inputs"][2].update(max=8),
    "input mask was optional": lambda s: s["Node"]["inputs"][3].update(optional=False),
    "new input image must be connected": lambda s: s["Node"]["inputs"].append(entry("image", widget=False)),
    "widgets are not the old ones": lambda s: s["Node"]["inputs"].insert(0, entry("seed")),
    "outputs are not the old ones": lambda s: s["Node"]["outputs"].reverse(),
}


@pytest.mark.parametrize("text", BREAKING)
def test_a_breaking_change_is_told_and_not_written(text, tmp_path, monkeypatch):
    changed = copy.deepcopy(NODE)
    BREAKING[text](changed)
    assert any(text in what for what in schema.breaks(NODE, changed))
    assert schema.breaks(NODE, changed, frozenset({"Node"})) == []  # a NodeReplace says where it went
    monkeypatch.setattr(schema, "FILE", tmp_path / "schema.json")
    schema.write(NODE)
    with pytest.raises(ValueError, match="saved workflow would break"):
        schema.write(changed)
    assert json.loads((tmp_path / "schema.json").read_text()) == NODE


def test_additions_are_fine():
    changed = copy.deepcopy(NODE)
    changed["Node"]["inputs"] += [entry("seed"), entry("image", optional=True, widget=False)]
    changed["Node"]["inputs"][1]["options"].append("c")
    changed["Node"]["inputs"][2]["max"] = 99
    changed["Node"]["outputs"].append({"name": "more", "type": "IMAGE"})
    changed["Other"] = NODE["Node"]
    assert schema.breaks(NODE, changed) == []
