"""The graphs of the golden runs: the saved workflows at toy size, and variants with nodes that no workflow has."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import golden_variants
from golden_variants import node

STEPS, FRAMES, SIDE = 2, 4, 128
ACTIVE = 0.6  # share of the schedule: the first of two steps is at 0.5, so a smaller end would switch the node off
CHUNKED = {"frames": 8, "chunk_length": 4, "anchors": 3}
NEEDS = {  # workflow -> the workflow whose files it reads
    "re_edit": "save_inversion",
    "re_edit_sd15": "save_inversion_sd15",
    "variant_chunks_resumed": "long_clip_sd15",
}
QUICK = set(
    "instance_edit fatezero place_objects_sd15 long_clip_sd15 edit_in_passes_sd15 instance_edit_clusters_sd15 "
    "re_edit_sd15 controlnet_depth_sd15 instruct_pix2pix_sd15".split()
)
QUICK_VARIANTS = set(
    "levels anchors_concat flow inject layout_default layout_reference layout_custom blend_renoised blend_irjs "
    "blend_progressive show_attention evaluate marks split fusion_refine fusion_released boxes_reference "
    "clusters_inputs chunks_overlap short_memory load_video".split()
)


def graphs(folder: Path) -> dict[str, dict]:
    """All graphs by name."""
    files = sorted(path for path in folder.rglob("*.api.json") if "tests" not in path.relative_to(folder).parts)
    saved = {path.name.removesuffix(".api.json"): json.loads(path.read_text(encoding="utf-8")) for path in files}
    found = {name: small(graph) for name, graph in saved.items()}
    return found | golden_variants.variants(found)


def names(known: dict[str, dict], only: list[str] | None, quick: bool) -> list[str]:
    """The graphs to run and those that they need, in an order in which they can run."""
    wanted = set(only or known)
    if quick:
        wanted &= {
            name for name in known if name in QUICK or name.removeprefix(golden_variants.PREFIX) in QUICK_VARIANTS
        }
    if unknown := wanted - known.keys():
        raise SystemExit(f"No workflow {', '.join(sorted(unknown))}. There are {', '.join(known)}.")
    wanted |= {NEEDS[name] for name in wanted & NEEDS.keys()}
    return sorted(wanted, key=lambda name: (name in NEEDS, name))


def small(graph: dict) -> dict:
    """The graph with few steps, few frames and small pictures, and masks in place of SAM3's."""
    graph = copy.deepcopy(graph)
    chunked = any(found["class_type"] == "VideoGrainEditInChunks" for found in graph.values())
    frames = CHUNKED["frames"] if chunked else FRAMES
    for found in graph.values():
        inputs = found["inputs"]
        if "steps" in inputs and not isinstance(inputs["steps"], list):
            inputs["steps"] = min(inputs["steps"], STEPS)
        if "end_percent" in inputs:
            inputs["end_percent"] = max(inputs["end_percent"], ACTIVE)
        match found["class_type"]:
            case "VideoGrainLoadVideoFrames":
                inputs.update(cap=frames, width=SIDE, height=SIDE)
            case "VideoGrainDemoClip":
                inputs["frames"] = 8  # the minimum
            case "VideoGrainEditInChunks":
                inputs.update(chunk_length=CHUNKED["chunk_length"], anchors=CHUNKED["anchors"])
            case "VideoGrainClustersToMask" if loads_checkpoint(graph):
                inputs["clusters"] = "1" if inputs["clusters"] == "cat" else "0"  # a random model's names are random
            case "VideoGrainPlaceObjects":
                inputs["refinements"] = min(inputs["refinements"], 3)
    without_sam3(graph)
    return graph


def loads_checkpoint(graph: dict) -> bool:
    return any(found["class_type"] == "CheckpointLoaderSimple" for found in graph.values())


def without_sam3(graph: dict) -> None:
    """Replaces SAM3's two tracks by the clips of the two masks: there is no tiny SAM3."""
    tracks = [key for key, found in graph.items() if found["class_type"] == "SAM3_TrackToMask"]
    for key, side in zip(sorted(tracks, key=int), ("left", "right"), strict=False):
        graph[f"{key}_clip"] = node(
            "VideoGrainLoadVideoFrames", file=f"{side}_mask.mp4", force_rate=0, skip=0, every_nth=1, cap=FRAMES,
            size="exact", width=SIDE, height=SIDE,
        )  # fmt: skip
        graph[key] = node("ImageToMask", image=[f"{key}_clip", 0], channel="red")
