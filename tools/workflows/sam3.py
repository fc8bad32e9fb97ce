"""Workflows with masks from core's SAM3 nodes, which find an object in one frame and follow it through the others."""

from collections.abc import Callable

from .graph import Graph, Group, Node, Weights
from .parts import (
    LAYOUT,
    REGIONS,
    bind,
    clip_group,
    edit_group,
    inversion_group,
    region,
    result_group,
)
from .twin import checkpoint, twin

SAM3 = Weights(
    "sam3.1_multiplex_fp16.safetensors",
    "checkpoints",
    "https://huggingface.co/Comfy-Org/sam3.1/resolve/main/checkpoints/sam3.1_multiplex_fp16.safetensors",
)
NEEDS = f"""\
**Needs** `{SAM3.name}` in *models/checkpoints*, and a ComfyUI that has the SAM3 nodes: 0.20.1 does. \
Without them, take any segmentation pack."""


def sam3_workflow(name: str, note: str, shared: list[Node], found: Callable[[str], list[Node]]) -> Graph:
    """The description of NAME_sd15.

    note: how objects are found. shared: nodes besides the SAM3 model that both sides need. found: the nodes that begin
    to follow one side's object, "left" or "right"; the last is `SIDE_track`.
    """
    clip = clip_group("1 Clip", "", left="dog", right="cat", background="grass")
    inversion = inversion_group(
        "2 Inversion",
        """\
## Which noise gives this clip back?
As in *instance_edit*: words for the clip as it is, and Full-Frame Attention before both the inversion and the sampler.""",
    )
    sides = [
        [*found(side), Node(f"{side}_mask", "SAM3_TrackToMask", links={"track_data": f"{side}_track.track_data"})]
        for side in ("left", "right")
    ]
    masks = Group(
        "3 Masks",
        LAYOUT,
        f"{note}\n\n{NEEDS}",
        columns=[[checkpoint("sam3", "Load SAM3", SAM3), *shared], *sides],
    )
    regions = Group(
        "4 Regions",
        REGIONS,
        """\
## Which words belong where
Run Bind Region Prompts alone first (select it, then the play button of its toolbar) and look at its overview: is each \
object in its colour, in every frame?""",
        columns=[
            [
                region("left", "Region Prompt (left)", "left_mask.masks", "a wolf"),
                region("right", "Region Prompt (right)", "right_mask.masks", "a tiger", before="left"),
            ],
            [bind("right", "a wolf and a tiger on grass")],
        ],
    )
    edit = edit_group(
        "5 Edit",
        """\
## Draw it again with the new words
As in *instance_edit*.""",
    )
    result = result_group(
        "6 Result",
        """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
        where={"regions": "right.regions"},
    )
    columns = [[clip], [inversion, masks], [regions, edit], [result]]
    return twin(Graph(name, columns))


def follow(side: str, **start: str) -> Node:
    """The tracker of one side's object. start: an `initial_mask` of frame 0, or a `conditioning` with its name."""
    links = {"images": "clip.frames", "model": "sam3.MODEL", **start}
    return Node(f"{side}_track", "SAM3_VideoTrack", f"Follow the {side} one", links, {"max_objects": 1})
