"""workflows/masks_sam3_points_sd15: a point on each object in the first frame, and SAM3 follows it."""

from ..graph import Node
from ..sam3 import follow, sam3_workflow

NOTE = """\
## A point on each thing
Points are pixels of the first frame as loaded, from its upper left corner: read them off in any picture viewer, or connect \
a point editor instead of the text. Several points of one object are several entries in its list.

SAM3 Detect draws the object in the first frame, the tracker follows it."""
POINTS = {"left": '[{"x": 150, "y": 300}]', "right": '[{"x": 370, "y": 300}]'}


def found(side: str) -> list[Node]:
    links = {"model": "sam3.MODEL", "image": "first.IMAGE", "positive_coords": f"{side}_points.STRING"}
    return [
        Node(
            f"{side}_points", "PrimitiveStringMultiline", f"Points ({side})", values={"value": POINTS[side]}, height=90
        ),
        Node(f"{side}_found", "SAM3_Detect", f"Find the {side} one", links),
        follow(side, initial_mask=f"{side}_found.masks"),
    ]


first = Node("first", "ImageFromBatch", "First frame", {"image": "clip.frames"}, {"batch_index": 0, "length": 1})
GRAPH = sam3_workflow("masks_sam3_points", NOTE, [first], found)
