"""workflows/part_attribute: something an object has becomes another; all else about it, and around it, stays."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A panda that wears a hat from the start (*left_wears*), and a dog. The hat is to be a crown.

As in *part_edit*, *edit_mask* is the panda, with the hat it has and the room for the crown. **Your own:** the same, in \
each frame.""",
    left="panda",
    right="dog",
    background="grass",
    seed=2,
    task="part",
    left_wears="hat",
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*. The words name the hat too: what the source prompt leaves out, the edit cannot tell from the rest.""",
)

regions = Group(
    "3 Regions",
    REGIONS,
    """\
## One word changes
The panda's phrase is the whole panda's, “hat” replaced by “crown”. The dog has its own, so that no crown is looked for there.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.edit_mask", "a panda with a crown"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a dog", before="left"),
        ],
        [bind("right", "a panda with a crown and a dog on grass")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Only the panda may change
As in *part_edit*: Latent Blend's *mask* is the panda with hat and crown.""",
    blend_mask="clip.edit_mask",
    cfg=5.0,
    aside="As there, a *cfg* of 5 is enough for something this small.",
)

result = result_group(
    "5 Result",
    """\
## The rest, pixel for pixel
Dog and grass are the source's own, beyond the soft edge around the panda.""",
    where={"mask": "clip.edit_mask"},
)

GRAPH = Graph("part_attribute", columns=[[clip], [inversion, regions], [edit], [result]], footage={"panda": "cat"})
