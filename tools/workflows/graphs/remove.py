"""docs/graphs/remove: a thing goes; stock nodes paint over it what is around it."""

from ..graph import Graph, Group, Node
from ..parts import (
    EDIT,
    REGIONS,
    clip_group,
    decoded,
    encoded,
    encoded_text,
    negative_prompt,
    noise_mask,
    one_noise,
    plain_sampler,
    result_group,
)

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A cat and a dog on grass. The cat is to go; the dog stays as it is.""",
    left="cat",
    right="dog",
    background="grass",
    seed=2,
)

area = Group(
    "2 What goes",
    REGIONS,
    """\
## Its mask, a little grown
*GrowMask* takes in the soft edge of the thing, and its shadow if it has one: ungrown, specks of the old outline stay. For a clip of \
your own, *Regions* or *Track Regions* make the mask.""",
    columns=[[Node("grown", "GrowMask", "What goes, grown", {"mask": "clip.left_mask"}, {"expand": 6})]],
)

edit = Group(
    "3 Painted over",
    EDIT,
    """\
## Stock nodes only, no regions
Masks and the paste are ours, all else is ComfyUI's own. *Set Latent Noise Mask* holds the rest to the source; inside, *KSampler* \
begins from noise alone (*denoise* 1), the same in every frame.

The prompt is what is to be seen *there*: the ground. Name the dog, and another dog is drawn in the gap.

Something else in the gap? Take another *seed*. No *ST-Layout Attention* here: regions draw something in the old outline again.""",
    columns=[
        [encoded("clip.frames"), one_noise(), noise_mask("grown.MASK")],
        [encoded_text("words", "Prompt: the ground", {"clip": "model.clip"}, {"text": "on grass"}), negative_prompt()],
        [plain_sampler("model.model", "words.CONDITIONING", denoise=1.0, seed=2), decoded()],
    ],
    aside="With the demo model a car came into the gap under one of six seeds (3), and the ground under the others.",
)

result = result_group(
    "4 Result",
    """\
## Everything else is the source
*Paste Edit* takes the same grown mask. Every pixel beyond it and its soft edge is the source's, the dog included.""",
    where={"mask": "grown.MASK"},
    grow=0,  # grown already
    feather=4,
)

GRAPH = Graph("remove", columns=[[clip], [area], [edit], [result]])
