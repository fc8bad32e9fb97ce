"""A graph in the API's format, written node by node."""

from __future__ import annotations

from typing import Any

Prompt = dict[str, dict[str, Any]]
Link = list  # [node's name, index of its output]


class Graph:
    """A prompt that grows node by node."""

    def __init__(self):
        self.prompt: Prompt = {}

    def add(self, name: str, class_type: str, /, **inputs: Any) -> Link:
        self.prompt[name] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": name}}
        return [name, 0]
