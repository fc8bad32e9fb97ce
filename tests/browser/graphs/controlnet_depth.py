"""workflows/controlnet_depth: a ControlNet holds the shapes, in the inversion and in the edit."""

from graph import Graph, Group
from parts import REGIONS, bind, both_masks, clip_group, edit_group, inversion_group, region, result_group, soft_mask

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
Inside the two masks, grown and blurred, the edit; elsewhere the source's own frames.""",
    masks=[both_masks("clip.left_mask", "clip.right_mask"), *soft_mask("both.MASK")],
)

GRAPH = Graph("controlnet_depth", columns=[[clip], [inversion, regions], [edit], [result]])
