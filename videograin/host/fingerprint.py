"""Is this the same work as before? A fingerprint over everything a result depends on, equal after a restart."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import torch
from comfy.controlnet import ControlBase
from torch import Tensor, nn

ROWS = 16  # of a tensor, read at once
PLAIN = (str, bytes, int, float, complex, bool, type(None), Enum)


def fingerprint(*values: Any) -> str:
    """16 hexadecimal digits over tensors, plain values, containers, dataclasses and ControlNets, by what they hold.

    Of any other object only the class counts: what else a graph has set up is in `graph_below`.
    """
    digest = hashlib.sha256()
    _add(digest, values)
    return digest.hexdigest()[:16]


def _add(digest: Any, value: Any) -> None:
    digest.update(f"<{type(value).__qualname__}>".encode())
    if isinstance(value, PLAIN):
        digest.update(repr(value).encode())
    elif isinstance(value, Tensor):
        _add_tensor(digest, value)
    elif isinstance(value, dict):
        for name in sorted(value, key=str):
            _add(digest, (str(name), value[name]))
    elif isinstance(value, list | tuple):
        digest.update(str(len(value)).encode())
        for part in value:
            _add(digest, part)
    elif is_dataclass(value):
        for field in fields(value):
            _add(digest, (field.name, getattr(value, field.name)))
    elif isinstance(value, ControlBase):
        _add(digest, [value.cond_hint_original, value.extra_concat_orig, value.strength, value.timestep_percent_range])
        _add(digest, [weights(getattr(value, "control_model", None)), value.previous_controlnet])


def _add_tensor(digest: Any, value: Tensor) -> None:
    digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
    for rows in value.reshape(1, 1) if value.ndim == 0 else value.split(ROWS):
        digest.update(rows.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())


def weights(network: nn.Module | None) -> list:
    """What tells a network from another: names and shapes of its weights, and the values of the small ones."""
    state = network.state_dict() if network is not None else {}
    small = [state[name].float() for name in sorted(state) if state[name].ndim == 1][:8]
    return [[(name, tuple(state[name].shape)) for name in sorted(state)], small]


def graph_below(prompt: Any, node_id: str | None) -> list:
    """What a node's links lead to in the graph being run, as ComfyUI's own cache sees it: classes and widget values.

    prompt: ComfyUI's DynamicPrompt, or None outside of a graph; the numbers of nodes do not matter.
    """
    if prompt is None or node_id is None:
        return []
    seen: dict[str, list] = {}

    def below(node: str) -> list:
        if node not in seen:
            seen[node] = []  # a graph has no circles; this ends the walk if one has
            found = prompt.get_node(node)
            inputs = found["inputs"]
            seen[node] = [found["class_type"], [[name, linked(inputs[name])] for name in sorted(inputs)]]
        return seen[node]

    def linked(value: Any) -> Any:
        is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
        return ["link", fingerprint(below(value[0])), value[1]] if is_link else value

    inputs = prompt.get_node(node_id)["inputs"]
    return [[name, value] for name in sorted(inputs) if (value := linked(inputs[name])) is not inputs[name]]
