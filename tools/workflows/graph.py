"""The description of a workflow: groups of nodes, left to right; sizes and positions follow from the content."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Weights:
    """A file that the frontend offers to download where it is missing."""

    name: str
    directory: str  # in ComfyUI's models folder
    url: str


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a checkpoint, and those that can replace them."""

    weights: Weights
    kind: str


@dataclass(frozen=True)
class Node:
    """One node: `links` are input -> "node key.output name", `values` are widget -> value (default: the node's own)."""

    key: str  # names it inside the description
    type: str
    title: str | None = None
    links: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    height: int | None = None  # pixels, for nodes with a text box or a preview
    width: int | None = None  # pixels, if not the node's own
    weights: Weights | None = None


@dataclass(frozen=True)
class Group:
    """A coloured frame with a note in Markdown on top and columns of nodes below; without a title or a note only the rest."""

    title: str
    colour: str
    note: str
    columns: list[list[Node]]
    aside: str = ""  # last paragraph of the note, for the demo model only


@dataclass(frozen=True)
class App:
    """What the frontend's app mode shows. inputs: (node key, widget). outputs: node keys."""

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A workflow: columns of groups."""

    name: str
    columns: list[list[Group]]
    footage: dict[str, str] = field(default_factory=dict)  # the demo clip's words -> those for filmed clips
    checkpoint: Checkpoint | None = None  # for its twin, if it needs another than Stable Diffusion 1.5
    app: App | None = None
