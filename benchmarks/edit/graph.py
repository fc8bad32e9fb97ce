"""The graph of one edit in the API's format: stock nodes and ours, between the benchmark's source and sink.

Nodes have the same names in all methods, and shared nodes have the same inputs, so the host's output cache computes
them once: above all the inversion, once per clip and set of features that are live in it.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from ...proof.graph import Graph, Link, Prompt
from ...videograin.core.cross_frame import OWN
from ...videograin.core.latent_blend import IRJS
from ...videograin.toybox import world
from . import suite
from .method import (
    CHANGED_AREAS,
    CLUSTERS,
    DRAWN,
    FRESH_NOISE,
    OUTSIDE_REGIONS,
    OUTSIDE_WORDS,
    SOURCE,
    Method,
)
from .suite import Example


class Setup(NamedTuple):
    """The settings that all methods of a run share."""

    frames: int = 8
    steps: int = 20  # in the inversion, and again in the edit
    refinements: int = 1
    cfg: float = 7.5
    denoise: float = 0.7  # SDEdit's
    clusters: int = 5


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
    inflated = _inflated(graph, method)
    if method.control:
        graph.add("control", "BenchmarkControl", case=one.case.name)
    if method.start != FRESH_NOISE:
        _invert(graph, one, method, setup, inflated, latent)
    if method.masks == CLUSTERS:
        _layout(graph, setup, inflated)
    model = _directed(graph, one, method, text, inflated)
    model = graph.add("watch", "BenchmarkWatch", model=model, regions=_watched(graph, one, text))
    positive, negative = _prompts(graph, one, method, text)
    drawn = {"model": model, "positive": positive, "negative": negative, "cfg": setup.cfg, "steps": setup.steps,
             "sampler_name": "euler", "scheduler": "ddim_uniform"}  # fmt: skip
    if method.start == FRESH_NOISE:
        start = {"seed": one.case.seed, "latent_image": latent, "denoise": setup.denoise}
        sampled = graph.add("sample", "KSampler", **drawn, **start)
    else:
        start = {"add_noise": "disable", "noise_seed": one.case.seed, "latent_image": ["invert", 0], "start_at_step": 0,
                 "end_at_step": 10000, "return_with_leftover_noise": "disable"}  # fmt: skip
        sampled = graph.add("sample", "KSamplerAdvanced", **drawn, **start)
    # A MODEL with a watch is for one sampling: the next must not get it from the host's cache.
    graph.prompt["watch"]["inputs"]["ticket"] = digest(graph.prompt)
    return sampled


def _inflated(graph: Graph, method: Method) -> Link:
    """The MODEL for the inversion and, through more nodes, for the edit."""
    model = ["loader", 0]
    if method.key_set != OWN:
        norm = {"clip_norm": True} if method.clip_norm else {}
        model = graph.add("full frame", "VideoGrainFullFrameAttention", model=model, key_set=method.key_set, **norm)
    if method.flow:
        seen = {"images": ["clip", 0], "levels": "1/1", "check_occlusion": False}
        model = graph.add("flow", "VideoGrainFlowGuidedAttention", model=model, **seen)
    if method.anchors:
        model = graph.add("anchors", "VideoGrainAnchorAttention", model=model, count=4, mode="concat")
    return model


def _invert(graph: Graph, one: Example, method: Method, setup: Setup, model: Link, latent: Link) -> None:
    source = graph.add("source prompt", "CLIPTextEncode", text=one.shot.caption, clip=["loader", 1])
    if method.control:
        source, _ = _hinted(graph, "source hints", source, source)
    graph.add(
        "invert", "VideoGrainDDIMInversion", model=model, conditioning=source, latent=latent, steps=setup.steps,
        scheduler="ddim_uniform", refinements=setup.refinements,
    )  # fmt: skip


def _hinted(graph: Graph, name: str, positive: Link, negative: Link) -> tuple[Link, Link]:
    """Both prompts with the ControlNet and the clip's depth."""
    shown = {"control_net": ["control", 0], "image": ["control", 1]}
    whole = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    graph.add(name, "ControlNetApplyAdvanced", positive=positive, negative=negative, **shown, **whole)
    return [name, 0], [name, 1]


def _layout(graph: Graph, setup: Setup, model: Link) -> None:
    graph.add(
        "layout", "VideoGrainAttentionLayout", model=model, inversion=["invert", 1], conditioning=["source prompt", 0],
        clusters=setup.clusters, steps=min(10, setup.steps), feature="attention rows", scope="per frame",
    )  # fmt: skip


def _directed(graph: Graph, one: Example, method: Method, text: str, model: Link) -> Link:
    """The MODEL that directs the edit to its regions and keeps the rest."""
    if method.st_layout is not None:
        if method.key_set == OWN:  # ST-Layout Attention would bring all frames by itself
            model = graph.add("own frame", "VideoGrainFullFrameAttention", model=model, key_set=OWN)
        # The mode as single settings: equal methods have equal graphs, and a mode that changes has a new graph.
        choices = vars(method.st_layout)
        model = graph.add("st-layout", "VideoGrainSTLayoutAttention", model=model, mode="default", **choices)
    model = _following(graph, one, method, text, model)
    if method.place:
        words = {"clip": ["loader", 1], "prompt": text, "level": "1/2"}  # as its help recommends for small pictures
        model = graph.add("place", "VideoGrainPlaceObjects", model=model, **words, **_placed(graph, one, method))
    if method.blend:
        mask = _mask(graph, one, method, _changed(one), "edit mask")
        path = (
            {"source": ["encode", 0], "noise": method.noise} if method.blend == IRJS else {"inversion": ["invert", 1]}
        )
        kept = {"mode": method.blend, "mask": mask, "grow": method.grow, **path}
        model = graph.add("blend", "VideoGrainLatentBlend", model=model, **kept)
    return model


def _following(graph: Graph, one: Example, method: Method, text: str, model: Link) -> Link:
    """The MODEL that takes more of the source than its latents: features, attention, places of words."""
    prompt = ["source hints" if method.control else "source prompt", 0]
    source = {"inversion": ["invert", 1], "conditioning": prompt}
    words = {"clip": ["loader", 1], "source_prompt": one.shot.caption}
    if method.inject:
        shares = {"features": 0.2, "attention": 0.2}
        model = graph.add("inject", "VideoGrainInjectSourceFeatures", model=model, **source, **shares)
    if method.self_fusion:
        where = {"where": method.self_fusion, "preset": "shape"}
        if method.self_fusion == OUTSIDE_WORDS:
            where |= {**words, "words": ", ".join(_old_words(one))}
        model = graph.add("self fusion", "VideoGrainSelfAttentionFusion", model=model, **source, **where)
    if method.cross_fusion:
        words |= {"prompt": text, "mode": "refine", "preset": "shape"}
        model = graph.add("cross fusion", "VideoGrainCrossAttentionFusion", model=model, **source, **words)
    return model


def _prompts(graph: Graph, one: Example, method: Method, text: str) -> tuple[Link, Link]:
    """The positive prompt, bound to its regions where a node needs them, and the negative prompt."""
    if method.st_layout is not None or method.self_fusion == OUTSIDE_REGIONS:
        positive = _bound(graph, one, method, text)
    else:
        positive = graph.add("positive", "CLIPTextEncode", text=text, clip=["loader", 1])
    negative = graph.add("negative", "CLIPTextEncode", text="", clip=["loader", 1])
    return _hinted(graph, "edit hints", positive, negative) if method.control else (positive, negative)


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


def _placed(graph: Graph, one: Example, method: Method) -> dict[str, Link]:
    """The objects to be placed, as a chain of Region Prompts; those with the same words are one."""
    by_phrase: dict[str, list[int]] = {}
    for number, area in enumerate(suite.areas(one)):
        if not area.is_place:
            by_phrase.setdefault(area.phrase, []).append(number)
    chain: dict[str, Link] = {}
    for number, (phrase, areas) in enumerate(by_phrase.items()):
        mask = _mask(graph, one, method, tuple(areas), f"object mask {number}")
        chain = {"regions": graph.add(f"object {number}", "VideoGrainRegionPrompt", mask=mask, phrase=phrase, **chain)}
    return chain


def _watched(graph: Graph, one: Example, text: str) -> Link:
    """The MODEL with a watch on every area's true mask, against which attention is measured."""
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


def _old_words(one: Example) -> tuple[str, ...]:
    """The words of the source's caption for the objects that change."""
    if one.task.place != one.shot.place:
        return (world.PLACES[one.shot.place],)
    return one.shot.names[: len(one.task.wishes)]


def _mask(graph: Graph, one: Example, method: Method, numbers: tuple[int, ...], name: str) -> Link:
    """The union of areas by the masks that the method uses."""
    wanted = {"case": one.case.name, "areas": ",".join(map(str, numbers))}
    if method.masks != CLUSTERS:
        return graph.add(name, "BenchmarkMask", **wanted, shape=method.masks)
    chosen = graph.add(f"{name}: choice", "BenchmarkChooseClusters", layout=["layout", 0], **wanted)
    return graph.add(name, "VideoGrainClustersToMask", layout=["layout", 0], clusters=chosen)


def _pasted(graph: Graph, one: Example, method: Method, frames: Link) -> Link:
    """The frames pasted over the source outside the feathered edit, as in the example workflows."""
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
