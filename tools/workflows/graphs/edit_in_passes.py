"""workflows/edit_in_passes: one object after the other, the first edit's result being the second one's source."""

from ..graph import Graph, Group
from ..parts import (
    REGIONS,
    RESULT,
    bind,
    clip_group,
    edit_group,
    inversion_group,
    paste,
    region,
    result_group,
    tagged,
)

clip = clip_group(
    "1 Clip",
    """\
## The edit of *instance_edit*, in two passes
The wolf becomes a bear first; then, in the clip with the bear, the pig becomes a frog.

Open *instance_edit* for the same at once, and compare. At once is quicker, as there is one inversion and one \
sampling, and loses less: each pass goes through the VAE and an inversion of its own. Passes are for what does not fit \
into one, or for when the second edit depends on how the first one turns out.""",
    left="wolf",
    right="pig",
    background="snow",
)

first = tagged(
    [
        inversion_group(
            "2 First inversion",
            """\
## The clip, to noise
As in *instance_edit*.""",
        ),
        Group(
            "3 First region",
            REGIONS,
            """\
## The left one only
The prompt tells the clip after *this* pass: the pig is still a pig.""",
            columns=[
                [region("left", "Region Prompt (left)", "clip.left_mask", "a bear")],
                [bind("left", "a bear and a pig in the snow")],
            ],
        ),
        edit_group(
            "4 First edit",
            """\
## A bear for the wolf
All but the left region is held to the source.""",
        ),
        Group(
            "5 Between",
            RESULT,
            """\
## Hand over pixels
Pasted over the source, so that the second pass finds pig and snow untouched.""",
            columns=[[paste({"regions": "left.regions"}, "Paste the first edit")]],
        ),
    ],
    "first",
)

inversion = inversion_group(
    "6 Second inversion",
    """\
## The edited clip, to noise
Its source is the first pass's result, and its words are those that the first pass drew.""",
    of="result_first.frames",
    words="a bear and a pig in the snow",
)

regions = Group(
    "7 Second region",
    REGIONS,
    """\
## Now the right one
The bear is part of the source by now, and stays.""",
    columns=[
        [region("right", "Region Prompt (right)", "clip.right_mask", "a frog")],
        [bind("right", "a bear and a frog in the snow", frames="result_first.frames")],
    ],
)

edit = edit_group(
    "8 Second edit",
    """\
## A frog for the pig
All but the right region is held to the first pass's result.""",
)

result = result_group(
    "9 Result",
    """\
## Both edits, beside the clip
The snow is still the clip's own, pixel for pixel.""",
    where={"regions": "right.regions"},
    onto="result_first.frames",
)

GRAPH = Graph(
    "edit_in_passes",
    columns=[[clip], first[:2], first[2:], [inversion, regions], [edit], [result]],
    footage={
        "wolf": "dog",
        "pig": "cat",
        "bear": "wolf",
        "frog": "tiger",
        "in the snow": "in a garden",
        "snow": "garden",
    },
)
