"""workflows/swap: two objects change places, each becomes the other."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A cat and a dog on grass, who are to change places: a test of whether each word finds its own region, for the model \
sees both words before and after.""",
    left="cat",
    right="dog",
    background="grass",
    seed=1,
    task="swap",
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
## Each mask with the other's name
Without regions the two sentences are much the same to the model. With them it is told who stands where.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a dog"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a cat", before="left"),
        ],
        [bind("right", "a dog and a cat on grass")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## Draw it again, the other way round
As in *instance_edit*. If an old look shines through, it is in the inverted noise: a higher *cfg* or *self_strength* helps.""",
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = Graph("swap", columns=[[clip], [inversion, regions], [edit], [result]])
