"""workflows/masks_sam3_text_sd15: each object's name, and SAM3 finds and follows it."""

from ..graph import Node
from ..sam3 import follow, sam3_workflow

NOTE = """\
## Each thing by its name
SAM3 has a text encoder of its own, so the names are encoded with *its* CLIP: short ones, for what the clip shows now. \
*max_objects* 1 takes the best match; raise it and one mask holds all of a kind.

Nothing found? Lower *detection_threshold*, or use points."""
NAMES = {"left": "dog", "right": "cat"}


def found(side: str) -> list[Node]:
    text = {"text": NAMES[side]}
    return [
        Node(f"{side}_name", "CLIPTextEncode", f"Name ({side})", {"clip": "sam3.CLIP"}, text, height=90),
        follow(side, conditioning=f"{side}_name.CONDITIONING"),
    ]


GRAPH = sam3_workflow("masks_sam3_text", NOTE, [], found)
