"""workflows/instance_edit_clusters: the same edit with no mask given; the regions come from the model's attention."""

from ..graph import Graph, Group, Node
from ..parts import (
    LAYOUT,
    REGIONS,
    bind,
    clip_group,
    edit_group,
    inversion_group,
    region,
    result_group,
)

clip = clip_group(
    "1 Clip",
    """\
## A clip, and no masks
Demo Clip's masks are left unconnected here: the model itself has to tell the wolf from the pig.""",
    left="wolf",
    right="pig",
    background="snow",
    seed=1,
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*. The INVERSION also serves the next group, which looks at the source again.""",
)

layout = Group(
    "3 Clusters",
    LAYOUT,
    """\
## What the model sees as one thing
K-Means groups the pixels whose self-attention looks at the same places. The picture shows the clusters, the text their \
share of the clip and their names: the words of the source prompt that look at them most.

Clusters to Mask takes names or numbers, as in “wolf” or “0, 3”; after a run, click them in its picture. **Your own clip:** begin with a few more *clusters* \
than there are things, look, and join those that belong together. A still camera likes *scope* “whole clip”.""",
    columns=[
        [
            Node(
                "clusters",
                "VideoGrainAttentionLayout",
                links={
                    "model": "frames.model",
                    "inversion": "inversion.inversion",
                    "conditioning": "source.CONDITIONING",
                    "clip": "model.clip",
                    "prompt": "clip.caption",
                },
                values={"clusters": 3, "scope": "whole clip"},
            ),
            Node("names", "PreviewAny", title="Names", links={"source": "clusters.names"}, height=130),
        ],
        [
            Node("preview", "PreviewImage", title="Clusters", links={"images": "clusters.preview"}, height=330),
            Node(
                "left_mask",
                "VideoGrainClustersToMask",
                title="Clusters to Mask (left)",
                links={"layout": "clusters.layout", "frames": "clip.frames"},
                values={"clusters": "wolf"},
                height=480,  # the picker's
            ),
            Node(
                "right_mask",
                "VideoGrainClustersToMask",
                title="Clusters to Mask (right)",
                links={"layout": "clusters.layout", "frames": "clip.frames"},
                values={"clusters": "pig"},
                height=480,
            ),
        ],
    ],
)

regions = Group(
    "4 Regions",
    REGIONS,
    """\
## Which words belong where
The same chain as with masks of your own: a cluster's mask, and what stands there after the edit.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "left_mask.mask", "a bear"),
            region("right", "Region Prompt (right)", "right_mask.mask", "a frog", before="left"),
        ],
        [bind("right", "a bear and a frog in the snow")],
    ],
)

edit = edit_group(
    "5 Edit",
    """\
## Draw it again with the new words
As in *instance_edit*. Clusters are as coarse as the attention's grid, so raise Latent Blend's *grow* if a thing is cut \
off.""",
)

result = result_group(
    "6 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = Graph(
    "instance_edit_clusters",
    columns=[[clip], [inversion, layout], [regions, edit], [result]],
    footage={"wolf": "dog", "pig": "cat", "bear": "wolf", "frog": "tiger", "in the snow": "in a garden"},
)
