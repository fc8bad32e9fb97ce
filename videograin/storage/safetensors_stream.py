"""Safetensors files written row by row, whole or not at all.

A tensor may be mapped from disk because it is too large for memory; safetensors' own `save` would hold it twice.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
ABANDONED = 3600.0  # seconds without a change after which no process writes a partial file any more


Narrowed = Mapping[str, torch.dtype]  # name of a tensor -> dtype in the file, for tensors that are converted
NOTHING: Narrowed = MappingProxyType({})


def write_whole(path: Path, tensors: dict[str, Tensor], facts: dict[str, str], narrowed: Narrowed = NOTHING) -> None:
    """Writes a file of CPU tensors, dtypes as in NAMES. Raises OSError where it cannot be written."""
    dtypes = {name: narrowed.get(name, tensor.dtype) for name, tensor in tensors.items()}
    widest_first = sorted(tensors, key=lambda name: -dtypes[name].itemsize)  # so that each is aligned to its dtype
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent, path.suffix)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(header({name: (dtypes[name], tensors[name].shape) for name in widest_first}, facts))
            for name in widest_first:
                for row in _rows(tensors[name], dtypes[name]):
                    file.write(_bytes(row))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def header(tensors: dict[str, tuple[torch.dtype, Sequence[int]]], facts: dict[str, str]) -> bytes:
    """The header of a file: the length of its table, and the table. The tensors follow in the same order."""
    table: dict[str, Any] = {"__metadata__": facts} if facts else {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        table[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def checksum(tensor: Tensor, dtype: torch.dtype | None = None) -> int:
    """CRC-32 of a CPU tensor as it is written in a dtype."""
    found = 0
    for row in _rows(tensor, dtype or tensor.dtype):
        found = zlib.crc32(_bytes(row), found)
    return found


def _rows(tensor: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
    """Rows in the file's dtype, one at a time, so that no more than one is held twice."""
    for row in tensor if tensor.ndim > 1 else [tensor]:
        yield row.to(dtype).contiguous()


def _bytes(tensor: Tensor) -> np.ndarray:
    return tensor.reshape(-1).view(torch.uint8).numpy()


def _sweep(folder: Path, suffix: str) -> None:
    """Removes partial files of killed processes; a running process changes its file all the time."""
    for part in folder.glob(f"*{suffix}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.lstat().st_mtime > ABANDONED:
                part.unlink()
