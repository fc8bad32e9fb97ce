"""workflows/motion_module_sd15: regions edited with an AnimateDiff motion module; Stable Diffusion 1.5 only."""

from ..graph import Graph, Group, Node, Weights
from ..parts import INVERSION, REGIONS, bind, clip_group, edit_group, inversion_group, region, result_group
from ..twin import FRAMES, twin

MODULE = Weights(
    "mm_sd15_v3.safetensors",
    "animatediff_models",
    "https://huggingface.co/conrevo/AnimateDiff-A1111/resolve/main/motion_module/mm_sd15_v3.safetensors",
)

clip = clip_group("1 Clip", "", left="dog", right="cat", background="grass")

motion = Group(
    "2 Motion",
    INVERSION,
    f"""\
## A motion module in the model
Its layers have learned how things move: each place looks at itself in the other frames. They are part of the model that \
draws, so they stand before the inversion *and* the sampler, like Full-Frame Attention. *beta_schedule* is part of it too: \
“autoselect” takes the module's own noise levels, for both.

**Needs** the pack [ComfyUI-AnimateDiff-Evolved](https://github.com/Kosinkadink/ComfyUI-AnimateDiff-Evolved), and \
`{MODULE.name}` in *models/{MODULE.directory}*. `mm_sd15_v2` will do too; with a v1 module, leave *clip_norm* off.

**More than {FRAMES} frames:** raise *cap* on every loader. A module was trained on {FRAMES} frames, so Context Options \
shows the model that many at a time.

Nobody has run this with real weights yet. To compare without the module, bypass AnimateDiff Loader (Ctrl+B).""",
    columns=[
        [
            Node(
                "context",
                "ADE_StandardStaticContextOptions",
                "Context Options (16 frames)",
                values={"context_length": FRAMES, "context_overlap": FRAMES // 4},
            ),
            Node(
                "motion",
                "ADE_AnimateDiffLoaderGen1",
                "AnimateDiff Loader",
                links={"model": "model.model", "context_options": "context.CONTEXT_OPTS"},
                values={"model_name": MODULE.name, "beta_schedule": "autoselect"},
                weights=MODULE,
            ),
        ]
    ],
)

inversion = inversion_group(
    "3 Inversion",
    """\
## Which noise gives this clip back?
As in *instance_edit*: words for the clip as it is. The MODEL comes from the motion module.""",
    model="motion.MODEL",
)

regions = Group(
    "4 Regions",
    REGIONS,
    """\
## Which words belong where
As in *instance_edit*. The module moves what the words draw; regions say what stands where.""",
    columns=[
        [
            region("left", "Region Prompt (left)", "clip.left_mask", "a wolf"),
            region("right", "Region Prompt (right)", "clip.right_mask", "a tiger", before="left"),
        ],
        [bind("right", "a wolf and a tiger on grass")],
    ],
)

edit = edit_group(
    "5 Edit",
    """\
## Draw it again with the new words
As in *instance_edit*, with the same MODEL as the inversion.""",
)

result = result_group(
    "6 Result",
    """\
## Keep every background pixel
The edit is pasted into the source's own frames, inside the two regions and a soft edge around them.""",
    where={"regions": "right.regions"},
)

GRAPH = twin(Graph("motion_module", columns=[[clip], [motion, inversion], [regions, edit], [result]]))
