"""docs/graphs/follow_by_model: one box around each of two things, and the model that edits the clip follows them."""

import json
from dataclasses import replace

from ..graph import Graph, Group, Node
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, result_group

# Boxes around both in the first frame, as Points to Region takes them.
ROWS = [
    {"is": "a fox", "becomes": "a tiger", "marks": "box 11, 78, 98, 161, 0"},
    {"is": "a monkey", "becomes": "a bear", "marks": "box 95, 46, 176, 112, 0"},
]

clip = clip_group(
    "1 Clip",
    """\
## Two that pass each other
A fox and a monkey walk towards each other, and the monkey hides a part of the fox.""",
    left="fox",
    right="monkey",
    background="sea",
    motion=2.0,
    crossing=True,
    seed=3,
)

regions = Group(
    "2 Regions",
    REGIONS,
    """\
## One box each; the model follows
*Regions* has a MODEL and its VAE: the model that edits the clip looks at each frame once, and finds in it what is marked, \
also where it comes back after it was hidden. Mark where a thing is whole and in sight.

Without the two links, colours and motion are followed: faster, and as good where a thing stands free. A line on the node says \
where the masks are not sure, and in which frame another box helps most.""",
    columns=[
        [
            Node(
                "rows",
                "VideoGrainRegions",
                links={"frames": "clip.frames", "model": "model.model", "vae": "model.vae"},
                values={"rows": json.dumps(ROWS), "scene": "a fox and a monkey at sea"},
                height=780,
                width=360,
            )
        ]
    ],
)

inversion = inversion_group(
    "3 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*; the words for the clip as it is come from *Regions*.""",
    told="rows.source_prompt",
)

edit = edit_group(
    "4 Edit",
    """\
## Draw it again with the new words
*Regions* gives the words and the areas, so nothing is typed twice.""",
)
bound = bind("rows", "")
bound = replace(bound, links={**bound.links, "prompt": "rows.edited_prompt"})

result = result_group(
    "5 Result",
    """\
## The rest, pixel for pixel
Beyond the soft edge around the masks each frame is the source's own.""",
    where={"regions": "rows.regions"},
)

GRAPH = Graph(
    "follow_by_model",
    columns=[[clip], [regions], [inversion, replace(edit, columns=[[bound], *edit.columns])], [result]],
)
