"""Hashes of the golden runs: every node output with tensors or words, pictures shown, texts, and warnings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import execution
import folder_paths
import numpy as np
import torch
from PIL import Image

NOT_HASHED = {"MODEL", "CLIP", "VAE", "CONTROL_NET", "VIDEO", "GUIDER", "SAMPLER", "NOISE"}  # their effect is hashed
# Times, amounts of memory, and fingerprints, which depend on files' times and the pack's code.
VARIES = re.compile(r"\d+(?:\.\d+)?(?=\s?(?:s|ms|sec|seconds?|min|minutes?|[KMGT]i?B)\b)|\b[0-9a-f]{16,}\b")
PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


class Page:
    """A stand-in for the server, to which the executor and the nodes report; no browser is connected."""

    client_id, last_node_id, last_prompt_id = "golden", None, None

    def __init__(self):
        self.sockets_metadata: dict[str, Any] = {}
        self.texts: dict[str, set[str]] = {}  # node -> its texts

    def send_sync(self, *_) -> None: ...

    def send_progress_text(self, text: str, node_id: str, *_) -> None:
        self.texts.setdefault(str(node_id), set()).add(text)


class Recorder(logging.Handler):
    """Hashes the outputs of one graph's nodes, as a context. found: {output: hash}. base: the host's folder."""

    def __init__(self, graph: dict, base: str):
        super().__init__(logging.WARNING)
        self.graph, self.base, self.page = graph, base, Page()
        self.found: dict[str, str] = {}
        self.warnings: set[str] = set()

    def __enter__(self) -> Recorder:
        import server

        self.server, self.hashed = server.PromptServer.__dict__.get("instance"), execution.get_output_data
        server.PromptServer.instance = self.page
        execution.get_output_data = self.get_output_data
        logging.getLogger("videograin").addHandler(self)
        return self

    def __exit__(self, *_) -> None:
        import server

        execution.get_output_data, server.PromptServer.instance = self.hashed, self.server
        logging.getLogger("videograin").removeHandler(self)
        for node, texts in self.page.texts.items():
            self.found[f"{self.title(node)}, progress texts"] = digest(sorted(map(self.steady, texts)))
        for number, warning in enumerate(sorted(map(self.steady, self.warnings))):
            self.found[f"warning {number}"] = digest(warning)

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.add(record.getMessage())

    async def get_output_data(self, prompt_id, unique_id, obj, *inputs, **more):
        """The executor's own function that runs a node, with its outputs hashed."""
        result = await self.hashed(prompt_id, unique_id, obj, *inputs, **more)
        outputs, shown, _, pending = result
        if pending:
            raise RuntimeError(f"{self.title(unique_id)} works in the background, where it cannot be hashed.")
        for number, (kind, values) in enumerate(zip(obj.RETURN_TYPES, outputs, strict=False)):
            if kind not in NOT_HASHED:
                leaves = [self.of_output(kind, value) for value in values]
                self.found[f"{self.title(unique_id)}, output {number}, {kind}"] = digest(leaves)
        if shown:
            self.found[f"{self.title(unique_id)}, shown"] = digest(self.of_shown(shown))
        return result

    def title(self, node: str) -> str:
        return f"{node} {self.graph[node]['class_type']}" if node in self.graph else str(node)

    def of_output(self, kind: str, value: Any) -> Any:
        """The hashable part of an output: of the pack's own types only the tensors, since fields may be renamed."""
        if kind.startswith("VIDEOGRAIN_"):
            return sorted(map(digest, tensors(value)))
        return self.plain(value)

    def plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.steady(value)
        if isinstance(value, Mapping):
            return {str(key): self.plain(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
            return [self.plain(entry) for entry in value]
        if value is None or isinstance(value, (bool, int, float, torch.Tensor)):
            return value
        return sorted(map(digest, tensors(value)))

    def of_shown(self, shown: Any) -> Any:
        """A node's ui output, with pictures in place of their file names, which are random."""
        if isinstance(shown, Mapping) and "filename" in shown:
            return picture(shown)
        if isinstance(shown, Mapping):
            return {str(key): self.of_shown(value) for key, value in shown.items()}
        if isinstance(shown, (list, tuple)):
            return [self.of_shown(value) for value in shown]
        if isinstance(shown, str) and shown.startswith("{"):
            return self.of_shown(json.loads(shown))
        return self.plain(shown)

    def steady(self, text: str) -> str:
        """A text without the parts that differ between runs: VARIES and the temporary folder."""
        return VARIES.sub("#", text.replace(self.base, "BASE"))


def picture(file: Mapping) -> Any:
    """The pixels of a picture in the host's folders; the suffix of any other file."""
    folder = {"temp": folder_paths.get_temp_directory, "output": folder_paths.get_output_directory}
    path = Path(folder[file["type"]]()) / file["subfolder"] / file["filename"]
    if path.suffix.lower() not in PICTURES:
        return path.suffix
    with Image.open(path) as opened:
        return torch.from_numpy(np.array(opened))


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """All tensors in nested tuples, lists, dicts and dataclasses."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from tensors(entry)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for entry in value:
            yield from tensors(entry)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors(getattr(value, field.name))


def digest(value: Any) -> str:
    """SHA-256 of plain nested values: tensors by kind, shape and bits, dicts in the order of their keys."""
    found = hashlib.sha256()
    for piece in pieces(value):
        found.update(piece)
    return found.hexdigest()


def pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, torch.Tensor):
        bits = value.detach().cpu().contiguous()
        yield f"{bits.dtype} {tuple(bits.shape)}".encode()
        yield bits.reshape(-1).view(torch.uint8).numpy().tobytes() if bits.numel() else b""
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield f"<{key}>".encode()
            yield from pieces(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"[{len(value)}]".encode()
        for entry in value:
            yield from pieces(entry)
    else:
        yield repr(value).encode()
