"""The files of a shipped workflow: as the frontend saves it in workflows/, as the API takes it in demo/."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
AFTER = {"re_edit": "save_inversion"}  # what must have run before, for the file it writes


def saved(name: str) -> dict[str, Any]:
    """As the frontend saves it."""
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text())


def prompt(name: str) -> dict[str, Any]:
    """As the API takes it."""
    return json.loads((ROOT / "demo" / f"{name}.api.json").read_text())


def titled(prompt: dict[str, Any], title: str) -> str:
    """The id of a prompt's node with this title."""
    return next(node_id for node_id, node in prompt.items() if node["_meta"]["title"] == title)


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
