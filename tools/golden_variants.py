"""Variants of the saved workflows for the golden runs: nodes and settings that no workflow has."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

PREFIX = "variant_"
EDIT, LONG, PLACED = "instance_edit_sd15", "long_clip_sd15", "place_objects_sd15"
CLUSTERS, INSTRUCT, FUSED = "instance_edit_clusters_sd15", "instruct_pix2pix_sd15", "fatezero_sd15"
FULL, LAYOUT, BLEND = "VideoGrainFullFrameAttention", "VideoGrainSTLayoutAttention", "VideoGrainLatentBlend"
INVERT, BIND, LOAD = "VideoGrainDDIMInversion", "VideoGrainBindRegionPrompts", "VideoGrainLoadVideoFrames"
BOXES = "wolf: 16, 32, 40, 48 at 0; 32, 32, 40, 48 at 3\ntiger: 72, 48, 40, 48"
SEEN = "wolf: 16, 32, 40, 48 at 0; 20, 32, 40, 48 at 1\ntiger: 72, 48, 40, 48 at 0; 70, 48, 40, 48 at 2"


def variants(saved: dict[str, dict]) -> dict[str, dict]:
    """All variants whose workflow is in `saved`, by name."""
    found = {}
    for name, base, change in listed():
        if base in saved:
            graph = found[f"{PREFIX}{name}"] = copy.deepcopy(saved[base])
            change(graph)
    return found | {f"{PREFIX}load_video": load_video()}


def listed() -> Iterator[tuple[str, str, Callable[[dict], Any]]]:
    """Each variant as (name, workflow, change of the graph)."""
    yield "levels", EDIT, sets(FULL, key_set="middle", level_1="first + previous", level_2="own", level_4="all frames",
                               clip_norm=True)  # fmt: skip
    yield "anchors_concat", EDIT, anchors(count=2, mode="concat", gather="earlier anchors")
    yield (
        "anchors_swap",
        INSTRUCT,
        sets("VideoGrainAnchorAttention", mode="swap", frames="0, 3", gather="earlier anchors"),
    )
    yield "sampler_noise", INSTRUCT, sets("KSamplerSelect", sampler_name="euler_ancestral")
    yield "flow", EDIT, flow(levels="all", check_occlusion=True, queries="dense output")
    yield "flow_finest", EDIT, flow(levels="1/1", check_occlusion=False)
    yield "inject", EDIT, inject(features=0.6, attention=0.6)
    yield "inject_next", EDIT, inject(features=1.0, attention=0.5, role="positive", source_step="next step")
    yield "layout_default", EDIT, sets(LAYOUT, mode="default", end_percent=1.0)
    yield "layout_reference", EDIT, sets(LAYOUT, mode="reference", end_percent=1.0)
    yield "layout_fast", EDIT, sets(LAYOUT, mode="default", end_percent=1.0, fast=True)
    yield "layout_custom", EDIT, sets(
        LAYOUT, end_percent=1.0, self_role="both", cross_role="negative", levels="all", self_size="area / frames",
        cross_size="off", background="isolated", token_rule="nearest",
    )  # fmt: skip
    yield "layout_untouched", EDIT, sets(
        LAYOUT, end_percent=1.0, self_role="negative", cross_role="both", levels="below full resolution",
        self_size="off", background="untouched",
    )  # fmt: skip
    yield "blend_renoised", EDIT, blend(mode="renoised", noise="fixed", grow=1, feather=1)
    yield "blend_renoised_fresh", EDIT, blend(mode="renoised", noise="fresh", end_percent=0.6)
    yield "blend_irjs", EDIT, blend(mode="irjs", noise="fresh", start_percent=0.1)
    yield "blend_progressive", EDIT, blend(mode="progressive", boundary=3)
    yield "inversion", EDIT, sets(INVERT, convention="low: \u03b5(z_low, t_low)", precision="fp16", refinements=1)
    yield "inversion_sigmas", EDIT, sigmas
    yield "sampler", EDIT, sampler(sampler_name="dpmpp_2m", scheduler="karras", steps=3)
    yield "phrases_together", EDIT, sets(BIND, encode_phrases_alone=False)
    yield "weights", EDIT, sets(BIND, prompt="(a wolf:1.3) and a tiger in a [garden], " + "very " * 80 + "green")
    yield "strength", EDIT, sets("VideoGrainRegionPrompt", strength=0.5)
    yield "short_memory", EDIT, sets(LAYOUT, end_percent=1.0)
    yield "short_memory_inject", EDIT, inject(features=0.6, attention=0.6)
    yield "show_attention", EDIT, show_attention
    yield "evaluate", EDIT, evaluate
    yield "marks", EDIT, marks
    yield "split", EDIT, split
    yield "fusion_refine", EDIT, fusion_refine
    yield "fusion_released", FUSED, fusion_released
    yield "boxes", PLACED, boxes(mode="default", level="1/2")
    yield "boxes_reference", PLACED, boxes(mode="reference", level="1/4", outer_weight=0.5)
    yield (
        "clusters_inputs",
        CLUSTERS,
        sets(
            "VideoGrainAttentionLayout",
            feature="attention inputs",
            scope="per frame",
            clusters=4,
            blocks="decoder",
            level="1/2",
        ),
    )
    yield "clusters_rows", CLUSTERS, sets("VideoGrainAttentionLayout", scope="per frame", steps=0, blur=1, words="dog")
    yield "chunks_off", LONG, sets("VideoGrainEditInChunks", blend="off", overlap=2, anchors=0, seed=3)
    yield "chunks_overlap", LONG, chunks_overlap
    yield "chunks_resumed", LONG, lambda graph: None


def node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


# ---- changes of a graph ---------------------------------------------------------------------------------------------


def key_of(graph: dict, kind: str) -> str:
    """The first node of a type."""
    return next(key for key, found in graph.items() if found["class_type"] == kind)


def inputs_of(graph: dict, kind: str) -> dict:
    return graph[key_of(graph, kind)]["inputs"]


def sets(kind: str, **values) -> Callable[[dict], None]:
    """A change of widget values on the first node of a type."""
    return lambda graph: inputs_of(graph, kind).update(values)


def insert(graph: dict, key: str, before: str, **inputs) -> None:
    """Inserts a node on the `model` link of the first node of type `before`. inputs: the node's, and its `kind`."""
    taker = inputs_of(graph, before)
    graph[key] = node(inputs.pop("kind"), model=taker["model"], **inputs)
    taker["model"] = [key, 0]


def show(graph: dict, pictures: dict[str, list] | None = None, texts: dict[str, list] | None = None) -> None:
    """Adds preview nodes, so that the executor runs the linked nodes."""
    for key, link in (pictures or {}).items():
        graph[key] = node("PreviewImage", images=link)
    for key, link in (texts or {}).items():
        graph[key] = node("PreviewAny", source=link)


def of_source(graph: dict) -> dict:
    """Inputs of nodes that read the source: its inversion, and the prompt of the inversion."""
    return {"inversion": [key_of(graph, INVERT), 1], "conditioning": inputs_of(graph, INVERT)["conditioning"]}


def anchors(**values) -> Callable[[dict], None]:
    def change(graph: dict) -> None:
        key = key_of(graph, FULL)
        graph[key] = node("VideoGrainAnchorAttention", model=graph[key]["inputs"]["model"], **values)

    return change


def flow(**values) -> Callable[[dict], None]:
    """A change that adds Flow-Guided Attention to the MODEL of both the inversion and the edit."""

    def change(graph: dict) -> None:
        full = key_of(graph, FULL)
        for found in graph.values():
            if found["inputs"].get("model") == [full, 0]:
                found["inputs"]["model"] = ["flow", 0]
        frames = [key_of(graph, LOAD), 0]
        graph["flow"] = node("VideoGrainFlowGuidedAttention", model=[full, 0], images=frames, **values)
        show(graph, {"trajectories": ["flow", 1]})

    return change


def sampler(**values) -> Callable[[dict], None]:
    """A change of the sampler, with the inversion on its schedule."""

    def change(graph: dict) -> None:
        inputs_of(graph, "KSamplerAdvanced").update(values)
        inputs_of(graph, INVERT).update(steps=values["steps"], scheduler=values["scheduler"])

    return change


def inject(**values) -> Callable[[dict], None]:
    return lambda graph: insert(
        graph, "inject", LAYOUT, kind="VideoGrainInjectSourceFeatures", **of_source(graph), **values
    )


def blend(**values) -> Callable[[dict], None]:
    """A change of Latent Blend: with a mask, and for “renoised” with the source's latents instead of its inversion."""

    def change(graph: dict) -> None:
        inputs = inputs_of(graph, BLEND)
        if values["mode"] == "renoised":
            inputs.pop("inversion")
            inputs["source"] = [key_of(graph, "VAEEncode"), 0]
        inputs.update(mask=[key_of(graph, "ImageToMask"), 0], **values)

    return change


def sigmas(graph: dict) -> None:
    inputs = inputs_of(graph, INVERT)
    graph["sigmas"] = node("BasicScheduler", model=inputs["model"], scheduler="normal", steps=3, denoise=1.0)
    inputs["sigmas"] = ["sigmas", 0]
    inputs_of(graph, "KSamplerAdvanced").update(scheduler="normal", steps=3)


def show_attention(graph: dict) -> None:
    graph["show"] = node(
        "VideoGrainShowAttention", model=[key_of(graph, LAYOUT), 0], inversion=[key_of(graph, INVERT), 1],
        conditioning=[key_of(graph, BIND), 0], frames=[key_of(graph, LOAD), 0], start_percent=0.0, end_percent=1.0,
        steps=2, points="40, 60, 0; 90, 70, 2", level="1/2", scale="own", size=128,
        negative=inputs_of(graph, "KSamplerAdvanced")["negative"],
    )  # fmt: skip
    show(graph, {"phrases": ["show", 0], "points": ["show", 1]}, {"report": ["show", 2]})


def evaluate(graph: dict) -> None:
    pasted = key_of(graph, "VideoGrainPasteEdit")
    inputs = graph[pasted]["inputs"]
    graph["scores"] = node(
        "VideoGrainEvaluateEdit", source=inputs["source"], edited=[pasted, 0], regions=inputs["regions"],
        target_text="a wolf and a tiger", source_text="a dog and a cat", detections=SEEN, relations="wolf left of tiger",
    )  # fmt: skip
    show(graph, {"plot": ["scores", 9]}, {"table": ["scores", 8], "error": ["scores", 4]})


def marks(graph: dict) -> None:
    frames = [key_of(graph, LOAD), 0]
    graph["marks"] = node("VideoGrainPointsToRegion", frames=frames, marks="38, 60, 0; not 100, 20, 0")
    graph["box"] = node("VideoGrainPointsToRegion", frames=frames, marks="box 60, 40, 115, 110, 0; 90, 75, 2")
    for (_, taker), key in zip(regions(graph), ("marks", "box"), strict=True):
        taker["inputs"]["mask"] = [key, 0]


def split(graph: dict) -> None:
    (_, left), (_, right) = regions(graph)
    graph["both"] = node(
        "MaskComposite", destination=left["inputs"]["mask"], source=right["inputs"]["mask"], x=0, y=0, operation="add"
    )
    graph["split"] = node("VideoGrainSplitInstances", mask=["both", 0], instances=2, order="left to right",
                          names="wolf\ntiger", frames=[key_of(graph, LOAD), 0])  # fmt: skip
    left["inputs"]["mask"], right["inputs"]["mask"] = ["split", 0], ["split", 1]
    show(graph, {"instances": ["split", 4]}, {"found": ["split", 5]})


def regions(graph: dict) -> list[tuple[str, dict]]:
    return [(key, found) for key, found in graph.items() if found["class_type"] == "VideoGrainRegionPrompt"]


def fusion_refine(graph: dict) -> None:
    source, clip = of_source(graph), inputs_of(graph, BIND)["clip"]
    insert(graph, "fuse_self", BLEND, kind="VideoGrainSelfAttentionFusion", **source, preset="custom",
           where="outside regions", start_percent=0.0, end_percent=1.0, levels="all")  # fmt: skip
    insert(graph, "fuse_cross", BLEND, kind="VideoGrainCrossAttentionFusion", **source, clip=clip, preset="custom",
           mode="refine", emphasis="wolf: 3", where="outside regions", end_percent=0.7, levels="all",
           source_prompt="a dog and a cat in a garden", prompt=inputs_of(graph, BIND)["prompt"])  # fmt: skip
    show(graph, texts={"alignment": ["fuse_cross", 1]})


def fusion_released(graph: dict) -> None:
    inputs_of(graph, "VideoGrainSelfAttentionFusion").update(
        preset="attribute", where="everywhere", source_pair="as released"
    )
    inputs_of(graph, "VideoGrainCrossAttentionFusion").update(
        preset="style",
        mode="refine",
        where="everywhere",
        emphasis="porsche: 4",
        source_pair="as released",
        levels="all",
    )


def boxes(**values) -> Callable[[dict], None]:
    def change(graph: dict) -> None:
        inputs = inputs_of(graph, "VideoGrainPlaceObjects")
        inputs.pop("regions")
        inputs.update(boxes=BOXES, frames=[key_of(graph, LOAD), 0], end_percent=1.0, **values)

    return change


def chunks_overlap(graph: dict) -> None:
    inputs_of(graph, "VideoGrainEditInChunks").update(
        blend="inversion", overlap=1, anchors=2, grow=1, feather=1, mask=[key_of(graph, "ImageToMask"), 0], resume=False
    )


def load_video() -> dict:
    """A separate graph: ways to load a clip, and to show two clips."""
    graph = {
        "whole": loaded("clip.mp4", size="keep"),
        "cropped": loaded("clip.mp4", size="multiple of 64, cropped", force_rate=4.0, start_time=0.25, duration=1.0),
        "padded": loaded("pictures/", size="multiple of 64, padded", skip=1, every_nth=2, cap=4),
        "eighths": loaded("pictures/", size="multiple of 8, padded", width=80, height=70, cap=4),
        "exact": loaded("left_mask.mp4", size="exact", width=160, height=144, cap=8),
        "short": loaded("clip.mp4", size="exact", width=160, height=144, cap=8),
    }
    for key in tuple(graph):
        show(graph, {f"{key}_frames": [key, 0]}, {f"{key}_{n}": [key, n] for n in (1, 3, 4)})
    for number, mode in enumerate(("side by side", "top and bottom", "wipe, moving line", "wipe, fixed line")):
        graph[f"both_{number}"] = node(
            "VideoGrainBeforeAfterVideo", source=["short", 0], edited=["exact", 0], mode=mode, position=0.3, line=3,
            colour="grey", fps=["short", 1],
        )  # fmt: skip
        show(graph, {f"shown_{number}": [f"both_{number}", 0]})
    graph["sound"] = node("PreviewAudio", audio=["whole", 2])
    return graph


def loaded(file: str, **values) -> dict:
    usual = {"force_rate": 0.0, "skip": 0, "every_nth": 1, "cap": 0, "width": 128, "height": 128}
    return node(LOAD, file=file, **{**usual, **values})
