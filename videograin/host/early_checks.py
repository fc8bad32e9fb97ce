"""What the graph below DDIM Inversion tells before it walks: a sampler that cannot take its noise up, and nodes that refuse.

Only what stands in widgets is read; what a link brings is left to the run, which checks everything again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import comfy.samplers
from comfy.model_patcher import ModelPatcher
from comfy_execution.utils import get_executing_context
from torch import Tensor

from .. import source_prompt
from ..attention.st_layout import LEVELS, ROLES
from ..prompt_graph import Link, PromptGraph
from ..trajectory import levels
from .progress import Notes

INVERSION, BIND, ST_LAYOUT = "VideoGrainDDIMInversion", "VideoGrainBindRegionPrompts", "VideoGrainSTLayoutAttention"
NOISE, RECORD, SIGMAS = range(3)  # DDIM Inversion's outputs
SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
ENCODERS = ("VAEEncode", "VAEEncodeTiled", "VAEEncodeForInpaint")
EMPTY = ("EmptyLatentImage", "EmptySD3LatentImage")
COUPLES = ("AttentionCouplePPM", "AttentionCouple|cgem156")  # rows for each region
TILES = "TiledDiffusion"
SAME = 1e-4  # of the first noise level, as the run compares


class Edit(NamedTuple):
    """A sampler that takes an inversion up. models: the nodes its MODEL passed, the nearest first. prompts: what it is
    guided by, by name; empty where that is not known. noise: whether it starts from the inversion's own noise.
    """

    sampler: str
    models: list[str]
    prompts: dict[str, Link | None]
    noise: bool


def at_work(
    prompt: dict[str, Any] | None, model: ModelPatcher, latent: dict[str, Any], sigmas: Tensor, own: dict[str, Any]
) -> Notes:
    """Checks the prompt around the DDIM Inversion at work, as `check`. Returns its notes, on the node already."""
    notes, context = Notes(), get_executing_context()
    # Not in the prompt: made by another node while running. What is no list of levels, inverting itself will refuse.
    if prompt and context is not None and context.node_id in prompt and levels(sigmas):
        size = tuple(8 * side for side in latent["samples"].shape[-2:])
        for note in check(PromptGraph(prompt), context.node_id, model, sigmas, own, size):
            notes.add(note)
    return notes


def check(
    graph: PromptGraph, node: str, model: ModelPatcher, sigmas: Tensor, own: dict[str, Any], size: tuple[int, int]
) -> list[str]:
    """Looks at every sampler that starts from this inversion, or whose MODEL carries it.

    Args: node, DDIM Inversion's id in the prompt; model, its MODEL; sigmas, its levels; own, its
    `steps` and `scheduler`, where those made the levels; size, (height, width) of the clip in pixels.
    Returns what the user is to know, but what does not stop the run. Raises ValueError for what would.
    """
    source = graph.link(node, "conditioning")
    notes = source_prompt.remarks(graph, source, None)
    for edit in edits(graph, node):
        _check_noise(graph, edit)
        notes += _check_levels(graph, edit, model, sigmas, own) if edit.noise else _check_latent(graph, edit, node)
        notes += _check_layout(graph, edit, size)
        notes += source_prompt.remarks(graph, source, next(iter(edit.prompts.values()), None))
    return list(dict.fromkeys(notes))


def edits(graph: PromptGraph, node: str) -> Iterator[Edit]:
    riders = {reader for reader, name in graph.readers(Link(node, RECORD)) if name == "inversion"}
    for sampler in graph:
        if graph.kind(sampler) not in SAMPLERS:
            continue
        guider = graph.link(sampler, "guider")
        holder = sampler if guider is None else guider.node
        models = graph.chain(graph.link(holder, "model"), "model")
        noise = graph.link(sampler, "latent_image") == Link(node, NOISE)
        if noise or riders & set(models):
            names = ("positive", "negative") if graph.link(holder, "positive") else ("conditioning",)
            prompts = {name: graph.link(holder, name) for name in names}
            yield Edit(sampler, models, prompts if any(prompts.values()) else {}, noise)


def _check_noise(graph: PromptGraph, edit: Edit) -> None:
    sampler, kind = edit.sampler, graph.kind(edit.sampler)
    where = graph.name(sampler)
    if kind == "KSampler":
        raise ValueError(
            f"The sampler {where} is a plain KSampler, which always adds noise of its own; the edit starts from DDIM Inversion's. "
            "Take KSampler (Advanced) with `add_noise` disabled and the same steps and scheduler."
        )
    source = graph.link(sampler, "noise")
    if graph.value(sampler, "add_noise") in ("enable", True) or (source and graph.kind(source.node) == "RandomNoise"):
        fix = "Connect DisableNoise to its `noise`" if source else "Disable its `add_noise`"
        raise ValueError(
            f"The sampler {where} adds noise of its own, but the edit starts from DDIM Inversion's. {fix}."
        )


def _check_levels(
    graph: PromptGraph, edit: Edit, model: ModelPatcher, sigmas: Tensor, own: dict[str, Any]
) -> list[str]:
    """The sampler's first level must be the inversion's highest, where its noise stands."""
    asked_levels, asked = _levels(graph, edit.sampler, model)
    if asked_levels is None or not len(asked_levels):
        return []
    first, top = float(asked_levels[0]), float(sigmas[0])
    differing = [
        f"{name.capitalize()}: inversion {value}, sampler {asked[name]}."
        for name, value in own.items()
        if asked[name] != value
    ]
    where = graph.name(edit.sampler)
    if abs(first - top) > SAME * max(first, top):
        if asked.get("start_at_step"):
            differing.append(f"start_at_step: {asked['start_at_step']}, where 0 is needed.")
        if asked.get("denoise", 1) != 1:
            differing.append(f"Denoise: {asked['denoise']}, where 1 is needed.")
        if not differing:
            differing.append(f"Under this scheduler {asked.get('sampler_name')} starts elsewhere: take euler.")
        raise ValueError(
            f"The sampler {where} does not start where DDIM Inversion ends. {' '.join(differing)} Set both alike, or connect DDIM "
            "Inversion's `sigmas` to a sampler that takes SIGMAS."
        )
    if differing:
        return [
            f"The sampler {where} walks other noise levels than DDIM Inversion. {' '.join(differing)} What is not edited comes back less "
            "exactly; set both alike."
        ]
    return []


def _levels(graph: PromptGraph, sampler: str, model: ModelPatcher) -> tuple[Tensor | None, dict[str, Any]]:
    """A sampler's noise levels, and the widgets that say so; None where a link brings something."""
    node, names = sampler, ("steps", "scheduler", "sampler_name", "start_at_step")
    if graph.kind(sampler) != "KSamplerAdvanced":
        scheduler = graph.link(sampler, "sigmas")
        if scheduler is None or graph.kind(scheduler.node) != "BasicScheduler":
            return None, {}
        node, names = scheduler.node, ("steps", "scheduler", "denoise")
    asked = {name: graph.value(node, name) for name in names}
    if None in asked.values():
        return None, asked
    scheduled = comfy.samplers.KSampler(
        model,
        asked["steps"],
        model.load_device,
        asked.get("sampler_name", "euler"),
        asked["scheduler"],
        asked.get("denoise"),
    )
    return scheduled.sigmas[asked.get("start_at_step", 0) :], asked


def _check_latent(graph: PromptGraph, edit: Edit, node: str) -> list[str]:
    """A MODEL that carries the inversion, and a latent that is not its noise."""
    latent = graph.link(edit.sampler, "latent_image")
    if latent is None:
        return []
    where, kind = graph.name(edit.sampler), graph.kind(latent.node)
    if latent == graph.link(node, "latent") or kind in (*ENCODERS, *EMPTY):
        raise ValueError(
            f"The sampler {where} starts from {graph.name(latent.node)}, but its MODEL carries DDIM Inversion's `inversion`. Connect DDIM "
            "Inversion's `noise` to its `latent_image`."
        )
    if kind == INVERSION:
        return [
            f"The sampler {where} starts from the noise of {graph.name(latent.node)}, but its MODEL carries the `inversion` of "
            f"{graph.name(node)}. Unless that is meant, connect both outputs of one DDIM Inversion."
        ]
    return []


def _check_layout(graph: PromptGraph, edit: Edit, size: tuple[int, int]) -> list[str]:
    """ST-Layout without regions, and nodes of other packs that it cannot stand beside."""
    layout = next((node for node in edit.models if graph.kind(node) == ST_LAYOUT), None)
    if layout is None:
        return []
    strength = {name: graph.value(layout, f"{name}_strength") for name in ("self", "cross")}
    if not any(value is None or value > 0 for value in strength.values()):
        return []
    if edit.prompts:
        read = (
            edit.prompts.values()
            if graph.value(layout, "cross_role") in ROLES[1:]
            else [next(iter(edit.prompts.values()))]
        )
        if all(prompt is not None for prompt in read) and not any(
            graph.kind(node) == BIND for prompt in read for node in graph.above(prompt)
        ):
            raise ValueError(
                f"The sampler {graph.name(edit.sampler)} has ST-Layout Attention on its MODEL, but no regions in its prompt. Connect the "
                "CONDITIONING of Bind Region Prompts, with Region Prompts in its `regions`, to the `positive`."
            )
    full = graph.value(layout, "levels") != LEVELS[1] and graph.value(layout, "mode") != "reference"
    notes = []
    for node in edit.models:
        notes += _check_neighbour(graph, node, strength, full, size)
    return notes


def _check_neighbour(
    graph: PromptGraph, node: str, strength: dict[str, float | None], full: bool, size: tuple[int, int]
) -> list[str]:
    """A node on the edit's MODEL. strength: ST-Layout's; full: whether it modulates at full resolution."""
    kind, where = graph.kind(node), graph.name(node)
    if kind == TILES:
        height, width = (graph.value(node, f"tile_{side}") for side in ("height", "width"))
        if None not in (height, width) and (height < size[0] or width < size[1]):
            raise ValueError(
                f"{where} runs the MODEL in tiles of {width}×{height} pixels, but regions belong to the whole picture of "
                f"{size[1]}×{size[0]}. Remove it from the sampler's MODEL; for memory take fewer frames, or Edit in Chunks."
            )
    if kind in COUPLES and strength["cross"]:
        raise ValueError(
            f"{where} gives each region's prompt rows of its own, where ST-Layout Attention modulates the prompt's. Remove it from the "
            "sampler's MODEL, or set ST-Layout's `cross_strength` to 0."
        )
    if kind == "TomePatchModel" and full and strength["self"] and graph.value(node, "ratio"):
        raise ValueError(
            f"{where} merges tokens at full resolution, where ST-Layout Attention modulates self-attention. Remove it from the "
            f"sampler's MODEL, set ST-Layout's `levels` to “{LEVELS[1]}”, or its `self_strength` to 0."
        )
    if kind == "HyperTile" and full and strength["self"]:
        return [
            f"{where} is on the sampler's MODEL: where it cuts the picture into tiles, ST-Layout Attention cannot modulate and stops "
            f"the edit. Remove it, or set ST-Layout's `levels` to “{LEVELS[1]}”."
        ]
    return []
