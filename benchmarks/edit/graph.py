"""The graph of one edit, as ComfyUI's API takes it: stock nodes and ours, between the benchmark's source and sink.

Nodes keep their names from method to method, and what two methods share has the same inputs, so that the host's own
output cache gives the second what the first computed: above all the inversion, once per clip and key set.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from ...videograin.attention.key_sets import OWN
from . import suite
from .methods import CHANGED_AREAS, CLUSTERS, DRAWN, FRESH_NOISE, SOURCE, Method
from .suite import Example

Prompt = dict[str, dict[str, Any]]
Link = list  # [node's name, index of its output]


class Setup(NamedTuple):
    """What all methods of a run have in common."""

    frames: int = 8
    steps: int = 20  # of the inversion, and again of the edit
    refinements: int = 1
    cfg: float = 7.5
    denoise: float = 0.7  # SDEdit's
    clusters: int = 5


class Graph:
    """A prompt that grows node by node."""

    def __init__(self):
        self.prompt: Prompt = {}

    def add(self, name: str, class_type: str, **inputs: Any) -> Link:
        self.prompt[name] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": name}}
        return [name, 0]


def edit_graph(one: Example, method: Method, wording: str, setup: Setup) -> Prompt:
    """The whole graph; it ends in BenchmarkCollect."""
    graph = Graph()
    frames = graph.add("clip", "BenchmarkClip", case=one.case.name, drawn=method.start == DRAWN)
    if method.start != DRAWN:
        graph.add("loader", "BenchmarkModel")
        latent = graph.add("encode", "VAEEncode", pixels=frames, vae=["loader", 2])
        if method.start != SOURCE:
            latent = _sampled(graph, one, method, wording, setup, latent)
        frames = graph.add("decode", "VAEDecode", samples=latent, vae=["loader", 2])
    if method.paste:
        frames = _pasted(graph, one, method, frames)
    graph.add("collect", "BenchmarkCollect", images=frames)
    return graph.prompt


def digest(prompt: Prompt) -> str:
    return hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest()[:16]


def _sampled(graph: Graph, one: Example, method: Method, wording: str, setup: Setup, latent: Link) -> Link:
    text = suite.wordings(one)[wording]
    inflated = ["loader", 0]
    if method.key_set != OWN:
        inflated = graph.add("full frame", "VideoGrainFullFrameAttention", model=inflated, key_set=method.key_set)
    if method.start != FRESH_NOISE:
        _invert(graph, one, setup, inflated, latent)
    if method.masks == CLUSTERS:
        _layout(graph, setup, inflated)
    model, positive = _directed(graph, one, method, text, setup, inflated)
    model = graph.add("watch", "BenchmarkWatch", model=model, regions=_watched(graph, one, text))
    drawn = {"model": model, "positive": positive, "cfg": setup.cfg, "steps": setup.steps, "sampler_name": "euler",
             "scheduler": "ddim_uniform"}  # fmt: skip
    drawn["negative"] = graph.add("negative", "CLIPTextEncode", text="", clip=["loader", 1])
    if method.start == FRESH_NOISE:
        start = {"seed": one.case.seed, "latent_image": latent, "denoise": setup.denoise}
        sampled = graph.add("sample", "KSampler", **drawn, **start)
    else:
        start = {"add_noise": "disable", "noise_seed": one.case.seed, "latent_image": ["invert", 0], "start_at_step": 0,
                 "end_at_step": 10000, "return_with_leftover_noise": "disable"}  # fmt: skip
        sampled = graph.add("sample", "KSamplerAdvanced", **drawn, **start)
    # A MODEL that carries a watch serves one sampling: another one must not find it in the host's cache.
    graph.prompt["watch"]["inputs"]["ticket"] = digest(graph.prompt)
    return sampled


def _invert(graph: Graph, one: Example, setup: Setup, model: Link, latent: Link) -> None:
    source = graph.add("source prompt", "CLIPTextEncode", text=one.shot.caption, clip=["loader", 1])
    graph.add(
        "invert", "VideoGrainDDIMInversion", model=model, conditioning=source, latent=latent, steps=setup.steps,
        scheduler="ddim_uniform", refinements=setup.refinements,
    )  # fmt: skip


def _layout(graph: Graph, setup: Setup, model: Link) -> None:
    graph.add(
        "layout", "VideoGrainAttentionLayout", model=model, inversion=["invert", 1], conditioning=["source prompt", 0],
        clusters=setup.clusters, steps=min(10, setup.steps), feature="attention rows", scope="per frame",
    )  # fmt: skip


def _directed(graph: Graph, one: Example, method: Method, text: str, setup: Setup, model: Link) -> tuple[Link, Link]:
    """What makes the edit go where it is to go: the MODEL, and the positive prompt."""
    if method.st_layout is None:
        return model, graph.add("positive", "CLIPTextEncode", text=text, clip=["loader", 1])
    if method.key_set == OWN:  # ST-Layout Attention would bring all frames by itself
        model = graph.add("own frame", "VideoGrainFullFrameAttention", model=model, key_set=OWN)
    # A mode spelled out: rows that mean the same have the same graph, and a mode that changes has another.
    choices = vars(method.st_layout)
    model = graph.add("st-layout", "VideoGrainSTLayoutAttention", model=model, mode="default", **choices)
    if method.blend:
        mask = _mask(graph, one, method, _changed(one), "edit mask")
        kept = {"mode": "inversion", "inversion": ["invert", 1], "mask": mask, "grow": method.grow}
        model = graph.add("blend", "VideoGrainLatentBlend", model=model, **kept)
    return model, _bound(graph, one, method, text)


def _bound(graph: Graph, one: Example, method: Method, text: str) -> Link:
    """Region Prompts in a chain, bound to the prompt."""
    chain: dict[str, Link] = {}
    for number, area in enumerate(suite.areas(one)):
        if method.bound == CHANGED_AREAS and not area.changes:
            continue
        mask = _mask(graph, one, method, (number,), f"mask {number}")
        name = f"region {number}"
        chain = {"regions": graph.add(name, "VideoGrainRegionPrompt", mask=mask, phrase=area.phrase, **chain)}
    return graph.add("bind", "VideoGrainBindRegionPrompts", clip=["loader", 1], prompt=text, **chain)


def _watched(graph: Graph, one: Example, text: str) -> Link:
    """Every area by its true mask, whatever the method knows: what attention is measured against."""
    chain: dict[str, Link] = {}
    for number, area in enumerate(suite.areas(one)):
        mask = graph.add(
            f"true mask {number}", "BenchmarkMask", case=one.case.name, areas=str(number), shape=suite.TRUE
        )
        name = f"true region {number}"
        chain = {"regions": graph.add(name, "VideoGrainRegionPrompt", mask=mask, phrase=area.phrase, **chain)}
    return graph.add("bind all", "VideoGrainBindRegionPrompts", clip=["loader", 1], prompt=text, **chain)


def _changed(one: Example) -> tuple[int, ...]:
    return tuple(number for number, area in enumerate(suite.areas(one)) if area.changes)


def _mask(graph: Graph, one: Example, method: Method, numbers: tuple[int, ...], name: str) -> Link:
    """The union of some areas, as the method knows them."""
    wanted = {"case": one.case.name, "areas": ",".join(map(str, numbers))}
    if method.masks != CLUSTERS:
        return graph.add(name, "BenchmarkMask", **wanted, shape=method.masks)
    chosen = graph.add(f"{name}: choice", "BenchmarkChooseClusters", layout=["layout", 0], **wanted)
    return graph.add(name, "VideoGrainClustersToMask", layout=["layout", 0], clusters=chosen)


def _pasted(graph: Graph, one: Example, method: Method, frames: Link) -> Link:
    """As the example workflows end: the source's pixels outside the feathered edit."""
    mask = graph.add("grown", "GrowMask", mask=["edit mask", 0], expand=4, tapered_corners=True)
    blurred = graph.add(
        "blurred", "ImageBlur", image=graph.add("as picture", "MaskToImage", mask=mask), blur_radius=3, sigma=1.5
    )
    soft = graph.add("feathered", "ImageToMask", image=blurred, channel="red")
    return graph.add(
        "paste",
        "ImageCompositeMasked",
        destination=["clip", 0],
        source=frames,
        mask=soft,
        x=0,
        y=0,
        resize_source=False,
    )
