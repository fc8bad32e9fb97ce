"""workflows/object_only: one object becomes another; the other one and the background stay as they are."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A fox and a monkey at sea. Only the monkey is to change, so only its mask is used: Demo Clip's *right_mask*, \
one picture per frame.""",
    left="fox",
    right="monkey",
    background="sea",
    seed=3,
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*: words for the clip as it is, and Full-Frame Attention before both the inversion and the sampler.""",
)

regions = Group(
    "3 Region",
    REGIONS,
    """\
## One region, one phrase
The prompt tells the whole edited clip, the fox included, so that the model knows what it is looking at. \
What has no Region Prompt is not edited.""",
    columns=[
        [region("right", "Region Prompt", "clip.right_mask", "a panda")],
        [bind("right", "a fox and a panda at sea")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Only inside the region
Latent Blend takes its mask from the region by itself and puts the source's own latents everywhere else, at every step. \
The fox cannot drift.""",
)

result = result_group(
    "5 Result",
    """\
## The rest, pixel for pixel
Beyond the soft edge around the mask each frame is the source's own: compare the fox in *Save before and after*.""",
    where={"regions": "right.regions"},
)

GRAPH = Graph(
    "object_only",
    columns=[[clip], [inversion, regions], [edit], [result]],
    footage={"fox": "dog", "monkey": "cat", "panda": "fox", "at sea": "on a sofa"},
)
