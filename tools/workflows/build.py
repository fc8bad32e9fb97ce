"""Building a described graph in an open page of the frontend."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from .files import ROOT
from .graph import Graph, Group, Node

BUILD = Path(__file__).with_name("build_graph.js")
NOTE = "Nobody's graph:\n\nmade by a program,\n\nthrown away."  # a shorter note grows when drawn, and undo records that


def build(page: Page, graph: Graph, packages: dict[str, dict[str, str]] | None = None) -> dict[str, Any]:
    """Replaces the open graph; returns its `width`, `height` and the `ids` of its nodes. packages: properties of nodes whose type begins so; the first that fits."""
    described = {
        "columns": dataclasses.asdict(graph)["columns"],
        "packages": packages or {},
        "blueprints": {path.stem: json.loads(path.read_text()) for path in (ROOT / "subgraphs").glob("*.json")},
    }
    return page.evaluate(BUILD.read_text(), described)


def loose(columns: list[list[Node]]) -> Graph:
    """A graph of only these columns of nodes, for a test or a picture."""
    return Graph("", [[Group("", "#333", NOTE, columns)]])
