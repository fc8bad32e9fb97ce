"""In every workflow of ours, words and masks are checked before the minutes of the inversion.

ComfyUI runs an output node as soon as it can, which Bind Region Prompts is. A link from it to DDIM Inversion's `after` would make
sure of it, but ComfyUI would then invert the clip anew for every other word.
"""

import asyncio
import json

import nodes
import pytest
from comfy_execution.graph import DynamicPrompt, ExecutionList

from pack.nodes import VideoGrainExtension
from pack.tools.inprocess import PACK
from pack.videograin.comfyui.prompt_graph import PromptGraph
from pack.videograin.jobs import early_checks

BIND, INVERT = "VideoGrainBindRegionPrompts", "VideoGrainDDIMInversion"
PROMPTS = {
    path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted((PACK / "demo").glob("*.api.json"))
}


def both(prompt):
    return {BIND, INVERT} <= {entry["class_type"] for entry in prompt.values()}


def stub(entry):
    """As much of a node class as the order depends on."""
    inputs = {name: ("*", {}) for name in entry["inputs"]}
    output = entry["class_type"].startswith(("Save", "Preview"))
    return type(entry["class_type"], (), {
        "INPUT_TYPES": classmethod(lambda cls: {"required": inputs}), "OUTPUT_NODE": output, "FUNCTION": "run", "run": lambda self: (),
    })  # fmt: skip


class NothingCached:
    async def get(self, *_):
        return None

    def __getattr__(self, name):
        return lambda *_, **__: None


async def order(prompt):
    """The node ids as ComfyUI takes them."""
    waiting = ExecutionList(DynamicPrompt(prompt), NothingCached())
    for node, entry in prompt.items():
        if nodes.NODE_CLASS_MAPPINGS[entry["class_type"]].OUTPUT_NODE:
            waiting.add_node(node)
    taken = []
    while not waiting.is_empty():
        node, error, _ = await waiting.stage_node_execution()
        assert error is None
        taken.append(node)
        waiting.complete_node_execution()
    return taken


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name, prompt in PROMPTS.items() if both(prompt)])
def test_words_are_bound_before_the_clip_is_inverted(monkeypatch, name):
    prompt, graph = PROMPTS[name], PromptGraph(PROMPTS[name])
    ours = {node.GET_SCHEMA().node_id: node for node in asyncio.run(VideoGrainExtension().get_node_list())}
    for entry in prompt.values():
        kind = entry["class_type"]
        monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, kind, ours.get(kind) or stub(entry))
    taken = asyncio.run(order(prompt))
    for inverted in (node for node in prompt if graph.kind(node) == INVERT):
        for edit in early_checks.edits(graph, inverted):
            for bound in (node for node in graph.above(edit.prompts["positive"]) if graph.kind(node) == BIND):
                # Regions may come from the inversion itself (Attention Layout).
                assert inverted in graph.above(graph.link(bound, "regions")) or taken.index(bound) < taken.index(
                    inverted
                )
