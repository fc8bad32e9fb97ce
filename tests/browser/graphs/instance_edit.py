"""workflows/instance_edit: two objects of the demo clip become two other things, each by its own words."""

from graph import Graph, Group, Node

CLIP = Group(
    "1 Clip",
    "#3f789e",
    note="""\
## What to edit
The demo clip comes with the exact mask of each object, and the demo model is tiny: nothing is \
downloaded, a CPU is enough.

**Your own:** Load Checkpoint (any Stable Diffusion 1.5 UNet) instead of Load Demo Model; Load Video and Get Video \
Components instead of Demo Clip; masks from any segmentation pack, one per frame.""",
    columns=[
        [
            Node("model", "VideoGrainLoadDemoModel"),
            Node("clip", "VideoGrainDemoClip", values={"left": "wolf", "right": "pig", "background": "snow"}),
        ]
    ],
)

INVERSION = Group(
    "2 Inversion",
    "#88A",
    note="""\
## Which noise gives this clip back?
DDIM Inversion walks the clip to noise along the model's own path. It needs \
words for the clip *as it is*. Full-Frame Attention lets every frame see all others and must stand before both the \
inversion and the sampler.""",
    columns=[
        [
            Node("frames", "VideoGrainFullFrameAttention", links={"model": "model.model"}),
            Node("latent", "VAEEncode", links={"pixels": "clip.frames", "vae": "model.vae"}),
            Node(
                "source",
                "CLIPTextEncode",
                title="Source prompt",
                links={"clip": "model.clip", "text": "clip.caption"},
                height=100,
            ),
        ],
        [
            Node(
                "inversion",
                "VideoGrainDDIMInversion",
                links={"model": "frames.model", "conditioning": "source.CONDITIONING", "latent": "latent.LATENT"},
                values={"steps": 20, "scheduler": "ddim_uniform", "refinements": 2},
            )
        ],
    ],
)

REGIONS = Group(
    "3 Regions",
    "#a1309b",
    note="""\
## Which words belong where
Each Region Prompt ties a mask to a phrase; chain as many as you need. Bind Region \
Prompts finds the phrases in the prompt of the whole edited clip, so they must stand there letter for letter.""",
    columns=[
        [
            Node(
                "left",
                "VideoGrainRegionPrompt",
                title="Region Prompt (left)",
                links={"mask": "clip.left_mask"},
                values={"phrase": "a bear"},
            ),
            Node(
                "right",
                "VideoGrainRegionPrompt",
                title="Region Prompt (right)",
                links={"mask": "clip.right_mask", "regions": "left.regions"},
                values={"phrase": "a frog"},
            ),
        ],
        [
            Node(
                "bound",
                "VideoGrainBindRegionPrompts",
                links={"clip": "model.clip", "regions": "right.regions"},
                values={"prompt": "a bear and a frog in the snow"},
                height=170,
            )
        ],
    ],
)

EDIT = Group(
    "4 Edit",
    "#b06634",
    note="""\
## Draw it again with the new words
ST-Layout Attention keeps each phrase in its region, Latent Blend holds the \
rest to the source. The sampler starts from the *inversion's* noise, so **add_noise is disabled**; its steps and \
scheduler are those of the inversion.

Edit too weak? Raise ST-Layout's end_percent. New object cut off? Raise Latent Blend's grow. Colours burnt? Lower cfg.""",
    columns=[
        [
            Node(
                "layout",
                "VideoGrainSTLayoutAttention",
                links={"model": "frames.model"},
                values={"mode": "default", "self_strength": 0.3, "cross_strength": 1.0, "end_percent": 0.5},
            ),
            Node(
                "blend",
                "VideoGrainLatentBlend",
                links={"model": "layout.model", "inversion": "inversion.inversion"},
                values={"mode": "inversion", "grow": 0},
            ),
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
                },
                values={
                    "add_noise": "disable",
                    "noise_seed": 0,
                    "control_after_generate": "fixed",
                    "steps": 20,
                    "cfg": 5.0,
                    "sampler_name": "euler",
                    "scheduler": "ddim_uniform",
                    "return_with_leftover_noise": "disable",
                },
            ),
            Node("decoded", "VAEDecode", links={"samples": "sampler.LATENT", "vae": "model.vae"}),
        ],
    ],
)

RESULT = Group(
    "5 Result",
    "#8A8",
    note="""\
## Keep every background pixel
The VAE alone changes pixels a little everywhere. So the edit is pasted over the \
source inside the two masks, grown and blurred to a soft edge; farther out the frames are the source's own.""",
    columns=[
        [
            Node(
                "both",
                "MaskComposite",
                links={"destination": "clip.left_mask", "source": "clip.right_mask"},
                values={"operation": "or"},
            ),
            Node("grown", "GrowMask", links={"mask": "both.MASK"}, values={"expand": 4}),
            Node("as_image", "MaskToImage", links={"mask": "grown.MASK"}),
            Node("soft", "ImageBlur", links={"image": "as_image.IMAGE"}, values={"blur_radius": 3, "sigma": 1.5}),
            Node("soft_mask", "ImageToMask", links={"image": "soft.IMAGE"}, values={"channel": "red"}),
        ],
        [
            Node(
                "result",
                "ImageCompositeMasked",
                title="Paste over the source",
                links={"destination": "clip.frames", "source": "decoded.IMAGE", "mask": "soft_mask.MASK"},
            ),
            Node("edit_video", "CreateVideo", title="Edited clip", links={"images": "result.IMAGE", "fps": "clip.fps"}),
            Node(
                "source_video", "CreateVideo", title="Source clip", links={"images": "clip.frames", "fps": "clip.fps"}
            ),
        ],
        [
            Node(
                "save_edit",
                "SaveVideo",
                title="Save the edit",
                links={"video": "edit_video.VIDEO"},
                values={"filename_prefix": "videograin/edit"},
                height=380,
            ),
            Node(
                "save_source",
                "SaveVideo",
                title="Save the source",
                links={"video": "source_video.VIDEO"},
                values={"filename_prefix": "videograin/source"},
                height=380,
            ),
        ],
    ],
)

GRAPH = Graph("instance_edit", columns=[[CLIP], [INVERSION, REGIONS], [EDIT], [RESULT]])
