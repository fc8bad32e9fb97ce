"""What other nodes do to a model call that ours cannot work with, told by the name of their pack."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.ops
import folder_paths
from torch import nn

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

GROUPNORM = "ADE_groupnormed_diffusion_model"  # AnimateDiff-Evolved's wrapper that norms over frames

TWICE = (
    "Another node on the MODEL has the sampler run more than once (Iteration Options, FreeInit or Image Injection of AnimateDiff-Evolved's "
    "sample settings), and the second time it starts from its own result, where an inversion and what is edited by regions or "
    "a source have to start from the clip. Remove these options from that node."
)


def pack_of(thing: Any) -> str:
    """The pack that an object or a function is of: its folder under custom_nodes, else the name of its Python module.

    Never a path, though ComfyUI names the modules of a pack by one.
    """
    while isinstance(thing, partial):
        thing = thing.func
    name = getattr(thing, "__module__", None) or type(thing).__module__
    path = Path(getattr(sys.modules.get(name), "__file__", None) or name)
    for folder in map(Path, folder_paths.get_folder_paths("custom_nodes")):
        if path.is_relative_to(folder):
            return path.relative_to(folder).parts[0]
    return Path(name).name


def by(things: Iterable[Any]) -> str:
    """Names of packs in brackets, to follow "another node"; empty for nothing."""
    names = dict.fromkeys(map(pack_of, things))
    return f" ({', '.join(names)})" if names else ""


def unknown_frames(rows: int, prompts: int, frames: int, nodes: Iterable[str], wrapper: Any) -> str:
    """Why a call's frames cannot be known, for nodes of ours that look across them. wrapper: around the model, or None."""
    who = by([wrapper] if wrapper is not None else [])
    return (
        f"A model call has {rows} rows, for {frames} frames under {prompts} prompt{'s' * (prompts > 1)}, and which row shows "
        f"which frame cannot be known: another node{who} shows the MODEL several tiles or batches at once. "
        f"{', '.join(nodes)} would mix them. Set that node's `tile_batch_size` to 1 if it has one, or remove it; for memory "
        "take fewer frames, or Edit in Chunks."
    )


def groupnorm_pack(options: dict[str, Any]) -> str | None:
    """The pack that has GroupNorm take its statistics over frames, if there is one. options: the transformer options."""
    theirs = options.get("wrappers", {}).get("diffusion_model", {}).get(GROUPNORM, [])
    norms = nn.GroupNorm.forward, comfy.ops.disable_weight_init.GroupNorm.forward_comfy_cast_weights
    packs = map(pack_of, (*theirs, *norms))
    return next((pack for pack in packs if pack.split(".")[0] not in ("torch", "comfy")), None)


def iterations(model: ModelPatcher) -> int:
    """How often AnimateDiff-Evolved's sample settings have a sampler run."""
    settings = getattr(model, "attachments", {}).values()
    return max((getattr(getattr(found, "iteration_opts", None), "iterations", 1) for found in settings), default=1)
