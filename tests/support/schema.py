"""What saved workflows rely on: every node's inputs, outputs and choices, kept in tests/schema.json.

`make schema` rewrites the file, and refuses where a workflow saved today would open wrongly tomorrow.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "schema.json"
LISTED_AT_RUN_TIME = {("VideoGrainLoadVideoFrames", "file"), ("VideoGrainLoadInversion", "file")}
OF_CORE = {("VideoGrainDDIMInversion", "scheduler")}  # core's list, which differs between versions

Schema = dict[str, Any]


def dumped(nodes: list) -> Schema:
    """Every node's schema, in the order of its inputs and outputs. nodes: classes of the V3 API."""
    return {node.define_schema().node_id: _node(node.define_schema()) for node in nodes}


def _node(schema: Any) -> Schema:
    return {
        "inputs": [_input(schema.node_id, entry) for entry in schema.inputs],
        "outputs": [{"name": entry.display_name, "type": entry.get_io_type()} for entry in schema.outputs],
    }


def _input(node_id: str, entry: Any) -> Schema:
    found = {"id": entry.id, "type": entry.get_io_type(), "optional": bool(entry.optional)}
    found["widget"] = hasattr(entry, "default") and not getattr(entry, "force_input", None)
    for name in ("default", "min", "max"):
        if getattr(entry, name, None) is not None:
            found[name] = getattr(entry, name)
    if getattr(entry, "options", None) is not None and (node_id, entry.id) not in LISTED_AT_RUN_TIME | OF_CORE:
        found["options"] = [str(option) for option in entry.options]
    if (node_id, entry.id) in LISTED_AT_RUN_TIME:
        found.pop("default", None)
    return found


def breaks(before: Schema, after: Schema, replaced: frozenset[str] = frozenset()) -> list[str]:
    """What a workflow saved under `before` would lose under `after`. replaced: node ids that a NodeReplace maps."""
    found = []
    for node_id, old in before.items():
        if node_id in replaced:
            continue
        if node_id not in after:
            found.append(f"{node_id} is gone")
            continue
        found += [f"{node_id}: {what}" for what in (*_inputs(old, after[node_id]), *_outputs(old, after[node_id]))]
    return found


def _inputs(old: Schema, new: Schema) -> list[str]:
    found, entries = [], {entry["id"]: entry for entry in new["inputs"]}
    for entry in old["inputs"]:
        now = entries.get(entry["id"])
        if now is None:
            found.append(f"input {entry['id']} is gone")
        elif now["type"] != entry["type"]:
            found.append(f"input {entry['id']} was {entry['type']} and is {now['type']}")
        elif lost := set(entry.get("options", ())) - set(now.get("options", ())):
            found.append(f"input {entry['id']} no longer offers {', '.join(sorted(lost))}")
        elif now.get("min", 0) > entry.get("min", 0) or now.get("max", 0) < entry.get("max", 0):
            found.append(f"the range of {entry['id']} is narrower")
        elif entry["optional"] and not now["optional"] and not now["widget"]:
            found.append(f"input {entry['id']} was optional")
    known = {entry["id"] for entry in old["inputs"]}
    found += [
        f"new input {entry['id']} must be connected"
        for entry in new["inputs"]
        if entry["id"] not in known and not entry["optional"] and not entry["widget"]
    ]
    # A workflow keeps the values of widgets as a list without names.
    widgets = [[entry["id"] for entry in node["inputs"] if entry["widget"]] for node in (old, new)]
    if widgets[1][: len(widgets[0])] != widgets[0]:
        found.append("its widgets are not the old ones followed by new ones")
    return found


def _outputs(old: Schema, new: Schema) -> list[str]:
    types = [[entry["type"] for entry in node["outputs"]] for node in (old, new)]
    return [] if types[1][: len(types[0])] == types[0] else ["its outputs are not the old ones followed by new ones"]


def write(now: Schema, replaced: frozenset[str] = frozenset()) -> None:
    """Rewrites the file. Raises ValueError where that would break a saved workflow."""
    if FILE.exists() and (lost := breaks(json.loads(FILE.read_text()), now, replaced)):
        raise ValueError("A saved workflow would break, and no NodeReplace says how to mend it:\n" + "\n".join(lost))
    FILE.write_text(json.dumps(now, indent=1) + "\n")
