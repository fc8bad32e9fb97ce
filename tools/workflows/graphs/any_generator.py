"""workflows/6 Around any other generator: this pack's masks, paste, player and measures, with an edit made elsewhere."""

from ..graph import Graph, Group, Node
from ..parts import (
    EDIT,
    PIG,
    REGIONS,
    RESULT,
    WOLF,
    compare,
    decoded,
    demo_video,
    encoded,
    encoded_text,
    negative_prompt,
    paste,
    region,
    save,
    video,
)

WORDS = "a bear in the snow"
clip = Group(
    "1 Clip and masks",
    REGIONS,
    """\
## Mark once, get a mask for each thing
A box around each of two things in *Points to Region*; *Split Instances* gives each its own mask, in every frame. \
`instance_1` is the left one.""",
    columns=[
        [
            Node("model", "VideoGrainLoadDemoModel"),
            demo_video(),
        ],
        [
            Node(
                "marks",
                "VideoGrainPointsToRegion",
                links={"frames": "clip.frames"},
                values={"marks": f"{WOLF}; {PIG}"},
                height=440,
            ),
            Node(
                "split",
                "VideoGrainSplitInstances",
                links={"mask": "marks.mask", "frames": "clip.frames"},
                values={"instances": 2},
                height=390,
            ),
        ],
    ],
)
generator = Group(
    "2 Any generator",
    EDIT,
    """\
## Put yours here
These are ComfyUI's own nodes, in place of whatever takes a clip and a mask and gives frames: Wan VACE, an inpainting model, \
a node that calls an API. Delete this group, connect yours to `frames` and `instance_1`, and its frames to *Paste Edit* and \
*Evaluate Edit*. It need not keep the rest of the picture, nor its size.""",
    columns=[
        [
            encoded("clip.frames"),
            Node("masked", "SetLatentNoiseMask", links={"samples": "latent.LATENT", "mask": "split.instance_1"}),
            encoded_text("words", "Prompt", {"clip": "model.clip"}, {"text": WORDS}),
            negative_prompt(),
        ],
        [
            Node(
                "sampler",
                "KSampler",
                links={
                    "model": "model.model",
                    "positive": "words.CONDITIONING",
                    "negative": "negative.CONDITIONING",
                    "latent_image": "masked.LATENT",
                },
                values={
                    "seed": 1, "control_after_generate": "fixed", "steps": 20, "cfg": 7.5, "sampler_name": "euler",
                    "scheduler": "ddim_uniform", "denoise": 0.8,
                },
            ),
            decoded(),
        ],
    ],
)  # fmt: skip
result = Group(
    "3 Result",
    RESULT,
    """\
## Keep the rest, look, measure
*Paste Edit* keeps every pixel beyond the mask's soft edge. *Evaluate Edit*'s table says how well the background is kept and \
how steady the edit is; with a CLIP Vision model also whether it shows the words.""",
    columns=[
        [
            paste({"mask": "split.instance_1"}),
            region("region", None, "split.instance_1", "a bear"),
            Node(
                "measure",
                "VideoGrainEvaluateEdit",
                links={"source": "clip.frames", "edited": "result.frames", "regions": "region.regions"},
            ),
            Node("table", "PreviewAny", "Measures", links={"source": "measure.table"}, height=150),
        ],
        [
            compare("result.frames"),
            video("edit_video", "Edited clip", "result.frames", audio="clip.audio"),
            save("save_edit", "Save the edit", "edit_video.VIDEO", "edit"),
        ],
    ],
)
GRAPH = Graph("any_generator", columns=[[clip], [generator], [result]])
