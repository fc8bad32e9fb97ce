"""Is this the same work as before? A fingerprint over everything a result depends on, equal after a restart."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
import torch
from comfy.controlnet import ControlBase
from torch import Tensor, nn

ROWS = 16  # of a tensor, read at once
LONGEST_NAME = 255  # of a file, in most file systems
PLAIN = (str, bytes, int, float, complex, bool, type(None), Enum)


def fingerprint(*values: Any) -> str:
    """16 hexadecimal digits over tensors, plain values, containers, dataclasses and ControlNets, by what they hold.

    Of any other object its class and its own tensors count: what else a graph has set up is in `graph_below`.
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
    else:
        _add(digest, {name: own for name, own in getattr(value, "__dict__", {}).items() if isinstance(own, Tensor)})


def _add_tensor(digest: Any, value: Tensor) -> None:
    digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
    for rows in value.reshape(1, 1) if value.ndim == 0 else value.split(ROWS):
        digest.update(rows.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())


def weights(network: nn.Module | None) -> list:
    """What tells a network from another: names and shapes of its weights, and the values of the small ones."""
    state = network.state_dict() if network is not None else {}
    small = [state[name].float() for name in sorted(state) if state[name].ndim == 1][:8]
    return [[(name, tuple(state[name].shape)) for name in sorted(state)], small]


def code() -> str:
    """Of this package and ComfyUI: another version may make another edit of the same."""
    folder, digest = Path(__file__).parents[1], hashlib.sha256(comfyui_version.__version__.encode())
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def file_of(text: str) -> list:
    """Size and time of the file a widget names, in ComfyUI's input, output or model folders; empty if it names none."""
    if not Path(text).suffix or len(text) > LONGEST_NAME or "\0" in text:
        return []
    try:
        paths = [folder_paths.get_annotated_filepath(text)]
    except ValueError:  # a name that leaves the folders
        return []
    paths += [folder_paths.get_full_path(kind, text) for kind in list(folder_paths.folder_names_and_paths)]
    stats = [Path(path).stat() for path in paths if path is not None and Path(path).is_file()]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]


def graph_below(prompt: Any, node_id: str | None) -> list:
    """What a node's links lead to in the graph being run: classes, widget values, and the files that these name.

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
        if _is_link(value):
            return ["link", fingerprint(below(value[0])), value[1]]
        return [value, file_of(value)] if isinstance(value, str) else value

    inputs = prompt.get_node(node_id)["inputs"]
    return [[name, linked(inputs[name])] for name in sorted(inputs) if _is_link(inputs[name])]


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
