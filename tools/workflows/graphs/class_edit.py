"""workflows/class_edit: everything of one kind becomes the same other thing, each in its own place."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A cat and a dog on grass, and both are to become pandas: an edit of a whole class.""",
    left="cat",
    right="dog",
    background="grass",
    seed=1,
    task="class",
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
## The same words, twice
Both Region Prompts say “a panda”, and so does the prompt: the first finds the first, the second the next. Each panda \
keeps to its own place.

Are they to look alike? Then join the masks into one region, with one phrase such as “two pandas”, if your model can count.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a panda"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a panda", before="left"),
        ],
        [bind("right", "a panda and a panda on grass")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Draw it again with the new words
As in *instance_edit*. Latent Blend takes both regions together and holds the grass to the source.""",
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = Graph("class_edit", columns=[[clip], [inversion, regions], [edit], [result]])
