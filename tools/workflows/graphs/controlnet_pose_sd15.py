"""workflows/controlnet_pose_sd15: two people become others and keep their poses; Stable Diffusion 1.5 only."""

from ..graph import Graph, Group
from ..parts import REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group
from ..twin import twin

clip = clip_group("1 Clip", "", left="man", right="woman", background="road")

inversion = inversion_group(
    "2 Inversion",
    """\
## Once in the inversion
As in *controlnet_depth*, with skeletons for depth: one picture per frame, on black, of all people together. \
DDIM Inversion has no negative side: only *positive* goes on.""",
    hints="clip.pose",
)

regions = Group(
    "3 Regions",
    REGIONS,
    """\
## Which words belong where
Skeletons say how each one moves, regions say who it is. Shapes are freer than with depth: for someone much wider, raise \
Latent Blend's *grow*.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "an astronaut"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a polar bear", before="left"),
        ],
        [bind("right", "an astronaut and a polar bear on a road")],
    ],
)

edit = edit_group(
    "4 Edit",
    """\
## And once in the edit
The same skeletons, *strength* and percents as in the inversion; *positive* and *negative* both go on to the sampler.""",
    hints="clip.pose",
)

result = result_group(
    "5 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = twin(Graph("controlnet_pose", columns=[[clip], [inversion, regions], [edit], [result]]))
