"""Memory for a clip's noise levels: RAM, or past a limit a file that the operating system pages in and out."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .safetensors_stream import header

IN_MEMORY = 2**30  # bytes; 50 levels of 600 frames at 512² are 2 GB in float32
DTYPES = {torch.float32: np.float32, torch.float16: np.float16}
ZEROS = bytes(2**24)


def allocate(shape: Sequence[int], dtype: torch.dtype, folder: Path, limit: int | None = None) -> Tensor:
    """An uninitialised CPU tensor; past `limit` bytes (default IN_MEMORY) it maps a safetensors file in `folder`.

    The file is deleted with the tensor. dtype: float32 or float16. Raises OSError where it cannot be written or mapped.
    """
    if math.prod(shape) * dtype.itemsize <= (IN_MEMORY if limit is None else limit):
        return torch.empty(*shape, dtype=dtype)
    path, begins = _blank_file(shape, dtype, folder)
    try:
        levels = np.memmap(path, DTYPES[dtype], "r+", begins, tuple(shape))
    except OSError:  # some network drives cannot be mapped
        _discard(path)
        raise
    weakref.finalize(levels, _discard, path)
    return torch.from_numpy(levels)


def _blank_file(shape: Sequence[int], dtype: torch.dtype, folder: Path) -> tuple[Path, int]:
    """A safetensors file of one tensor of zeros, and the byte at which its numbers begin."""
    size = math.prod(shape) * dtype.itemsize
    begins = header({"latents": (dtype, shape)}, {})
    folder.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(".safetensors", "inversion-", folder)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(begins)
            for written in range(0, size, len(ZEROS)):  # no sparse file: a full disk fails here, not in a crash
                file.write(ZEROS[: size - written])
    except OSError:
        _discard(Path(name))
        raise
    return Path(name), len(begins)


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows locks a mapped file; ComfyUI empties its temp folder at start
        path.unlink(missing_ok=True)
