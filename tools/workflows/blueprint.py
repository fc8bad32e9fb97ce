"""subgraphs/Edit regions of a video: the whole recipe as one node to drag into a graph, and to open or unpack."""

from .graph import Graph, Group, Node

NAME = "Edit regions of a video"
DESCRIPTION = (
    "Inverts a clip, draws each region again with its own words, and pastes the result over the source (VideoGrain)."
)
CATEGORY = "Video Tools"
ALIASES = ("replace object in video", "edit video", "video to video", "VideoGrain")
STEPS, CFG, VARIATION = 30, 7.5, 0.25  # a seed does something only with a variation

OUTSIDE = Group(
    "Outside",
    "#333",
    "What the links of the blueprint's inputs and output are drawn from; thrown away.",
    columns=[
        [
            Node("model", "VideoGrainLoadDemoModel"),
            Node("clip", "VideoGrainDemoClip"),
            Node("rows", "VideoGrainRegions", links={"frames": "clip.frames"}),
            Node("preview", "PreviewImage", links={"images": "result.frames"}),
        ]
    ],
)
SAMPLER = "KSampler (Advanced), edit"
INSIDE = Group(
    NAME,
    "#b06634",
    """\
## The whole recipe
Inversion, regions, ST-Layout, blend, sampler, paste. *Steps* feeds the inversion and the sampler, which must agree. \
Full-Frame Attention stands before both. Vary Noise gives the seed something to do: with *variation* 0 every seed gives the same.""",
    columns=[
        [
            Node("frames", "VideoGrainFullFrameAttention", links={"model": "model.model"}),
            Node("steps", "PrimitiveInt", title="Steps", values={"value": STEPS}),
            Node(
                "inversion",
                "VideoGrainInvertClip",
                links={
                    "model": "frames.model",
                    "clip": "model.clip",
                    "vae": "model.vae",
                    "frames": "clip.frames",
                    "steps": "steps.INT",
                },
                height=280,
            ),
        ],
        [
            Node(
                "bound",
                "VideoGrainBindRegionPrompts",
                links={"clip": "model.clip", "regions": "rows.regions", "frames": "clip.frames"},
                height=560,
            ),
            Node("negative", "CLIPTextEncode", title="Negative prompt", links={"clip": "model.clip"}, height=100),
        ],
        [
            Node("layout", "VideoGrainSTLayoutAttention", links={"model": "frames.model"}),
            Node("blend", "VideoGrainLatentBlend", links={"model": "layout.model", "inversion": "inversion.inversion"}),
            Node(
                "vary",
                "VideoGrainVaryNoise",
                links={"noise": "inversion.noise", "inversion": "inversion.inversion", "regions": "rows.regions"},
                values={"variation": VARIATION},
            ),
        ],
        [
            Node(
                "sampler",
                "KSamplerAdvanced",
                title=SAMPLER,
                links={
                    "model": "blend.model",
                    "positive": "bound.conditioning",
                    "negative": "negative.CONDITIONING",
                    "latent_image": "vary.noise",
                    "steps": "steps.INT",
                },
                values={
                    "add_noise": "disable",
                    "noise_seed": 0,
                    "control_after_generate": "fixed",
                    "cfg": CFG,
                    "sampler_name": "euler",
                    "scheduler": "ddim_uniform",
                    "return_with_leftover_noise": "disable",
                },
            ),
            Node("decoded", "VAEDecode", links={"samples": "sampler.LATENT", "vae": "model.vae"}),
            Node(
                "result",
                "VideoGrainPasteEdit",
                links={"source": "clip.frames", "edited": "decoded.IMAGE", "regions": "rows.regions"},
            ),
        ],
    ],
)
GRAPH = Graph(NAME, columns=[[OUTSIDE], [INSIDE]])
INPUTS = ("model", "clip", "vae", "frames", "regions")  # in this order; then what is shown
# Widgets of the one node: their name there -> the inner node's title and its widget.
SHOWN = (
    ("source_prompt", "Invert Clip", "source_prompt"),
    ("edited_prompt", "Bind Region Prompts", "prompt"),
    ("steps", "Steps", "value"),
    ("cfg", SAMPLER, "cfg"),
    ("variation", "Vary Noise", "variation"),
    ("seed", "Vary Noise", "seed"),
    ("strength", "ST-Layout Attention (Regions)", "self_strength"),
)
RENAMED = {"pixels": "frames"}  # inputs, by the name of the socket they lead to
