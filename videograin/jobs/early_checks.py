"""What the graph below DDIM Inversion tells before it walks: a sampler that cannot take its noise up, and nodes that refuse.

Only what stands in widgets is read; what a link brings is left to the run, which checks everything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import comfy.samplers
import nodes as host
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..backbones import registry
from ..comfyui import source_prompt
from ..comfyui.graph_at_work import graph_at_work
from ..comfyui.progress import Notes
from ..comfyui.prompt_graph import Link, PromptGraph
from ..comfyui.source_prompt import INVERT_CLIP
from ..core.cross_frame import OWN
from ..core.inversion_record import levels
from ..core.st_layout import Levels, Role
from ..features.latent_blend import leaves_path

INVERSION, BIND, ST_LAYOUT = "VideoGrainDDIMInversion", "VideoGrainBindRegionPrompts", "VideoGrainSTLayoutAttention"
INVERSIONS = (INVERSION, INVERT_CLIP)  # with the same outputs
BLEND, INJECT = "VideoGrainLatentBlend", "VideoGrainInjectSourceFeatures"
VARY = "VideoGrainVaryNoise"
FULL, ANCHORS, FLOW = SEEING = (
    "VideoGrainFullFrameAttention", "VideoGrainAnchorAttention", "VideoGrainFlowGuidedAttention"
)  # fmt: skip
NOISE, RECORD = range(2)  # DDIM Inversion's and Invert Clip's outputs
SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
ENCODERS = ("VAEEncode", "VAEEncodeTiled", "VAEEncodeForInpaint")
EMPTY = ("EmptyLatentImage", "EmptySD3LatentImage", "EmptyHunyuanLatentVideo")
COUPLES = ("AttentionCouplePPM", "AttentionCouple|cgem156")  # rows for each region
TILES = "TiledDiffusion"
SAME = 1e-4  # of the first noise level, as the run compares


class Edit(NamedTuple):
    """A sampler that takes an inversion up. models: the nodes its MODEL passed, the nearest first. prompts: what it is
    guided by, by name; empty where that is not known. noise: whether it starts from the inversion's own noise. carries:
    whether its MODEL carries the inversion.
    """

    sampler: str
    models: list[str]
    prompts: dict[str, Link | None]
    noise: bool
    carries: bool


def at_work(
    prompt: dict[str, Any] | None, model: ModelPatcher, latent: dict[str, Any], sigmas: Tensor, own: dict[str, Any]
) -> Notes:
    """Checks the prompt around the DDIM Inversion at work, as `check`. Returns its notes, on the node already."""
    notes, here = Notes(), graph_at_work(prompt)
    if here is not None and levels(sigmas):  # what is no list of levels, inverting itself will refuse
        geometry = registry.of(model.model.diffusion_model).geometry(tuple(latent["samples"].shape))
        size = tuple(geometry.pixels * side for side in geometry.cells)
        for note in check(*here, model, sigmas, own, size):
            notes.add(note)
    return notes


def of_source_prompt(prompt: dict[str, Any], node: str) -> list[str]:
    """What is to be said of the words that a node's `source` takes, beside those of its `positive`."""
    graph = PromptGraph(prompt)
    return source_prompt.remarks(
        graph, source_prompt.encoder_of(graph, graph.link(node, "source")), graph.link(node, "positive")
    )


def check(
    graph: PromptGraph, node: str, model: ModelPatcher, sigmas: Tensor, own: dict[str, Any], size: tuple[int, int]
) -> list[str]:
    """Looks at every sampler that starts from this inversion, or whose MODEL carries it.

    Args: node, DDIM Inversion's id in the prompt; model, its MODEL; sigmas, its levels; own, its
    `steps` and `scheduler`, where those made the levels; size, (height, width) of the clip in pixels.
    Returns what the user is to know, but what does not stop the run. Raises ValueError for what would.
    """
    source = source_prompt.source_encoder(graph, node)
    notes = source_prompt.remarks(graph, source, None)
    for edit in edits(graph, node):
        _check_noise(graph, edit)
        notes += _check_levels(graph, edit, model, sigmas, own) if edit.noise else _check_latent(graph, edit, node)
        if edit.carries and registry.of(model.model.diffusion_model).own_key_set == OWN:
            _check_seen(graph, edit, node)
        notes += _check_layout(graph, edit, size)
        notes += _check_blend(graph, edit)
        notes += source_prompt.remarks(graph, source, next(iter(edit.prompts.values()), None))
    return list(dict.fromkeys(notes))


def edits(graph: PromptGraph, node: str) -> Iterator[Edit]:
    riders = {
        reader
        for reader, name in graph.readers(Link(node, RECORD))
        if name == "inversion" and not _neutral(graph, reader)
    }
    for sampler in graph:
        if graph.kind(sampler) not in SAMPLERS or not _is_run(graph, sampler):
            continue
        guider = graph.link(sampler, "guider")
        holder = sampler if guider is None else guider.node
        models = graph.chain(graph.link(holder, "model"), "model")
        noise, carries = _start(graph, sampler) == Link(node, NOISE), bool(riders & set(models))
        if noise or carries:
            names = ("positive", "negative") if graph.link(holder, "positive") else ("conditioning",)
            prompts = {name: graph.link(holder, name) for name in names}
            yield Edit(sampler, models, prompts if any(prompts.values()) else {}, noise, carries)


def _start(graph: PromptGraph, sampler: str) -> Link | None:
    """The latent that a sampler starts from, before Vary Noise has mixed fresh noise into it."""
    latent = graph.link(sampler, "latent_image")
    while latent is not None and graph.kind(latent.node) == VARY:
        latent = graph.link(latent.node, "noise")
    return latent


def _is_run(graph: PromptGraph, node: str) -> bool:
    """Whether anything that ComfyUI runs for comes of a node; a node that is not known here may be such a thing."""
    classes = (host.NODE_CLASS_MAPPINGS.get(graph.kind(last)) for last in graph.ends(node))
    return any(found is None or getattr(found, "OUTPUT_NODE", False) for found in classes)


def _neutral(graph: PromptGraph, node: str) -> bool:
    """Whether a node with an `inversion` asks nothing of it."""
    return graph.kind(node) == INJECT and graph.value(node, "features") == 0 and graph.value(node, "attention") == 0


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
    asked_levels, asked = _levels(graph, edit.sampler, model) if own else (None, {})
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
        if not differing and "sampler_name" not in asked:  # the scheduler's own MODEL has other levels
            return []
        if not differing:
            differing.append(f"Under this scheduler {asked['sampler_name']} starts elsewhere: take euler.")
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
    if None in asked.values() or not isinstance(asked["steps"], int) or asked["steps"] < 1:
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
    latent = _start(graph, edit.sampler)
    if latent is None:
        return []
    where, kind = graph.name(edit.sampler), graph.kind(latent.node)
    if latent == graph.link(node, "latent") or kind in (*ENCODERS, *EMPTY):
        raise ValueError(
            f"The sampler {where} starts from {graph.name(latent.node)}, but its MODEL carries DDIM Inversion's `inversion`. Connect DDIM "
            "Inversion's `noise` to its `latent_image`."
        )
    if kind in INVERSIONS:
        return [
            f"The sampler {where} starts from the noise of {graph.name(latent.node)}, but its MODEL carries the `inversion` of "
            f"{graph.name(node)}. Unless that is meant, connect both outputs of one DDIM Inversion."
        ]
    return []


def _check_seen(graph: PromptGraph, edit: Edit, node: str) -> None:
    """The frames that each frame sees have to be the same in both, where both MODELs can be followed to one loader."""
    inverting = graph.chain(graph.link(node, "model"), "model")
    if not inverting or not edit.models or inverting[-1] != edit.models[-1]:
        return
    here, there = (
        {graph.kind(one): one for one in models if graph.kind(one) in SEEING and _acts(graph, one)}
        for models in (inverting, edit.models)
    )
    for kind in {*here, *there} - ({*here} & {*there}):
        has, lacks = ("DDIM Inversion", "the sampler") if kind in here else ("the sampler", "DDIM Inversion")
        raise ValueError(
            f"{graph.name((here | there)[kind])} is on the MODEL of {has}, but not on that of {lacks}, so the edit would not start where the "
            "inversion ends. Put it before both."
        )
    kinds = {graph.kind(one) for one in inverting}
    if not {FULL, ST_LAYOUT} & kinds and ANCHORS not in here and _layout(graph, edit):
        raise ValueError(
            f"ST-Layout Attention lets every frame see all others in the sampler {graph.name(edit.sampler)}, but the clip is inverted frame by "
            "frame. Put Full-Frame Attention before both DDIM Inversion and ST-Layout Attention."
        )


def _acts(graph: PromptGraph, node: str) -> bool:
    """Whether a node changes what frames see, as far as its widgets tell."""
    return graph.value(node, "key_set") != OWN and graph.value(node, "count") != 0


def _layout(graph: PromptGraph, edit: Edit) -> str | None:
    """The edit's ST-Layout Attention, if it acts."""
    layout = next((node for node in edit.models if graph.kind(node) == ST_LAYOUT), None)
    acts = layout is not None and any(value is None or value > 0 for value in _strengths(graph, layout).values())
    return layout if acts else None


def _strengths(graph: PromptGraph, layout: str) -> dict[str, float | None]:
    """ST-Layout's, for "self" and "cross"; None where a link brings one."""
    return {name: graph.value(layout, f"{name}_strength") for name in ("self", "cross")}


def _lacks_regions(graph: PromptGraph, prompts: Iterable[Link | None]) -> bool:
    """Whether no Region Prompt stands above some prompts; a prompt from a node that is not known may have some."""
    above = {node for prompt in prompts for node in graph.above(prompt)}
    kinds = {graph.kind(node) for node in above}
    bound = any(graph.kind(node) == BIND and graph.link(node, "regions") for node in above)
    return not bound and (BIND in kinds or any(kind.startswith("CLIPTextEncode") for kind in kinds))


def _check_layout(graph: PromptGraph, edit: Edit, size: tuple[int, int]) -> list[str]:
    """ST-Layout without regions, and nodes of other packs that it cannot stand beside."""
    layout = _layout(graph, edit)
    if layout is None:
        return []
    both = graph.value(layout, "cross_role") in (Role.NEGATIVE, Role.BOTH)
    read = list(edit.prompts.values())[: None if both else 1]
    if read and _lacks_regions(graph, read):
        raise ValueError(
            f"The sampler {graph.name(edit.sampler)} has ST-Layout Attention on its MODEL, but no regions in its prompt. Connect Region "
            "Prompts to Bind Region Prompts' `regions`, and its CONDITIONING to the `positive`."
        )
    strength = _strengths(graph, layout)
    full = graph.value(layout, "levels") != Levels.BELOW_FULL and graph.value(layout, "mode") != "reference"
    notes = []
    for node in edit.models:
        notes += _check_neighbour(graph, node, strength, full, size)
    return notes


def _check_blend(graph: PromptGraph, edit: Edit) -> list[str]:
    """Latent Blend without an area, and a sampler that leaves the path it holds to."""
    blend = next((node for node in edit.models if graph.kind(node) == BLEND), None)
    if blend is None:
        return []
    if graph.link(blend, "mask") is None and _lacks_regions(graph, list(edit.prompts.values())[:1]):
        raise ValueError(
            f"{graph.name(blend)} has no editable area: its `mask` is not connected, and the prompt of the sampler "
            f"{graph.name(edit.sampler)} carries no regions. Connect `mask`, or Region Prompts to Bind Region Prompts' `regions`."
        )
    chosen = graph.link(edit.sampler, "sampler")
    name = graph.value(edit.sampler if chosen is None else chosen.node, "sampler_name")
    left = leaves_path(str(name), graph.value(blend, "mode"))
    return [left] if left else []


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
            f"sampler's MODEL, set ST-Layout's `levels` to “{Levels.BELOW_FULL}”, or its `self_strength` to 0."
        )
    if kind == "HyperTile" and full and strength["self"]:
        return [
            f"{where} is on the sampler's MODEL: where it cuts the picture into tiles, ST-Layout Attention cannot modulate and stops "
            f"the edit. Remove it, or set ST-Layout's `levels` to “{Levels.BELOW_FULL}”."
        ]
    return []
