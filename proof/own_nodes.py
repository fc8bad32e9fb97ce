"""The proof's own nodes: what goes into a graph and comes out of it without a file, and regions as plain masks."""

from __future__ import annotations

from typing import Any

import nodes
import torch
from comfy_api.latest import io

from ..nodes.types import Regions
from .graph import Prompt

CATEGORY = "VideoGrain/proof"


def own_nodes(held: dict[str, Any]) -> list[type[io.ComfyNode]]:
    """The node classes, around the values that they give and keep, by name."""

    class ProofGiven(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            names = [io.String.Input("name"), io.String.Input("ticket", tooltip="Another value has another ticket.")]
            return io.Schema(node_id="ProofGiven", category=CATEGORY, inputs=names, outputs=[io.Image.Output()])

        @classmethod
        def execute(cls, name: str, ticket: str) -> io.NodeOutput:
            return io.NodeOutput(held[name])

    class ProofMask(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            row = io.Int.Input("row", min=-1, tooltip="One of the regions, from 0; -1 for all of them together.")
            regions = Regions.Input("regions")
            return io.Schema(node_id="ProofMask", category=CATEGORY, inputs=[regions, row], outputs=[io.Mask.Output()])

        @classmethod
        def execute(cls, regions, row: int) -> io.NodeOutput:
            chosen = regions if row < 0 else regions[row : row + 1]
            return io.NodeOutput(torch.stack([region.mask for region in chosen]).amax(0))

    class ProofKeep(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            inputs = [io.AnyType.Input("value"), io.String.Input("name")]
            return io.Schema(node_id="ProofKeep", category=CATEGORY, inputs=inputs, is_output_node=True)

        @classmethod
        def fingerprint_inputs(cls, **_) -> float:
            return float("nan")  # NaN is never cached, so the node always runs

        @classmethod
        def execute(cls, value, name: str) -> io.NodeOutput:
            held[name] = value
            return io.NodeOutput()

    return [ProofGiven, ProofMask, ProofKeep]


def complete(prompt: Prompt) -> Prompt:
    """The graph with the default of every required input that it leaves out, as the web page sends it."""
    return {
        name: {**node, "inputs": {**defaults(node["class_type"]), **node["inputs"]}} for name, node in prompt.items()
    }


def defaults(class_type: str, which: str = "required") -> dict[str, Any]:
    """The defaults of a node's widgets, of those that are required or "optional"."""
    found = {}
    for name, (kind, *about) in nodes.NODE_CLASS_MAPPINGS[class_type].INPUT_TYPES().get(which, {}).items():
        options = about[0] if about else {}
        choices = kind if isinstance(kind, list) else options.get("options")
        if "default" in options or choices:
            found[name] = options["default"] if "default" in options else choices[0]
    return found
