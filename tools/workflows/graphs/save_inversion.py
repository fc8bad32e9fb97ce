"""workflows/save_inversion: a clip inverted once and kept in a file, with a look at how well it comes back."""

from ..graph import Graph, Group, Node
from ..parts import EDIT, INVERSION, RESULT, clip_group, compare, decoded, inversion_group, sampler, save, video

SHOT = {"left": "rabbit", "right": "fox", "background": "grass", "seed": 6}

clip = clip_group(
    "1 Clip",
    """\
## A clip for many edits
Inverting takes longer than editing. Do it once here, and let *re_edit* start from the file.""",
    **SHOT,
)

inversion = inversion_group(
    "2 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*. The file keeps what is chosen here: steps, scheduler, and what Full-Frame Attention lets frames see.""",
)

keep = Group(
    "3 Save",
    INVERSION,
    """\
## One file
It goes into ComfyUI's *output/inversions* folder, numbered. *fp16* halves it and costs nothing you could see.""",
    columns=[
        [
            Node(
                "saved",
                "VideoGrainSaveInversion",
                links={"inversion": "inversion.inversion", "noise": "inversion.noise"},
                values={"filename_prefix": "demo/clip"},
                height=170,
            )
        ]
    ],
)

back = Group(
    "4 Back again",
    EDIT,
    """\
## Does the noise give the clip back?
The source prompt once more, from the inversion's noise, without guidance (*cfg* 1). What is lost here no edit can keep: \
then take more *steps* or *refinements*, or a better source prompt.""",
    columns=[
        [
            sampler("KSampler (Advanced), back", "frames.model", "source.CONDITIONING", "source.CONDITIONING", cfg=1.0),
            decoded(),
        ]
    ],
)

result = Group(
    "5 Result",
    RESULT,
    """\
## Source and what came back
They should look alike but for the VAE, which no inversion can mend.""",
    columns=[
        [compare("decoded.IMAGE"), video("compare_video", "Before and after", "compare.frames")],
        [save("save_compare", "Save before and after", "compare_video.VIDEO", "before_after")],
    ],
)

GRAPH = Graph("save_inversion", columns=[[clip], [inversion, keep], [back], [result]])
