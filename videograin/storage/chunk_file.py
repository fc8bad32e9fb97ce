"""Chunk file: one finished chunk of a long edit as safetensors, so that a crash costs one chunk and not the clip."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..core.chunking import Window
from .safetensors_stream import checksum, write_whole

FORMAT = "videograin.chunk.1"


def path_of(folder: Path, window: Window) -> Path:
    return folder / f"{window.start:06}-{window.stop:06}.safetensors"


def write(path: Path, latents: Tensor, job: str, window: Window) -> None:
    """Writes latents (frames, C, h, w), whole or not at all. job: fingerprint of the edit that made them."""
    latents = latents.cpu().contiguous()
    facts = {"format": FORMAT, "job": job, "window": json.dumps(window), "checksum": str(checksum(latents))}
    write_whole(path, {"latents": latents}, facts)


def read(path: Path, job: str, window: Window) -> Tensor:
    """The latents of a chunk. Raises ValueError with the reason for a damaged file or another job's."""
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            latents = file.get_tensor("latents")
    except (SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or error  # str of an OSError holds the whole path
        raise ValueError(f"{path.name} is damaged ({reason})") from error
    wanted = {"format": FORMAT, "job": job, "window": json.dumps(window)}
    if {name: facts.get(name) for name in wanted} != wanted or latents.shape[:1] != (window.stop - window.start,):
        raise ValueError(f"{path.name} is of another edit")
    if facts.get("checksum") != str(checksum(latents)):
        raise ValueError(f"{path.name} is damaged: its latents are not what was saved")
    return latents
