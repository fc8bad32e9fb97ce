"""Profile of the demo's edit: its own graph, run by ComfyUI's executor, with a stopwatch on each part.

Import it after ComfyUI (tools/inprocess.py).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import comfy.model_base
import nodes as stock

from ...proof.host import Host
from ...videograin.comfyui.attention import Call
from ...videograin.features.flatten_paths import AlongPaths
from ...videograin.features.st_layout import Modulated
from .rows import Row, profile_rows

GRAPH = Path(__file__).parents[2] / "demo" / "instance_edit.api.json"
PARTS = {
    (Call, "_over"): "self-attention over all frames",
    (Modulated, "_grouped"): "ST-Layout self-attention",
    (Modulated, "_directed"): "ST-Layout cross-attention",
    (AlongPaths, "_along"): "flow-guided attention",
}
DEMO_CLIP = "VideoGrainDemoClip"
NETWORK = "rest of the network"


class Stopwatch:
    """Sums the time inside chosen functions, by running node and part; a nested part counts once."""

    def __init__(self, node: Callable[[], str]):
        self.node, self.parts, self.inside = node, defaultdict(float), []

    def watch(self, owner: type, name: str, part: str) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def timed(*args, **kwargs):
            begin = time.perf_counter()
            self.inside.append(0.0)
            try:
                return original(*args, **kwargs)
            finally:
                spent = time.perf_counter() - begin
                self.parts[self.node(), part] += spent - self.inside.pop()
                if self.inside:
                    self.inside[-1] += spent

        setattr(owner, name, timed)


def profile(steps: int | None) -> list[Row]:
    """The rows of one run of the demo's graph. steps: instead of the graph's own, for a quick run."""
    prompt = json.loads(GRAPH.read_text())
    for node in prompt.values():
        if steps is not None and "steps" in node["inputs"]:
            node["inputs"]["steps"] = steps
    host = Host([])
    asyncio.run(stock.init_builtin_extra_nodes())
    watch = Stopwatch(lambda: host.client.started[-1][0])
    watch.watch(comfy.model_base.BaseModel, "apply_model", NETWORK)
    for (owner, name), part in PARTS.items():
        watch.watch(owner, name, part)
    cost = host.run(prompt)
    frames = next(node["inputs"]["frames"] for node in prompt.values() if node["class_type"] == DEMO_CLIP)
    title = {number: node["_meta"]["title"] for number, node in prompt.items()}
    counted = {title[n]: node["inputs"]["steps"] for n, node in prompt.items() if "steps" in node["inputs"]}
    nodes = {title[number]: seconds for number, seconds in cost.seconds.items()}
    parts = {(title[number], part): seconds for (number, part), seconds in watch.parts.items()}
    return profile_rows({"frames": frames, "peak_mb": cost.peak_mb}, nodes, counted, parts)
