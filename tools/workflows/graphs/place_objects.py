"""workflows/place_objects: things brought to where they belong; what is around them fits itself to them."""

from dataclasses import replace

from ..graph import Graph, Group, Node
from ..parts import (
    EDIT,
    REGIONS,
    bind,
    clip_group,
    decoded,
    inversion_group,
    negative_prompt,
    region,
    result_group,
    sampler,
    st_layout,
)

STEPS = 10

clip = clip_group(
    "1 Clip",
    """\
## What to edit
The clip and the words of *instance_edit*: a wolf and a pig, to become a bear and a frog.""",
    left="wolf",
    right="pig",
    background="snow",
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*, but a frame sees the first one and the one before it, as ReAtCo's do, and the inversion is not \
refined: its noise is where the edit starts, and nothing is held to its path afterwards.""",
    key_set="first + previous",
    steps=STEPS,
    refinements=0,
)

overview = bind("places", "")
places = Group(
    "3 Places",
    REGIONS,
    """\
## A push of its own for each thing
Before each of the first steps Place Objects moves the latent itself, down the slope of “how much does *bear* act outside its \
mask, how little inside”.

A thing stays away? More *strength* or *refinements*. Colours burn? Less.

No masks? Write boxes instead, a line for each thing, and connect the clip to *frames*: “bear: 13, 58, 77, 78 at 0; 7, 60, 77, 78 \
at 7”. That is x, y, width and height in pixels, and the frame; between two of them the box moves evenly. The overview shows them. \
A box is filled to its corners: try it without *ST-Layout Attention* and with *top_share* 0.2. The old thing stays where no box \
covers it.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a bear"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a frog", before="left"),
            Node(
                "prompt",
                "PrimitiveStringMultiline",
                title="Edit prompt",
                values={"value": "a bear and a frog in the snow"},
                height=100,
            ),
            Node(
                "places",
                "VideoGrainPlaceObjects",
                links={
                    "model": "frames.model",
                    "clip": "model.clip",
                    "prompt": "prompt.STRING",
                    "regions": "right.regions",
                },
                values={"strength": 40.0, "end_percent": 0.5, "refinements": 3, "top_share": 0.4, "level": "1/2"},
            ),
        ],
        [replace(overview, links={**overview.links, "prompt": "prompt.STRING"}, values={})],
    ],
    aside="""\
The demo model wants more of it than ReAtCo's: *strength* 40, and twice as much of each mask filled (*top_share* 0.4). Ten \
steps will do then.""",
)

edit = Group(
    "4 Edit",
    EDIT,
    """\
## Both sides at once
*Latent Blend*, “irjs”: at every step the model sees the source around the masks, under noise, and what it makes of it is kept. \
So snow and shadow fit themselves to what stands in them. *noise* “fixed” is steadier than ReAtCo's “fresh”.

*ST-Layout Attention* is not ReAtCo's: Place Objects moves the picture, this tells attention where to look.""",
    columns=[
        [
            st_layout("places.model", self_strength=0.6, power=0.5),
            Node(
                "blend",
                "VideoGrainLatentBlend",
                links={"model": "layout.model", "inversion": "inversion.inversion", "mask": "places.mask"},
                values={"mode": "irjs", "noise": "fixed"},
            ),
            negative_prompt(),
        ],
        [
            sampler(
                "KSampler (Advanced), edit", "blend.model", "bound.conditioning", "negative.CONDITIONING", 7.0, STEPS
            ),
            decoded(),
        ],
    ],
    aside="""\
Alone, Place Objects brings the demo model's bear and frog to their places, and leaves one of them out in a few frames. With both, \
none is missing. A model that draws better may not need it.""",
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the masks and a soft edge around them.""",
    where={"mask": "places.mask"},
)

GRAPH = Graph(
    "place_objects",
    columns=[[clip], [inversion, places], [edit], [result]],
    footage={
        "wolf": "dog",
        "pig": "cat",
        "bear": "wolf",
        "frog": "tiger",
        "in the snow": "in a garden",
        "snow": "grass",
    },
)
