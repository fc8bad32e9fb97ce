"""Inversion file: an inversion as safetensors, so that a clip inverted once can be edited on another day."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..core.inversion_record import Inversion, dtype_of, levels
from .safetensors_stream import NOTHING, Narrowed, checksum, write_whole

FORMAT = "videograin.inversion.1"
LONGEST_FACT = 1000  # letters; a fact can appear in a message
FACTS = ("format", "key_sets", "model_id", "model_name", "family")  # the last not in files of UNets
TENSORS = ("latents", "sigmas", "source", "noise")


def write(path: Path, inversion: Inversion, noise: Tensor, precision: str) -> None:
    """Writes the file whole or not at all.

    Args: noise, the LATENT samples an edit starts from; precision, of the levels, one of
    inversion_record.PRECISIONS (float16 levels stay float16); sigmas, source and noise are kept to the bit.
    Raises OSError where the file cannot be written.
    """
    narrower = min(inversion.latents.dtype, dtype_of(precision, inversion.sigmas), key=lambda dtype: dtype.itemsize)
    tensors = {
        "latents": inversion.latents,
        "sigmas": inversion.sigmas,
        "source": inversion.source,
        "noise": noise.cpu(),
    }
    narrowed = {"latents": narrower}
    facts = {
        "format": FORMAT,
        "key_sets": inversion.key_sets,
        "model_id": inversion.model_id,
        "model_name": inversion.model_name,
        **({"family": inversion.family} if inversion.family else {}),
    }
    write_whole(path, tensors, {**facts, "checksums": json.dumps(_checksums(facts, tensors, narrowed))}, narrowed)


def read(path: Path) -> tuple[Inversion, Tensor]:
    """The inversion, its levels in the file's precision, and the noise an edit starts from.

    Raises ValueError for a file that is no inversion, cut off or damaged.
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
    if any(len(facts.get(name, "")) > LONGEST_FACT for name in FACTS):
        raise ValueError(f"{path.name} is damaged: its header says more than ours do. Invert the clip again.")
    if changed := _changed(facts, tensors):
        raise ValueError(f"{path.name} is damaged: its {changed} are not what was saved. Invert the clip again.")
    if not _fit(**tensors):
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(
            f"{path.name} is damaged: its tensors do not belong together, or hold no finite numbers ({shapes}). Invert the "
            "clip again."
        )
    inversion = Inversion(
        tensors["latents"], tensors["sigmas"], tensors["source"],
        facts["key_sets"], facts["model_id"], facts["model_name"], facts.get("family", ""),
    )  # fmt: skip
    return inversion, tensors["noise"]


def _checksums(facts: dict[str, str], tensors: dict[str, Tensor], narrowed: Narrowed = NOTHING) -> dict[str, int]:
    ordered = json.dumps([facts[name] for name in FACTS if name in facts or name != "family"])
    return {
        **{name: checksum(tensor, narrowed.get(name)) for name, tensor in tensors.items()},
        "facts": zlib.crc32(ordered.encode()),
    }


def _changed(facts: dict[str, str], tensors: dict[str, Tensor]) -> str | None:
    """The first part of a file that differs from its checksum; None if all are as saved."""
    try:
        found = _checksums(facts, tensors)
        saved = {"facts": found["facts"], **json.loads(facts["checksums"])}  # old files have no checksum of the facts
        return next((name for name in found if found[name] != saved[name]), None)
    except (KeyError, TypeError, ValueError, RecursionError):  # damage in the checksums, or in a fact's name
        return "facts"


def _fit(latents: Tensor, sigmas: Tensor, source: Tensor, noise: Tensor) -> bool:
    return (
        latents.ndim in (5, 6)
        and latents.shape[1:] == source.shape == noise.shape
        and latents.shape[:1] == sigmas.shape
        and all(tensor.is_floating_point() for tensor in (latents, sigmas, source, noise))
        and source.numel() > 0
        and levels(sigmas)
        and all(bool(tensor.isfinite().all()) for tensor in (source, noise, *latents))
    )
