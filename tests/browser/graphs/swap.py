"""workflows/swap: two objects change places, each becomes the other."""

from graph import Graph, Group
from parts import REGIONS, bind, both_masks, clip_group, edit_group, inversion_group, region, result_group, soft_mask

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
Inside the two masks, grown and blurred, the edit; elsewhere the source's own frames.""",
    masks=[both_masks("clip.left_mask", "clip.right_mask"), *soft_mask("both.MASK")],
)

GRAPH = Graph("swap", columns=[[clip], [inversion, regions], [edit], [result]])
