"""Safetensors files that are written from where the tensors lie, and are there whole or not at all.

What is written may be mapped from a disk since memory has no room for it; safetensors' own `save` would hold it twice.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
ABANDONED = 3600.0  # seconds after which a half written file is nobody's


def write_whole(path: Path, tensors: dict[str, Tensor], facts: dict[str, str]) -> None:
    """Writes a file of tensors, of a dtype in NAMES, on the CPU. Raises OSError where it cannot be written."""
    widest_first = sorted(
        tensors, key=lambda name: -tensors[name].element_size()
    )  # so that none begins between its numbers
    tensors = {name: tensors[name].contiguous() for name in widest_first}
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent, path.suffix)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(header({name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}, facts))
            for tensor in tensors.values():
                file.write(_bytes(tensor))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def header(tensors: dict[str, tuple[torch.dtype, Sequence[int]]], facts: dict[str, str]) -> bytes:
    """What a file begins with: the length of its table, and the table. The tensors follow in the same order."""
    table: dict[str, Any] = {"__metadata__": facts} if facts else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        table[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def checksum(tensor: Tensor) -> int:
    """Of a contiguous tensor on the CPU."""
    return zlib.crc32(_bytes(tensor))


def _bytes(tensor: Tensor) -> np.ndarray:
    return tensor.reshape(-1).view(torch.uint8).numpy()


def _sweep(folder: Path, suffix: str) -> None:
    """Removes what a process left half written when it was killed; one at work changes its file every moment."""
    for part in folder.glob(f"*{suffix}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.lstat().st_mtime > ABANDONED:
                part.unlink()
