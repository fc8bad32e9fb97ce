"""workflows/draw_and_paste: each new thing is drawn alone and laid along its mask; a stock sampler makes them one picture."""

from ..graph import Graph, Group, Node
from ..parts import (
    EDIT,
    LAYOUT,
    REGIONS,
    clip_group,
    decoded,
    encoded,
    encoded_text,
    negative_prompt,
    noise_mask,
    one_noise,
    plain_sampler,
    region,
    result_group,
)

PROMPT = "a pumpkin and a truck on grass"

clip = clip_group(
    "1 Clip",
    """\
## What to edit
A cat and a dog on grass, with a mask for each.""",
    left="cat",
    right="dog",
    background="grass",
    seed=2,
)

regions = Group(
    "2 Regions",
    REGIONS,
    """\
## What each becomes
One Region Prompt for each thing: its mask and its new words. Masks by *Regions*, *Track Regions* or SAM 3 do as well.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a pumpkin"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a truck", before="left"),
        ]
    ],
)

drawings = Group(
    "3 Drawings",
    LAYOUT,
    """\
## Drawn alone, laid along
Seed Regions draws three pictures of each phrase, takes the clearest, cuts it out and lays it where the old thing was: it \
moves, grows and bends with it. Look at *Drawn*: another `seed` draws others; a picture of your own may take the place of each.""",
    columns=[
        [
            Node(
                "seeded",
                "VideoGrainSeedRegions",
                links={
                    "frames": "clip.frames", "regions": "right.regions", "model": "model.model", "clip": "model.clip",
                    "vae": "model.vae",
                },
                values={"place": "on grass", "seed": 5, "scheduler": "ddim_uniform"},
            )
        ],
        [
            Node("drawn", "PreviewImage", "Drawn", links={"images": "seeded.drawn"}, height=300),
            Node("laid", "PreviewImage", "Laid in", links={"images": "seeded.frames"}, height=300),
        ],
    ],
)  # fmt: skip

edit = Group(
    "4 One picture",
    EDIT,
    """\
## Stock nodes, no inversion
The last quarter of the noise, under the same noise for every frame and inside the mask only: light, edges and small faults \
are mended, and the thing stays where it was laid. More *denoise* changes more, and flickers more. Steady Edit then takes out what flickers, along the motion of the old things.""",
    columns=[
        [
            encoded("seeded.frames"),
            one_noise(),
            noise_mask("seeded.mask"),
        ],
        [
            encoded_text("words", "Prompt", {"clip": "model.clip"}, {"text": PROMPT}),
            negative_prompt(),
        ],
        [
            plain_sampler("model.model", "words.CONDITIONING", denoise=0.25),
            decoded(),
            Node(
                "steady",
                "VideoGrainSteadyEdit",
                links={"source": "clip.frames", "edited": "decoded.IMAGE", "regions": "right.regions"},
            ),
        ],
    ],
)

result = result_group(
    "5 Result",
    """\
## Everything else is the source
The edit replaces the clip inside the mask and its soft edge; every pixel outside is the source's.""",
    where={"mask": "seeded.mask"},
    edited="steady.frames",
    grow=0,  # the mask has a rim already
    feather=4,
)

GRAPH = Graph(
    "draw_and_paste",
    columns=[[clip, regions], [drawings], [edit], [result]],
    footage={"cat": "cat", "dog": "dog", "a pumpkin": "a fox", "a truck": "a sheep"},
)
