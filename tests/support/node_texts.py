"""What the nodes say of themselves, in the form of ComfyUI's locale files: locales/en/nodeDefs.json holds exactly this.

The frontend looks a text up by node id, then by an input's id or an output's number, and where it finds none shows the
schema's. `make schema` rewrites the English file; the other languages are translated by hand.
"""

import json
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parents[2] / "locales"

Texts = dict[str, Any]


def dumped(nodes: list) -> Texts:
    """Every node's name and description, and every input's and output's name and tooltip. nodes: classes of V3."""
    return {node.define_schema().node_id: _node(node.define_schema()) for node in nodes}


def _node(schema: Any) -> Texts:
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {
            entry.id: {"name": entry.display_name or entry.id, "tooltip": entry.tooltip} for entry in schema.inputs
        },
        "outputs": {
            str(number): {"name": entry.display_name or entry.get_io_type(), "tooltip": entry.tooltip}
            for number, entry in enumerate(schema.outputs)
        },
    }


def read(language: str, file: str = "nodeDefs") -> Texts:
    return json.loads((LOCALES / language / f"{file}.json").read_text(encoding="utf-8"))


def write_english(now: Texts) -> None:
    text = json.dumps(now, ensure_ascii=False, indent=2)
    (LOCALES / "en" / "nodeDefs.json").write_text(text + "\n", encoding="utf-8")


def flat(texts: Texts | str, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Every text by its path, such as (node id, "inputs", input id, "tooltip")."""
    if isinstance(texts, str):
        return {path: texts}
    return {key: text for name, below in texts.items() for key, text in flat(below, (*path, name)).items()}
