"""The file that a node's clip was loaded from, and how: what its picture before the run was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_execution.utils import get_executing_context

from .prompt_graph import PromptGraph

LOADER = "VideoGrainLoadVideoFrames"
SETTINGS = (
    "file",
    "start_time",
    "force_rate",
    "skip",
    "size",
    "width",
    "height",
    "background",
)  # as js/clip_preview.js


def settings_of(prompt: Mapping[str, Any] | None) -> list | None:
    """The loader's settings for the node at work, in the graph that is being run; None where `frames` come from elsewhere."""
    context = get_executing_context()
    if not prompt or context is None:
        return None
    graph = PromptGraph(prompt)
    link = graph.link(context.node_id, "frames")
    if link is None or graph.kind(link.node) != LOADER:
        return None
    return [graph.value(link.node, name) for name in SETTINGS]
