"""workflows/2 Masks by SAM 3 (Stable Diffusion 1.5): as 1, but each thing is found and followed by its name."""

import json

from ..graph import Node
from ..sam3 import SAM3, follow
from ..start import start
from ..twin import SD15, checkpoint
from .start_here_sd15 import CLIP, MODEL

NOTE = f"""\
As *1 Start here*, but SAM 3 finds each thing by its name and follows it: no marks. Write the names twice, in *Regions* and \
in *Name*. In a row with a link, marks do not count.

Weights: `{SD15.weights.name}` and `{SAM3.name}`, both in *models/checkpoints*. Needs ComfyUI 0.20 or newer.

Nothing found? Lower *detection_threshold*. *max_objects* 1 takes the best match.
"""
NAMES = {"first": "wolf", "second": "pig"}
ROWS = [
    {"is": f"a {name}", "becomes": new, "marks": ""}
    for name, new in zip(NAMES.values(), ("a bear", "a frog"), strict=True)
]


def found(side: str) -> list[Node]:
    name = Node(
        f"{side}_name", "CLIPTextEncode", f"Name ({side})", {"clip": "sam3.CLIP"}, {"text": NAMES[side]}, height=90
    )
    track = follow(side, conditioning=f"{side}_name.CONDITIONING")
    return [name, track, Node(f"{side}_mask", "SAM3_TrackToMask", links={"track_data": f"{side}_track.track_data"})]


GRAPH = start(
    "start_here_sam3_sd15",
    NOTE,
    MODEL,
    CLIP,
    rows=json.dumps(ROWS),
    scene="",
    steps=30,
    masks={"mask_1": "first_mask.masks", "mask_2": "second_mask.masks"},
    finder=checkpoint("sam3", "Load SAM3", SAM3),
    before=(*found("first"), *found("second")),
)
