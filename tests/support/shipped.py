"""The workflows in workflows/ and docs/graphs/, and the same graphs as the API takes them in demo/."""

import pytest

from pack.tools.workflows.files import AFTER, GALLERY, ROOT, STAND_INS, path_of, prompt, saved, titled

__all__ = [
    "AFTER", "DEMO", "GALLERY", "NAMES", "ROOT", "STAND_INS", "TWINS", "path_of", "prompt", "require_nodes", "saved", "shortened",
    "titled",
]  # fmt: skip
NAMES = sorted(path.name.removesuffix(".api.json") for path in (ROOT / "demo").glob("*.api.json"))
TWINS = [name for name in NAMES if name.endswith("_sd15")]  # need weights and clips of one's own
DEMO = [name for name in NAMES if name not in TWINS]  # run at once, on the demo model
YOUNG_NODES = "SAM3_"  # core's, and not yet in the oldest ComfyUI that the pack supports


def shortened(graph: dict, steps: int = 2, refinements: int = 0) -> dict:
    """A prompt with few steps: with these, to see that it runs, not what it draws."""
    fewer = {"steps": steps, "refinements": refinements}
    return {
        key: {**node, "inputs": {name: fewer.get(name, value) for name, value in node["inputs"].items()}}
        for key, node in graph.items()
    }


def require_nodes(name: str, schemas: dict) -> None:
    """Skips the test where this ComfyUI has no SAM3 nodes; schemas: its /object_info."""
    missing = {node["class_type"] for node in prompt(name).values()} - set(schemas)
    if missing and all(node.startswith(YOUNG_NODES) for node in missing):
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(missing))}")
