"""The files of training: whole or absent, and never mistaken for those of another run."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger("videograin.training")


class TrainingError(Exception):
    """Failed training; its message is one paragraph for the person at the terminal."""


def write(value: Any, file: Path) -> None:
    """Writes a file under another name and renames it: a killed run leaves the old file."""
    part = file.with_name(file.name + ".tmp")
    try:
        torch.save(value, part)
    except RuntimeError as error:  # such as a full disk: torch's writer raises no OSError
        raise TrainingError(f"{part} cannot be written: {error}") from error
    os.replace(part, file)


def read(file: Path, mapped: bool = False) -> dict[str, Any]:
    """The dictionary that `write` wrote. Raises TrainingError if the file is damaged."""
    try:
        saved = torch.load(file, "cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # torch raises many errors on damage
        raise TrainingError(f"{file} cannot be read ({type(error).__name__})") from error
    if not isinstance(saved, dict):
        raise TrainingError(f"{file} cannot be read (it holds a {type(saved).__name__})")
    return saved


def checksum(tensors: Iterable[Tensor]) -> str:
    """SHA-256 of the tensors' values, the same in every memory format."""
    told = hashlib.sha256()
    for tensor in tensors:
        told.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return told.hexdigest()


def kept(file: Path, made_from: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Any]:
    """The result of `make`, cached in a file; a file with another `made_from` is made again."""
    if file.exists():
        try:
            saved = read(file)
            if saved.get("made_from") == made_from:
                return saved
            log.info("%s was made from other weights or another seed: it is made again", file)
        except TrainingError as error:
            log.warning("%s: it is made again", error)
    made = {**make(), "made_from": made_from}
    write(made, file)
    return made
