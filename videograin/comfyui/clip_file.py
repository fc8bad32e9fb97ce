"""The file that a node's clip was loaded from, and how: what its picture before the run was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .graph_at_work import graph_at_work

LOADER = "VideoGrainLoadVideoFrames"
# As in js/clip_preview.js, which compares them.
SETTINGS = ("file", "start_time", "force_rate", "skip", "size", "width", "height", "background")


def settings_of(prompt: Mapping[str, Any] | None) -> list | None:
    """The loader's settings for the node at work, in the graph that is being run; None where `frames` come from elsewhere."""
    if (here := graph_at_work(prompt)) is None:
        return None
    graph, node = here
    link = graph.link(node, "frames")
    if link is None or graph.kind(link.node) != LOADER:
        return None
    return [graph.value(link.node, name) for name in SETTINGS]
