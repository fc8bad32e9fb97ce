"""Tensors too large for memory, in ComfyUI's temporary folder; and errors of its disk, explained."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import folder_paths
import torch
from torch import Tensor

from ..storage import memmap
from .validate import logger

FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk, or a user's share of it


def allocate(
    shape: Sequence[int], dtype: torch.dtype, owner: str, fix: str, purpose: str = "", keeps: str = ""
) -> Tensor:
    """An uninitialised tensor, in memory or in a file in ComfyUI's temporary folder (storage.memmap.allocate).

    owner: what needs it. purpose: what for, fix: what to do without it; both for the message. keeps: what to log of it.
    Raises ValueError for a disk that is full or cannot be written.
    """
    megabytes, folder = math.prod(shape) * dtype.itemsize / 1e6, Path(folder_paths.get_temp_directory())
    if keeps:
        where = "in memory" if megabytes <= memmap.IN_MEMORY / 1e6 else "in a file in ComfyUI's temporary folder"
        logger.info("%s keeps %s %s: %.0f MB (%s).", owner, keeps, where, megabytes, dtype)
    need = f"{owner} needs {megabytes:.0f} MB in ComfyUI's temporary folder"
    with explained(f"{need}, {purpose}" if purpose else need, fix):
        return memmap.allocate(shape, dtype, folder)


@contextmanager
def explained(need: str, fix: str) -> Iterator[None]:
    """Makes of a disk that is full or cannot be written a ValueError that says what needs it and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ValueError(f"{need}, but the disk is full. {fix}") from error
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{need}, but it cannot be written: {reason}. {fix}") from error
