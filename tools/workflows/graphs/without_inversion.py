"""docs/graphs/without_inversion: the usual edit of two things from new noise inside their masks, with no inversion."""

from ..graph import Graph, Group
from ..parts import (
    EDIT,
    REGIONS,
    bind,
    both_masks,
    clip_group,
    decoded,
    encoded,
    full_frames,
    negative_prompt,
    noise_mask,
    one_noise,
    plain_sampler,
    region,
    result_group,
    st_layout,
)

clip = clip_group(
    "1 Clip",
    """\
## What to edit
The clip and the words of *instance_edit*: a wolf and a pig, to become a bear and a frog. No words for the clip as it is: \
nothing is inverted.""",
    left="wolf",
    right="pig",
    background="snow",
)

regions = Group(
    "2 Regions",
    REGIONS,
    """\
## Which words belong where
One Region Prompt for each thing, as in *instance_edit*. Both masks together are where the edit may act at all.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a bear"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a frog", before="left"),
            both_masks("clip.left_mask", "clip.right_mask"),
        ],
        [bind("right", "a bear and a frog in the snow")],
    ],
)

edit = Group(
    "3 Edit",
    EDIT,
    """\
## New noise inside the masks, the clip outside
*Set Latent Noise Mask* holds everything else to the source at every step, so no Latent Blend; *LatentBatchSeedBehavior* \
“fixed” gives every frame the same noise. The stock *KSampler* begins at *denoise* 1: another seed is another edit.

**As good as with an inversion, at half the network calls.** With the demo model, on 12 drawn clips, the right thing stood in 48 % \
of the regions, and in 45 % with an inversion: no difference that can be told from chance. It flickers as much. Nobody has compared \
the two on Stable Diffusion.""",
    columns=[
        [full_frames(), st_layout("frames.model"), negative_prompt()],
        [encoded("clip.frames"), one_noise(), noise_mask("both.MASK")],
        [plain_sampler("layout.model", "bound.conditioning", denoise=1.0), decoded()],
    ],
)

result = result_group(
    "4 Result",
    """\
## Everything else is the source
The edit replaces the clip inside the same masks and a soft edge around them; every pixel farther out is the source's.""",
    where={"mask": "both.MASK"},
)

GRAPH = Graph(
    "without_inversion",
    columns=[[clip], [regions], [edit], [result]],
    footage={"wolf": "dog", "pig": "cat", "bear": "wolf", "frog": "tiger", "in the snow": "in a garden"},
)
