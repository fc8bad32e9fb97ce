"""workflows/background_only: another place around objects that stay as they are."""

from ..graph import Graph, Group, Node
from ..parts import REGIONS, bind, both_masks, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A panda and a frog on grass, who are to find themselves in the snow. Only the place changes.""",
    left="panda",
    right="frog",
    background="grass",
    seed=1,
    task="background",
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*: words for the clip as it is, and Full-Frame Attention before both the inversion and the sampler.""",
)

regions = Group(
    "3 Regions",
    REGIONS,
    """\
## The place is what is left over
Join the masks of all that is to stay, and invert the result: that is the place, and its phrase is the place's words.

Panda and frog stay, but have their regions too, with the words they already have. Without them the model would look for \
both in the snow, and draw them once more.""",
    columns=[
        [
            both_masks("clip.left_mask", "clip.right_mask"),
            Node("place", "InvertMask", links={"mask": "both.MASK"}),
        ],
        [
            region("around", "Region Prompt (place)", "place.MASK", "in the snow"),
            region("left", "Region Prompt (left)", "clip.left_mask", "a panda", before="around"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a frog", before="left"),
        ],
        [bind("right", "a panda and a frog in the snow")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Draw the place anew
Latent Blend has a *mask* here, the place alone: in panda and frog it puts the source's own latents back at every step.

Old colour around them? Latents are 8 pixels wide: *grow* of 1 lets the new place come closer.""",
    blend_mask="place.MASK",
    cfg=4.0,
    power=0.0,
    aside="A *cfg* of 4 is enough for a place, and *power* 0 keeps every word where it belongs until the last step.",
)

result = result_group(
    "5 Result",
    """\
## Both animals, pixel for pixel
The new place is pasted around them. Its soft edge is narrow here, for it must not eat into what stays.""",
    where={"mask": "place.MASK"},
    grow=0,
    feather=3,
)

GRAPH = Graph(
    "background_only",
    columns=[[clip], [inversion, regions], [edit], [result]],
    footage={"panda": "cat", "frog": "dog", "Panda": "Cat"},
)
