"""workflows/controlnet_depth: a ControlNet holds the shapes, in the inversion and in the edit."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## A clip with its depth
A truck and a taxi on a road. Two more outputs are used here: *depth*, one picture per frame, near is bright, and \
the demo model's own *control_net*.""",
    left="truck",
    right="taxi",
    background="road",
    seed=2,
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Once in the inversion
The ControlNet is part of the model that draws the edit, so it must also be part of the walk to noise. \
DDIM Inversion has no negative side: only *positive* goes on.""",
    hints="clip.depth",
)

regions = Group(
    "3 Regions",
    REGIONS,
    """\
## Which words belong where
As in *instance_edit*. Regions say what stands where, depth says which shape and way of moving it has.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a firetruck"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a tractor", before="left"),
        ],
        [bind("right", "a firetruck and a tractor on a road")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## And once in the edit
After Bind Region Prompts, and with the same depth, *strength* and percents as in the inversion. Here *positive* and \
*negative* both go on to the sampler.

New thing pressed into the old one's shape? A lower *strength*, in both places.""",
    hints="clip.depth",
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = Graph("controlnet_depth", columns=[[clip], [inversion, regions], [edit], [result]])
