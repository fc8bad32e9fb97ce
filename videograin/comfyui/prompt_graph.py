"""A prompt as ComfyUI's API writes it, read as a graph: what a node takes, who reads its outputs, what stands above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Link(NamedTuple):
    """An output of a node."""

    node: str
    output: int


class PromptGraph:
    """prompt: node id -> {"class_type", "inputs", "_meta"}; subgraphs are laid out and bypassed nodes gone by then."""

    def __init__(self, prompt: Mapping[str, Mapping[str, Any]]):
        self._nodes = prompt

    def __contains__(self, node: str) -> bool:
        return node in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def kind(self, node: str) -> str:
        return str(self._nodes.get(node, {}).get("class_type", ""))

    def name(self, node: str) -> str:
        """As the user sees it: its title, else its kind; and its number, which the frontend can show."""
        title = (self._nodes[node].get("_meta") or {}).get("title") or self.kind(node)
        return f"“{title}” (#{node})"

    def value(self, node: str, name: str) -> Any:
        """A widget's value, or that of a Primitive node on it; None where there is none, or another link brings it."""
        found = self._inputs(node).get(name)
        if _is_link(found):
            source = str(found[0])
            found = self._inputs(source).get("value") if self.kind(source).startswith("Primitive") else None
        return None if _is_link(found) else found

    def link(self, node: str, name: str) -> Link | None:
        """What an input is connected to."""
        found = self._inputs(node).get(name)
        return Link(str(found[0]), int(found[1])) if _is_link(found) else None

    def links(self, node: str) -> Iterator[Link]:
        """What all inputs are connected to."""
        return filter(None, (self.link(node, name) for name in self._inputs(node)))

    def readers(self, link: Link) -> Iterator[tuple[str, str]]:
        """(node, input) of everything that is connected to an output."""
        for node in self._nodes:
            for name in self._inputs(node):
                if self.link(node, name) == link:
                    yield node, name

    def chain(self, link: Link | None, name: str) -> list[str]:
        """The nodes from an output upwards through their inputs of one name, as a MODEL goes through `model`."""
        found: list[str] = []
        while link is not None and link.node in self and link.node not in found:
            found.append(link.node)
            link = self.link(link.node, name)
        return found

    def ends(self, node: str) -> set[str]:
        """The last nodes that its outputs reach; itself where nobody reads them."""
        below: dict[str, set[str]] = {}
        for reader in self._nodes:
            for link in self.links(reader):
                below.setdefault(link.node, set()).add(reader)
        found, waiting = {node}, [node]
        while waiting:
            new = below.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return {last for last in found if not below.get(last)}

    def above(self, link: Link | None) -> set[str]:
        """Every node that an output depends on, its own included."""
        found: set[str] = set()
        waiting = [] if link is None else [link.node]
        while waiting:
            node = waiting.pop()
            if node in self and node not in found:
                found.add(node)
                waiting += [link.node for link in self.links(node)]
        return found

    def _inputs(self, node: str) -> Mapping[str, Any]:
        return self._nodes.get(node, {}).get("inputs") or {}


def _is_link(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], int)
