"""Invert Clip's work: encode, invert, and keep the result by what it is made of.

ComfyUI runs a node again when anything above it has changed. The source prompt comes from the node that has the new
things' words too, so every other word would invert the clip anew. What decides is what arrives: the same latent,
conditioning, model and levels give the same inversion, which is then read from ComfyUI's temporary folder.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths
import nodes as host
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor

from ..backbones.base import Need
from ..comfyui.fingerprint import PLAIN, code, fingerprint
from ..comfyui.model_identity import model_identity
from ..comfyui.plan import records
from ..comfyui.progress import Notes
from ..comfyui.validate import logger, require_family
from ..core.cells import CELL
from ..core.ddim_inversion import CONVENTIONS
from ..core.inversion_record import Inversion
from ..features.base import left_out
from ..storage import inversion_file
from . import early_checks, invert

NODE = "Invert Clip"
SCHEDULER = "ddim_uniform"
FOLDER = "videograin_inversions"  # in ComfyUI's temporary folder, which is emptied when it starts
ROOM = 2 * 1024**3  # bytes; beyond them only the newest inversion is kept


class ClipToInvert(NamedTuple):
    """What the node is given. frames: (F, H, W, 3). steps, refinements: as DDIM Inversion's."""

    model: ModelPatcher
    clip: CLIP
    vae: VAE
    frames: Tensor
    source_prompt: str
    steps: int
    refinements: int


def invert_clip(
    given: ClipToInvert, graph: list, prompt: dict[str, Any] | None = None
) -> tuple[dict[str, Any], Inversion, Tensor]:
    """(LATENT to start the edit from, the Inversion, its sigmas descending), made now or taken from an earlier run.

    graph: what the MODEL was made of, from fingerprint.graph_below. prompt: being run, for the checks before inverting.
    Raises ValueError as `invert.invert` and the checks before it do.
    """
    model = given.model
    backbone = require_family(model, NODE, Need.INVERSION)
    _require_a_cell(given.frames)
    sigmas = invert.walked_levels(model, SCHEDULER, given.steps)
    (latent,) = host.VAEEncode().encode(given.vae, given.frames)
    (conditioning,) = host.CLIPTextEncode().encode(given.clip, given.source_prompt)
    own = {} if backbone.path.fades else {"steps": given.steps, "scheduler": SCHEDULER}
    notes = early_checks.at_work(prompt, model, latent, sigmas, own)
    if told := left_out(f"{NODE}'s `frames`", len(given.frames), backbone.geometry(tuple(latent["samples"].shape))):
        notes.add(told)
    method = invert.Method(CONVENTIONS[1], given.refinements)
    made_of = model_identity(model), records(model), graph, latent["samples"], conditioning, sigmas
    path = Path(folder_paths.get_temp_directory()) / FOLDER / f"{fingerprint(code(), *made_of, *method)}.safetensors"
    told = _is_told(conditioning)
    found = _kept(path, notes) if told else None
    if found is None:
        before = len(notes.lines)
        noise, inversion = invert.invert(model, conditioning, latent, sigmas, method, invert.Reporting(notes))
        if told:
            _keep(path, inversion, noise["samples"], notes.lines[before:])
    else:
        inversion, samples = found
        noise = {"samples": samples.to(latent["samples"].device)}
    return noise, inversion, sigmas


def _require_a_cell(frames: Tensor) -> None:
    height, width = frames.shape[1:3]
    if min(height, width) < CELL:
        raise ValueError(
            f"{NODE}'s `frames` are {width}×{height} pixels, but a VAE needs at least {CELL}×{CELL}. Load the clip larger."
        )


def _is_told(value: Any) -> bool:
    """Whether a fingerprint has all of a CONDITIONING; hooks of a CLIP change weights that it cannot see."""
    if isinstance(value, dict):
        return all(_is_told(part) for part in value.values())
    if isinstance(value, list | tuple):
        return all(_is_told(part) for part in value)
    return isinstance(value, (Tensor, *PLAIN))


def _kept(path: Path, notes: Notes) -> tuple[Inversion, Tensor] | None:
    """An inversion of an earlier run; None where there is none, or it is damaged."""
    if not path.is_file():
        return None
    try:
        found = inversion_file.read(path)
    except (ValueError, OSError) as error:
        logger.warning("%s inverts anew: %s", NODE, error)
        return None
    with suppress(OSError):
        os.utime(path)  # the newest
    with suppress(OSError):
        for line in _warnings(path).read_text(encoding="utf-8").splitlines():
            notes.add(line)
    notes.tell("The clip is as before: its inversion is kept from an earlier run.")
    return found


def _warnings(path: Path) -> Path:
    """The file beside a kept inversion with what was said of it: it stays true of each later run."""
    return path.with_suffix(".txt")


def _keep(path: Path, inversion: Inversion, noise: Tensor, warnings: list[str]) -> None:
    """Writes the inversion and makes room. A disk that is full costs the next run its time, not this run its result."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if warnings:
            _warnings(path).write_text("\n".join(warnings), encoding="utf-8")
        inversion_file.write(path, inversion, noise, "fp32")
    except OSError as error:
        logger.warning("%s cannot keep its inversion for the next run: %s", NODE, error)
    found = []
    for file in path.parent.glob("*.safetensors"):
        with suppress(OSError):  # another server may have removed it
            stat = file.stat()
            found.append((stat.st_mtime, stat.st_size, file))
    kept = 0
    for number, (_, size, file) in enumerate(sorted(found, reverse=True)):
        kept += size
        if number and kept > ROOM:
            with suppress(OSError):
                file.unlink()
                _warnings(file).unlink()
