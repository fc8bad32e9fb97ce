"""The files of a shipped workflow: the frontend's format in workflows/, the API's format in demo/."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
AFTER = {"re_edit": "save_inversion"}  # workflow -> the workflow that writes its input file


def saved(name: str) -> dict[str, Any]:
    """A workflow in the frontend's format."""
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text())


def prompt(name: str) -> dict[str, Any]:
    """A workflow in the API's format."""
    return json.loads((ROOT / "demo" / f"{name}.api.json").read_text())


def titled(prompt: dict[str, Any], title: str) -> str:
    """The id of a prompt's node with this title."""
    return next(node_id for node_id, node in prompt.items() if node["_meta"]["title"] == title)


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
