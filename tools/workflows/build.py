"""Building a described graph in an open page of the frontend."""

import dataclasses
from pathlib import Path

from playwright.sync_api import Page

from .graph import Graph, Group, Node

BUILD = Path(__file__).with_name("build_graph.js")
NOTE = "Nobody's graph:\n\nmade by a program,\n\nthrown away."  # a shorter note grows when drawn, and undo records that


def build(page: Page, graph: Graph, packages: dict[str, dict[str, str]] | None = None) -> dict[str, float]:
    """Replaces the open graph; returns its width and height. packages: properties of "pack" nodes and of "core" nodes."""
    described = {"columns": dataclasses.asdict(graph)["columns"], "packages": packages or {"pack": {}, "core": {}}}
    return page.evaluate(BUILD.read_text(), described)


def loose(columns: list[list[Node]]) -> Graph:
    """A graph of only these columns of nodes, for a test or a picture."""
    return Graph("", [[Group("", "#333", NOTE, columns)]])
