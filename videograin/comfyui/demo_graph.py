"""What the demo model cannot draw, told from the graph that it stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import nodes as host

from ..toybox.vocabulary import NAMES, draws
from .graph_at_work import graph_at_work
from .input_files import DEMO
from .prompt_graph import PromptGraph

MODEL, CLIP = "VideoGrainLoadDemoModel", "VideoGrainDemoClip"


def remarks(prompt: Mapping[str, Any] | None, phrases: Sequence[tuple[int, str]]) -> list[str]:
    """What is to be said at the node at work, where the demo model makes the edit; nothing with any other model.

    Args: prompt, as ComfyUI gives it; phrases, (number, words) of rows.
    """
    here = graph_at_work(prompt)
    return [] if here is None else check(*here, phrases)


def check(graph: PromptGraph, node: str, phrases: Sequence[tuple[int, str]]) -> list[str]:
    """The same for a node of a graph, whose clip comes in as `frames`."""
    if not draws_alone(graph):
        return []
    strange = [f"Row {number}: the demo model cannot draw “{words}”." for number, words in phrases if not draws(words)]
    found = [" ".join([*strange, f"It knows {', '.join(NAMES)}."])] if strange else []
    above = graph.above(graph.link(node, "frames"))
    if not any(graph.kind(each) == CLIP or graph.value(each, "file") == DEMO for each in above):
        found.append(
            "The demo model only draws its own emoji. A clip of anything else needs a Stable Diffusion 1.5 checkpoint in place of "
            "Load Demo Model."
        )
    return found


def draws_alone(graph: PromptGraph) -> bool:
    """True if the demo model is the only one that is loaded and connected."""
    loaders = {node for node in graph if _loads_model(graph, node) and _is_read(graph, node)}
    return bool(loaders) and all(graph.kind(node) == MODEL for node in loaders)


def _loads_model(graph: PromptGraph, node: str) -> bool:
    """True if a node gives a MODEL and takes none."""
    return "MODEL" in _outputs(graph, node) and not any(
        "MODEL" in _outputs(graph, link.node)[link.output : link.output + 1] for link in graph.links(node)
    )


def _is_read(graph: PromptGraph, node: str) -> bool:
    return any(link.node == node for reader in graph for link in graph.links(reader))


def _outputs(graph: PromptGraph, node: str) -> Sequence[str]:
    return getattr(host.NODE_CLASS_MAPPINGS.get(graph.kind(node)), "RETURN_TYPES", ())
