"""The twin of a demo workflow: the same graph with Stable Diffusion 1.5, the user's clip and the paper's settings."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from videograin.toybox import world

from .graph import Checkpoint, Graph, Group, Node, Weights
from .parts import CLIP

GRAPHS = Path(__file__).with_name("graphs")
SUFFIX = "_sd15"
SIDE, STEPS = 512, 50  # pixels; steps of the inversion and of the edit
FRAMES, LONG = 16, 96  # frames at most, in one piece and in chunks
SD15 = Checkpoint(
    Weights(
        "v1-5-pruned-emaonly-fp16.safetensors",
        "checkpoints",
        "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
    ),
    "Stable Diffusion 1.5",
)
CONTROL_NETS = "https://huggingface.co/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/"
NEGATIVE = "ugly, blurry, low res, unrealistic, unaesthetic"
SETTINGS = {  # node -> its settings
    "VideoGrainSTLayoutAttention": "The settings are the paper's: 50 steps, *cfg* 7.5, mode “paper”, 0.3 and 1 until 30 % "
    "of the schedule, *power* 5.",
    "VideoGrainSelfAttentionFusion": "The settings are FateZero's for shapes: 50 steps, half of the schedule, every level of "
    "attention but the finest.",
    "VideoGrainPlaceObjects": "The settings are ReAtCo's: *strength* 20, up to 20 refinements, attention at a 32nd of the "
    "picture.",
    "VideoGrainEditInChunks": "Four anchors and “progressive” are VIA's; 16 frames a chunk are for a card with room for them.",
}


BOX = r"(\d+), (\d+), (\d+), (\d+) at (\d+)"  # as Place Objects reads it


class Video(NamedTuple):
    """A clip that replaces an output of Demo Clip, with a description of it."""

    title: str
    file: str
    shows: str
    control_net: str = ""  # the one whose hints it holds


VIDEOS = {
    "frames": Video("Your clip", "clip.mp4", "what to edit"),
    "left_mask": Video("Left mask", "left_mask.mp4", "white where the left one is"),
    "right_mask": Video("Right mask", "right_mask.mp4", "white where the right one is"),
    "edit_mask": Video("Edit mask", "edit_mask.mp4", "white where the left one is and what it wears, now or then"),
    "depth": Video("Depth", "depth.mp4", "near is bright, by any depth estimator", "control_v11f1p_sd15_depth_fp16"),
    "pose": Video("Poses", "pose.mp4", "the coloured skeletons that OpenPose and DWPose nodes draw", "control_v11p_sd15_openpose_fp16"),
}  # fmt: skip


def twin(demo: Graph) -> Graph:
    """The description of NAME_sd15 from that of NAME."""
    used = {output for node in nodes(demo) for output in outputs_of(node, "clip")}
    videos = {output: video for output, video in VIDEOS.items() if output in used}
    caption = reworded(source_words(demo), demo.footage)
    columns = [[edited(group, demo, videos, caption) for group in column] for column in demo.columns]
    return Graph(f"{demo.name}{SUFFIX}", columns)


def nodes(graph: Graph) -> Iterator[Node]:
    return (node for groups in graph.columns for group in groups for column in group.columns for node in column)


def outputs_of(node: Node, origin: str) -> list[str]:
    """The outputs of node `origin` that `node` is connected to."""
    return [link.removeprefix(f"{origin}.") for link in node.links.values() if link.startswith(f"{origin}.")]


def source_words(demo: Graph) -> str:
    """Demo Clip's caption."""
    made = next(node.values for node in nodes(demo) if node.key == "clip")
    left = world.Placed(made["left"], 0, 0, 1, worn=made.get("left_wears", ""))
    return world.caption((left.noun, made["right"]), made["background"])


def reworded(text: str, words: dict[str, str]) -> str:
    """The text with all words and phrases replaced at once, so that two can change places."""
    found = "|".join(map(re.escape, words))
    return re.sub(rf"\b({found})\b", lambda match: words[match[0]], text) if words else text


def edited(group: Group, demo: Graph, videos: dict[str, Video], caption: str) -> Group:
    keys = {node.key for column in group.columns for node in column}
    if "clip" in keys:
        return loaders(group.title, demo, videos, caption)
    note = reworded(group.note, demo.footage)
    note = re.sub(r"\*(\w+)\*", lambda match: f"*{match[1]}{SUFFIX}*" if is_workflow(match[1]) else match[0], note)
    note = scaled_boxes(note, demo)
    settings = [SETTINGS[node.type] for column in group.columns for node in column if node.type in SETTINGS]
    note = "\n\n".join([note, *settings])
    columns = [[own_clip(node, demo, caption) for node in column] for column in group.columns]
    return replace(group, note=note, columns=columns, aside="")


def scaled_boxes(text: str, demo: Graph) -> str:
    """The demo's boxes on a clip of the twin's size and length."""
    last = next(node.values.get("frames", 8) for node in nodes(demo) if node.key == "clip") - 1  # 8 by default

    def box(found: re.Match) -> str:
        *numbers, frame = map(int, found.groups())
        pixels = ", ".join(str(round(SIDE / world.SIZE * number)) for number in numbers)
        return f"{pixels} at {FRAMES - 1 if frame == last else frame}"

    return re.sub(BOX, box, text)


def is_workflow(name: str) -> bool:
    return (GRAPHS / f"{name}.py").exists()


def loaders(title: str, demo: Graph, videos: dict[str, Video], caption: str) -> Group:
    """Checkpoint, ControlNet, clip, masks and hints, and where to get or put each."""
    base = demo.checkpoint or SD15
    longest = LONG if any(node.type == "VideoGrainEditInChunks" for node in nodes(demo)) else FRAMES
    models, clips = [checkpoint("model", "Load Checkpoint", base.weights)], []
    for output, video in videos.items():
        clips.append(load_video("clip" if output == "frames" else f"{output}_video", video, longest))
        if output.endswith("_mask"):
            links = {"image": f"{output}_video.frames"}
            clips.append(Node(output, "ImageToMask", f"{video.title}, as a mask", links, {"channel": "red"}))
        if video.control_net:
            models.append(load_control(video.control_net))
    columns = [[*models, clips[0]], clips[1:]]
    return Group(
        title, CLIP, loaders_note(models, base.kind, videos, caption), [column for column in columns if column]
    )


def checkpoint(key: str, title: str, weights: Weights) -> Node:
    return Node(key, "CheckpointLoaderSimple", title, values={"ckpt_name": weights.name}, weights=weights)


def load_control(name: str) -> Node:
    file = f"{name}.safetensors"
    weights = Weights(file, "controlnet", CONTROL_NETS + file)
    return Node("control_net", "ControlNetLoader", values={"control_net_name": file}, weights=weights)


def load_video(key: str, video: Video, longest: int = FRAMES) -> Node:
    size = {"size": "exact", "width": SIDE, "height": SIDE}
    return Node(key, "VideoGrainLoadVideoFrames", video.title, values={"file": video.file, "cap": longest, **size})


def loaders_note(models: list[Node], kind: str, videos: dict[str, Video], caption: str) -> str:
    needed = [f"`{node.weights.name}` in *models/{node.weights.directory}*" for node in models]
    weights = "; ".join([f"{needed[0]}, or another checkpoint of {kind}", *needed[1:]])
    files = "; ".join(f"`{video.file}`, {video.shows}" for video in videos.values())
    same = " Read them alike (rate, skip, cap), so that they show the same moments." if len(videos) > 1 else ""
    return f"""\
## Your model, your clip
The words here are for {caption}: put in your own, as plainly.

**Weights:** {weights}.

**Clips**, uploaded on the nodes or put into ComfyUI's *input* folder: {files}.{same}"""


# ---- everything but the loaders -------------------------------------------------------------------------------------


def own_clip(node: Node, demo: Graph, caption: str) -> Node:
    """A node with the loaders' outputs instead of the demo's, other words, and the paper's settings."""
    sound = {"audio": "clip.audio"} if node.type == "CreateVideo" else {}
    written = {name: caption for name, link in node.links.items() if link == "clip.caption"}
    links = {name: relinked(link) for name, link in node.links.items() if name not in written}
    values = {name: reworded(v, demo.footage) if isinstance(v, str) else v for name, v in node.values.items()}
    return replace(node, links={**links, **sound}, values={**values, **written, **paper(node)})


def relinked(link: str) -> str:
    key, output = link.split(".")
    if key == "model":
        return "control_net.CONTROL_NET" if output == "control_net" else f"model.{output.upper()}"
    if key != "clip" or output not in VIDEOS or output == "frames":
        return link
    return f"{output}.MASK" if output.endswith("_mask") else f"{output}_video.frames"


def paper(node: Node) -> dict[str, Any]:
    """The node's widget values in the paper that differ from the demo's."""
    wider = SIDE / world.SIZE
    match node.type:
        case "VideoGrainSTLayoutAttention":
            return {"mode": "paper", "self_strength": 0.3, "cross_strength": 1.0, "end_percent": 0.3, "power": 5.0}
        case "VideoGrainDDIMInversion":
            return {"steps": STEPS}
        case "VideoGrainRegions":  # the demo's marks are of another clip
            return {"rows": json.dumps([{**row, "marks": ""} for row in json.loads(node.values["rows"])])}
        case "VideoGrainEditInChunks":
            return {"steps": STEPS, "cfg": 7.5, "chunk_length": 16, "anchors": 4, "blend": "progressive"}
        case "VideoGrainSelfAttentionFusion" | "VideoGrainCrossAttentionFusion":
            return {"levels": "below full resolution"}
        case "VideoGrainPlaceObjects":
            return {"strength": 20.0, "end_percent": 0.5, "refinements": 20, "top_share": 0.2, "level": "1/4"}
        case "KSamplerAdvanced":
            return {"steps": STEPS, "cfg": 7.5 if node.values["cfg"] > 1 else 1.0}  # 1: the clip is only given back
        case "KSampler" if node.values["denoise"] == 1:
            return {"steps": STEPS}
        case "CLIPTextEncode" if node.title == "Negative prompt":
            return {"text": NEGATIVE}
        case "VideoGrainPasteEdit":
            return {name: round(wider * node.values[name]) for name in ("grow", "feather")}
        case "GrowMask":
            return {"expand": round(wider * node.values["expand"])}
        case "VideoGrainSaveInversion":
            return {"filename_prefix": node.values["filename_prefix"].replace("demo/", "sd15/")}
        case "VideoGrainLoadInversion":
            return {"file": node.values["file"].replace("/demo/", "/sd15/")}
    return {}
