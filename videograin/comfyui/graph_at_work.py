"""The graph that ComfyUI is running, as seen from the node at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_execution.utils import get_executing_context

from .prompt_graph import PromptGraph


def graph_at_work(prompt: Mapping[str, Any] | None) -> tuple[PromptGraph, str] | None:
    """The graph being run, and in it the node at work; None outside of one, and for a node that another made while running."""
    context = get_executing_context()
    if not prompt or context is None or context.node_id not in prompt:
        return None
    return PromptGraph(prompt), context.node_id
