"""An inversion in one safetensors file, so that a clip inverted once can be edited again on another day."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .trajectory import Inversion, dtype_of

FORMAT = "videograin.inversion.1"


def write(path: Path, inversion: Inversion, noise: Tensor, precision: str) -> None:
    """Writes the file whole or not at all.

    Args: noise (frames, C, h, w), the LATENT samples an edit starts from; precision, one of trajectory.PRECISIONS, of
    the levels between, which stay halves if they are held so: σ list, source and noise are kept to the bit.
    Raises OSError where the file cannot be written.
    """
    narrower = min(inversion.latents.dtype, dtype_of(precision, inversion.sigmas), key=lambda dtype: dtype.itemsize)
    tensors = {
        "latents": inversion.latents.to(narrower),
        "sigmas": inversion.sigmas,
        "source": inversion.source,
        "noise": noise.cpu(),
    }
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    facts = {
        "format": FORMAT,
        "key_sets": inversion.key_sets,
        "model_id": inversion.model_id,
        "model_name": inversion.model_name,
        "checksums": json.dumps({name: checksum(tensor) for name, tensor in tensors.items()}),
    }
    write_whole(path, save(tensors, facts))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all. Raises OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> tuple[Inversion, Tensor]:
    """The inversion, its levels in the file's precision, and the noise an edit starts from.

    Raises ValueError for a file that is something else, cut off or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            if facts.get("format") != FORMAT:
                raise ValueError(
                    f"{path.name} is no inversion of ours: its header says format {facts.get('format')!r}, where "
                    f"{FORMAT!r} was expected. Choose a file that Save Inversion wrote."
                )
            tensors = {name: file.get_tensor(name) for name in ("latents", "sigmas", "source", "noise")}
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged or no safetensors file ({error}). Invert the clip again.") from error
    for name, wanted in json.loads(facts["checksums"]).items():
        if checksum(tensors[name]) != wanted:
            raise ValueError(f"{path.name} is damaged: its {name} are not what was saved. Invert the clip again.")
    inversion = Inversion(
        tensors["latents"], tensors["sigmas"], tensors["source"],
        facts["key_sets"], facts["model_id"], facts["model_name"],
    )  # fmt: skip
    return inversion, tensors["noise"]


def checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy())
