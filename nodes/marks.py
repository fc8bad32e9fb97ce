"""Points to Region: points or a box on a frame become a mask for each frame."""

from comfy_api.latest import io

from ..videograin.comfyui import previews
from ..videograin.comfyui.follow_marks import follow_marks
from ..videograin.comfyui.progress import warn
from ..videograin.masks.doubts import told
from ..videograin.masks.marks import parse_marks
from ..videograin.views.spotlight import spotlight
from .declared import declared
from .types import Category

PICKER_SIDE = 512  # pixels


class PointsToRegion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainPointsToRegion",
            display_name="Points to Region (Mark a Thing)",
            category=Category.REGIONS,
            description=(
                "A mask without any segmentation model, the simple way: mark a thing by a box or points on a frame, GrabCut "
                "cuts it out by its colours, and optical flow carries it through the clip. SAM 3 and SAM 2 nodes do this "
                "better and fit the same sockets."
            ),
            search_aliases=[
                "Points to Region (simple)",
                "GrabCut",
                "click to segment",
                "box to mask",
                "rotoscope",
                "point prompt",
                "SAM",
            ],
            is_output_node=True,  # it can run alone, for a look before marking
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Image.Input("frames", tooltip="The frames of the clip."),
                io.String.Input(
                    "marks",
                    default="",
                    tooltip="“310, 200, 0” is a point on the thing: x, y in pixels, and the frame, from 0 (the picture "
                    "counts from 1). “not 50, 60, 0” is a point beside it, “box 250, 120, 400, 330, 0” a box around it: left, top, right, bottom, frame. “brush "
                    "310, 200, 330, 210, 12, 0” paints the mask along these points, 12 pixels to each side; “erase” takes away. A "
                    "semicolon between two. Frames between two boxed ones get boxes too. After a run, mark in the picture on the node.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    display_name="mask",
                    tooltip="1 inside the thing: one mask per frame. Empty while nothing is marked.",
                )
            ],
        )

    @classmethod
    @declared
    def execute(cls, frames, marks: str) -> io.NodeOutput:
        count, height, width = frames.shape[:3]
        try:
            found = parse_marks(marks, count, height, width)
        except ValueError as error:
            previews.show_before_failing("marks", _picker(frames, None, marks))
            raise ValueError(f"Points to Region's `marks`: {error}.") from error
        masks, doubts = follow_marks(frames, found)
        if doubts:
            warn(told(doubts, count, "Points to Region"))
        mask = masks.float()
        return io.NodeOutput(mask, ui=previews.shown("marks", _picker(frames, mask, marks)))


def _picker(frames, mask, marks: str) -> dict:
    """The data of the picture on the node. mask: None before there is one."""
    return {
        "size": [frames.shape[2], frames.shape[1]],
        "marks": marks,
        "pictures": previews.pictures(spotlight(frames, mask), "marks", PICKER_SIDE),
    }
