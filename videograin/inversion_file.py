"""An inversion in one safetensors file, so that a clip inverted once can be edited again on another day."""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .trajectory import Inversion, dtype_of

FORMAT = "videograin.inversion.1"
FACTS = ("format", "key_sets", "model_id", "model_name")
TENSORS = ("latents", "sigmas", "source", "noise")
ABANDONED = 3600.0  # seconds after which a half written file is nobody's


def write(path: Path, inversion: Inversion, noise: Tensor, precision: str) -> None:
    """Writes the file whole or not at all.

    Args: noise (frames, C, h, w), the LATENT samples an edit starts from; precision, one of trajectory.PRECISIONS, of
    the levels between, which stay halves if they are held so: sigma list, source and noise are kept to the bit.
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
    }
    write_whole(path, save(tensors, {**facts, "checksums": json.dumps(_checksums(facts, tensors))}))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all. Raises OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent, path.suffix)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _sweep(folder: Path, suffix: str) -> None:
    """Removes what a process left half written when it was killed; one at work changes its file every moment."""
    for part in folder.glob(f"*{suffix}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.lstat().st_mtime > ABANDONED:
                part.unlink()


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
            tensors = {name: file.get_tensor(name) for name in TENSORS}
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged or no safetensors file ({error}). Invert the clip again.") from error
    if changed := _changed(facts, tensors):
        raise ValueError(f"{path.name} is damaged: its {changed} are not what was saved. Invert the clip again.")
    if not _fit(**tensors):
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(
            f"{path.name} is damaged: its tensors do not belong together ({shapes}). Invert the clip again."
        )
    inversion = Inversion(
        tensors["latents"], tensors["sigmas"], tensors["source"],
        facts["key_sets"], facts["model_id"], facts["model_name"],
    )  # fmt: skip
    return inversion, tensors["noise"]


def _checksums(facts: dict[str, str], tensors: dict[str, Tensor]) -> dict[str, int]:
    told = json.dumps([facts[name] for name in FACTS])
    return {**{name: checksum(tensor) for name, tensor in tensors.items()}, "facts": zlib.crc32(told.encode())}


def _changed(facts: dict[str, str], tensors: dict[str, Tensor]) -> str | None:
    """The first part of a file that is not as it was saved."""
    try:
        found = _checksums(facts, tensors)
        saved = {"facts": found["facts"], **json.loads(facts["checksums"])}  # the first files have none of the facts
        return next((name for name in found if found[name] != saved[name]), None)
    except (KeyError, TypeError, ValueError, RecursionError):  # the checksums themselves, or a fact's name
        return "facts"


def _fit(latents: Tensor, sigmas: Tensor, source: Tensor, noise: Tensor) -> bool:
    return (
        latents.ndim == 5
        and latents.shape[1:] == source.shape == noise.shape
        and latents.shape[:1] == sigmas.shape
        and all(tensor.is_floating_point() for tensor in (latents, sigmas, source, noise))
        and len(sigmas) > 1
        and bool((sigmas[1:] < sigmas[:-1]).all())
    )


def checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy())
