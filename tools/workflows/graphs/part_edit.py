"""workflows/part_edit: one object puts something on; all else about it, and everything around it, stays."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A cat and a dog. The cat is to wear a hat.

Demo Clip's *task* "part" makes the last outputs fit: *edit_mask* is the cat and the room for its hat. **Your own:** \
the object's mask, with room for what is to be added, in each frame.""",
    left="cat",
    right="dog",
    background="grass",
    seed=2,
    task="part",
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
## Which words belong where
The cat's region has the words of the whole cat, hat included. The dog has its own, so that no hat is looked for there.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.edit_mask", "a cat with a hat"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a dog", before="left"),
        ],
        [bind("right", "a cat with a hat and a dog on grass")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Only the cat may change
Latent Blend has a *mask* here: the cat and the room above it.""",
    blend_mask="clip.edit_mask",
    cfg=5.0,
    aside="A *cfg* of 5 is enough for something this small, and does not burn it.",
)

result = result_group(
    "5 Result",
    """\
## The rest, pixel for pixel
Dog and grass are the source's own, beyond the soft edge around the cat and its hat.""",
    where={"mask": "clip.edit_mask"},
)

GRAPH = Graph("part_edit", columns=[[clip], [inversion, regions], [edit], [result]])
