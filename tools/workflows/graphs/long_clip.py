"""workflows/long_clip: a clip edited some frames at a time, in one node, and still of one piece."""

from ..graph import Graph, Group, Node
from ..parts import (
    EDIT,
    REGIONS,
    bind,
    clip_group,
    negative_prompt,
    region,
    result_group,
    source_prompt,
    st_layout,
)

clip = clip_group(
    "1 Clip",
    """\
## A clip as long as you like
Twice as many frames as in *instance_edit*, and never more than eleven of them in the model at once. With 600 it would be \
the same, and only take longer; but ComfyUI holds every IMAGE of the graph whole. At 512×512, 600 frames are 1.9 GB, and this graph has \
seven such clips: leave *Before/After Video* out if that is too much.""",
    left="wolf",
    right="pig",
    background="snow",
    frames=16,
)

regions = Group(
    "2 Regions",
    REGIONS,
    """\
## Words and masks of the whole clip
As in *instance_edit*: one mask per frame of the *whole* clip. Each chunk gets its own.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a bear"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a frog", before="left"),
        ],
        [bind("right", "a bear and a frog in the snow")],
    ],
)

edit = Group(
    "3 Edit in chunks",
    EDIT,
    """\
## Some frames at a time
Edit in Chunks stands for VAE Encode, DDIM Inversion, Latent Blend, the sampler and VAE Decode. It takes *chunk_length* \
frames at a time, and with each chunk the same *anchors*: frames of the clip that all others look at. So the bear is the \
same bear from the first chunk to the last, and a frame comes out the same in any chunk: *overlap* can be 0.

There is no Full-Frame Attention here, and no Latent Blend: the anchors do for the one, *blend* for the other.

Finished chunks are kept on disk. Press Run again after a crash, and only those that are wanting are made.""",
    columns=[
        [st_layout("model.model", self_strength=0.6, power=0.5), source_prompt(), negative_prompt()],
        [
            Node(
                "chunks",
                "VideoGrainEditInChunks",
                links={
                    "model": "layout.model",
                    "vae": "model.vae",
                    "frames": "clip.frames",
                    "source": "source.CONDITIONING",
                    "positive": "bound.conditioning",
                    "negative": "negative.CONDITIONING",
                },
                values={
                    "steps": 10,
                    "cfg": 7.5,
                    "scheduler": "ddim_uniform",
                    "chunk_length": 8,
                    "overlap": 0,
                    "anchors": 3,
                    "blend": "inversion",
                    "refinements": 1,
                },
            ),
            Node("report", "PreviewAny", title="Report", links={"source": "chunks.report"}, height=200),
        ],
    ],
    aside="""\
VIA's blend is “progressive”, whose edge begins eight cells wide: a third of a picture as small as this one, so here it is \
“inversion”. Ten steps will do for the demo model.""",
)

result = result_group(
    "4 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
    edited="chunks.frames",
)

GRAPH = Graph(
    "long_clip",
    columns=[[clip], [regions], [edit], [result]],
    footage={"wolf": "dog", "pig": "cat", "bear": "wolf", "frog": "tiger", "in the snow": "in a garden"},
)
