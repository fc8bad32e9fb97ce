"""workflows/part_edit: a part of one object gets words of its own; the rest of the object keeps its own."""

from graph import Graph, Group, Node
from parts import LAYOUT, REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group, soft_mask

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A bear and a frog. Only the upper part of the bear's face is to change.

The demo model can draw its 24 things and nothing else, so the part becomes that of another animal. Give a Stable \
Diffusion model the same graph, and a part may be “sunglasses” or “a red hat”.""",
    left="bear",
    right="frog",
    background="snow",
    seed=1,
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*: words for the clip as it is, and Full-Frame Attention before both the inversion and the sampler.""",
)

part = Group(
    "3 Part",
    LAYOUT,
    """\
## A mask for a part
The bear's mask less the same mask 26 pixels lower leaves its upper part, in each frame; what is left of the bear is its \
rest. **Your own:** any mask of a part, from a segmentation pack or painted.""",
    columns=[
        [
            Node(
                "upper",
                "MaskComposite",
                title="Upper part",
                links={"destination": "clip.left_mask", "source": "clip.left_mask"},
                values={"x": 0, "y": 26, "operation": "subtract"},
            )
        ],
        [
            Node(
                "rest",
                "MaskComposite",
                title="The rest of the bear",
                links={"destination": "clip.left_mask", "source": "upper.MASK"},
                values={"operation": "subtract"},
            )
        ],
    ],
)

regions = Group(
    "4 Regions",
    REGIONS,
    """\
## The part and the whole
The part's words act in the part alone. The rest of the bear has its own Region Prompt, so that the \
new words cannot spread into it.""",
    columns=[
        [
            region("part", "Region Prompt (part)", "upper.MASK", "a panda"),
            region("whole", "Region Prompt (rest)", "rest.MASK", "a bear", before="part"),
        ],
        [bind("whole", "a panda and a bear and a frog in the snow")],
    ],
)

edit = edit_group(
    "5 Edit",
    """\
## Only the part may change
Latent Blend has a *mask* here: the part alone. A few pixels must stand against a whole face, so ST-Layout acts \
to the end (*end_percent* 1) and fades slowly (*power* 1).""",
    blend_mask="upper.MASK",
    end_percent=1.0,
    power=1.0,
)

result = result_group(
    "6 Result",
    """\
## The rest, pixel for pixel
Muzzle, frog and snow are the source's own, beyond the soft edge around the part.""",
    masks=soft_mask("upper.MASK"),
)

GRAPH = Graph("part_edit", columns=[[clip], [inversion, part], [regions, edit], [result]])
