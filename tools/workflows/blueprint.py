"""subgraphs/Edit regions of a video: the whole recipe as one node to drag into a graph, and to unpack."""

from .graph import Graph, Group, Node

NAME = "Edit regions of a video"
DESCRIPTION = (
    "Inverts a clip, draws it again with each region's own words, and holds the rest to the source (VideoGrain)."
)
CATEGORY = "Video Tools"

OUTSIDE = Group(
    "Outside",
    "#333",
    "What the links of the blueprint's inputs and output are drawn from; thrown away.",
    columns=[
        [
            Node("model", "VideoGrainLoadDemoModel"),
            Node("clip", "VideoGrainDemoClip"),
            Node("region", "VideoGrainRegionPrompt", links={"mask": "clip.left_mask"}, values={"phrase": "a bear"}),
            Node("preview", "PreviewImage", links={"images": "result.frames"}),
        ]
    ],
)
INSIDE = Group(
    NAME,
    "#b06634",
    """\
## The whole recipe
Inversion, regions, ST-Layout, blend, sampler. *Steps* feeds the inversion and the sampler, which must agree; so must their \
schedulers. Full-Frame Attention stands before both.""",
    columns=[
        [
            Node("frames", "VideoGrainFullFrameAttention", links={"model": "model.model"}),
            Node("latent", "VAEEncode", links={"pixels": "clip.frames", "vae": "model.vae"}),
            Node("source", "CLIPTextEncode", title="Source prompt", links={"clip": "model.clip"}, height=100),
            Node("steps", "PrimitiveInt", title="Steps", values={"value": 30}),
        ],
        [
            Node(
                "inversion",
                "VideoGrainDDIMInversion",
                links={
                    "model": "frames.model",
                    "conditioning": "source.CONDITIONING",
                    "latent": "latent.LATENT",
                    "steps": "steps.INT",
                },
            ),
            Node(
                "bound",
                "VideoGrainBindRegionPrompts",
                links={"clip": "model.clip", "regions": "region.regions", "frames": "clip.frames"},
                height=560,
            ),
        ],
        [
            Node("layout", "VideoGrainSTLayoutAttention", links={"model": "frames.model"}),
            Node("blend", "VideoGrainLatentBlend", links={"model": "layout.model", "inversion": "inversion.inversion"}),
            Node("negative", "CLIPTextEncode", title="Negative prompt", links={"clip": "model.clip"}, height=100),
        ],
        [
            Node(
                "sampler",
                "KSamplerAdvanced",
                title="KSampler (Advanced), edit",
                links={
                    "model": "blend.model",
                    "positive": "bound.conditioning",
                    "negative": "negative.CONDITIONING",
                    "latent_image": "inversion.noise",
                    "steps": "steps.INT",
                },
                values={
                    "add_noise": "disable",
                    "noise_seed": 0,
                    "control_after_generate": "fixed",
                    "cfg": 7.5,
                    "sampler_name": "euler",
                    "scheduler": "ddim_uniform",
                    "return_with_leftover_noise": "disable",
                },
            ),
            Node("decoded", "VAEDecode", links={"samples": "sampler.LATENT", "vae": "model.vae"}),
            Node(
                "result",
                "VideoGrainPasteEdit",
                links={"source": "clip.frames", "edited": "decoded.IMAGE", "regions": "region.regions"},
            ),
        ],
    ],
)
GRAPH = Graph(NAME, columns=[[OUTSIDE], [INSIDE]])
# Widgets of the one node: their name there -> the inner node's title and its widget.
SHOWN = (
    ("source_prompt", "Source prompt", "text"),
    ("prompt", "Bind Region Prompts", "prompt"),
    ("negative_prompt", "Negative prompt", "text"),
    ("steps", "Steps", "value"),
    ("cfg", "KSampler (Advanced), edit", "cfg"),
    ("seed", "KSampler (Advanced), edit", "noise_seed"),
)
RENAMED = {"pixels": "frames"}  # inputs, by the name of the socket they lead to
