"""The files of a shipped workflow: the frontend's format in workflows/ or docs/graphs/, the API's format in demo/."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = (ROOT / "tools" / "animatediff_stand_in.py",)  # for packs of others that a workflow needs
AFTER = {"re_edit": "save_inversion"}  # workflow -> the workflow that writes its input file
# Workflow -> its title in ComfyUI's template gallery, which is its file's name; numbers since the server sorts nothing.
# All others are in docs/graphs/.
GALLERY = {
    "start_here": "1 Start here",
    "start_here_sd15": "1 Start here (Stable Diffusion 1.5)",
    "start_here_sam3_sd15": "2 Masks by SAM 3 (Stable Diffusion 1.5)",
    "instance_edit": "3 Step by step",
    "instance_edit_clusters": "4 Regions that the model finds",
    "long_clip": "5 A long clip in chunks",
    "any_generator": "6 Around any other generator",
    "draw_and_paste": "7 New things laid in",
}


def path_of(name: str) -> Path:
    """Where a workflow lies in the frontend's format."""
    return ROOT / ("workflows" if name in GALLERY else "docs/graphs") / f"{GALLERY.get(name, name)}.json"


def saved(name: str) -> dict[str, Any]:
    """A workflow in the frontend's format."""
    return json.loads(path_of(name).read_text())


def prompt(name: str) -> dict[str, Any]:
    """A workflow in the API's format."""
    return json.loads((ROOT / "demo" / f"{name}.api.json").read_text())


def titled(prompt: dict[str, Any], title: str) -> str:
    """The id of a prompt's node with this title."""
    return next(node_id for node_id, node in prompt.items() if node["_meta"]["title"] == title)


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
