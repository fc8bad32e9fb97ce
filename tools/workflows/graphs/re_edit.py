"""workflows/re_edit: an edit that starts from a saved inversion, with no inversion of its own."""

from ..graph import Graph, Group, Node
from ..parts import (
    INVERSION,
    REGIONS,
    bind,
    clip_group,
    edit_group,
    encoded,
    full_frames,
    region,
    result_group,
)
from .save_inversion import SHOT

clip = clip_group(
    "1 Clip",
    """\
## The clip that was inverted
The same clip and the same model as in *save_inversion*.""",
    **SHOT,
)

inversion = Group(
    "2 Saved inversion",
    INVERSION,
    """\
## Run *save_inversion* first
It writes the file that Load Inversion names here; press R if the list does not show it yet, and choose the newest. \
There is no DDIM Inversion in this graph, and no source prompt.

*model* and *latent* are there for a check: another model, another Full-Frame Attention or another clip is told at once.""",
    columns=[
        [full_frames(), encoded("clip.frames")],
        [
            Node(
                "inversion",
                "VideoGrainLoadInversion",
                links={"model": "frames.model", "latent": "latent.LATENT"},
                values={"file": "output/inversions/demo/clip_00001_.safetensors"},
            )
        ],
    ],
)

regions = Group(
    "3 Regions",
    REGIONS,
    """\
## New words, as often as you like
Change a phrase and the prompt with it, and run again: only the edit is computed.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a koala"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a tiger", before="left"),
        ],
        [bind("right", "a koala and a tiger on grass")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Steps and scheduler are the file's
The sampler must take those of the saved inversion. All else is as in *instance_edit*.""",
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = Graph("re_edit", columns=[[clip], [inversion, regions], [edit], [result]])
