"""The groups that the workflows have in common; each workflow adds its own masks, words and notes."""

from typing import Any

from graph import Group, Node

CLIP, INVERSION, LAYOUT, REGIONS, EDIT, RESULT = "#3f789e", "#88A", "#b58b2a", "#a1309b", "#b06634", "#8A8"  # colours


def clip_group(title: str, note: str, **values: Any) -> Group:
    """The demo model, and the clip to edit; values: Demo Clip's widgets."""
    return Group(
        title,
        CLIP,
        note,
        columns=[[Node("model", "VideoGrainLoadDemoModel"), Node("clip", "VideoGrainDemoClip", values=values)]],
    )


def inversion_group(title: str, note: str) -> Group:
    """The clip's latent walked to noise, with Full-Frame Attention."""
    return Group(
        title,
        INVERSION,
        note,
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


def region(key: str, title: str, mask: str, phrase: str, before: str | None = None) -> Node:
    """A Region Prompt; before: the key of the Region Prompt it is chained to."""
    links = {"mask": mask} | ({"regions": f"{before}.regions"} if before else {})
    return Node(key, "VideoGrainRegionPrompt", title=title, links=links, values={"phrase": phrase})


def bind(regions: str, prompt: str) -> Node:
    """Bind Region Prompts; regions: the key of the last Region Prompt."""
    return Node(
        "bound",
        "VideoGrainBindRegionPrompts",
        links={"clip": "model.clip", "regions": f"{regions}.regions", "frames": "clip.frames"},
        values={"prompt": prompt},
        height=560,  # the overview's
    )


def edit_group(title: str, note: str, blend_mask: str | None = None, cfg: float = 7.5, **layout: Any) -> Group:
    """ST-Layout, Latent Blend and the sampler. layout: ST-Layout's widgets where not those of the first workflow."""
    modulation = {"mode": "default", "self_strength": 0.3, "cross_strength": 1.0, "end_percent": 1.0, "power": 1.0}
    blend = {"model": "layout.model", "inversion": "inversion.inversion"} | ({"mask": blend_mask} if blend_mask else {})
    return Group(
        title,
        EDIT,
        note,
        columns=[
            [
                Node(
                    "layout",
                    "VideoGrainSTLayoutAttention",
                    links={"model": "frames.model"},
                    values={**modulation, **layout},
                ),
                Node("blend", "VideoGrainLatentBlend", links=blend, values={"mode": "inversion", "grow": 0}),
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
                        "cfg": cfg,
                        "sampler_name": "euler",
                        "scheduler": "ddim_uniform",
                        "return_with_leftover_noise": "disable",
                    },
                ),
                Node("decoded", "VAEDecode", links={"samples": "sampler.LATENT", "vae": "model.vae"}),
            ],
        ],
    )


def soft_mask(mask: str) -> list[Node]:
    """A mask grown and blurred to a soft edge: `soft_mask.MASK`."""
    return [
        Node("grown", "GrowMask", links={"mask": mask}, values={"expand": 4}),
        Node("as_image", "MaskToImage", links={"mask": "grown.MASK"}),
        Node("soft", "ImageBlur", links={"image": "as_image.IMAGE"}, values={"blur_radius": 3, "sigma": 1.5}),
        Node("soft_mask", "ImageToMask", links={"image": "soft.IMAGE"}, values={"channel": "red"}),
    ]


def both_masks(left: str, right: str) -> Node:
    """Two masks in one: `both.MASK`."""
    return Node("both", "MaskComposite", links={"destination": left, "source": right}, values={"operation": "or"})


def paste() -> Node:
    """The edit over the source, inside the soft mask."""
    return Node(
        "result",
        "ImageCompositeMasked",
        title="Paste over the source",
        links={"destination": "clip.frames", "source": "decoded.IMAGE", "mask": "soft_mask.MASK"},
    )


def video(key: str, title: str, images: str) -> Node:
    return Node(key, "CreateVideo", title=title, links={"images": images, "fps": "clip.fps"})


def save(key: str, title: str, of: str, prefix: str) -> Node:
    return Node(
        key,
        "SaveVideo",
        title=title,
        links={"video": of},
        values={"filename_prefix": f"videograin/{prefix}"},
        height=380,
    )


def result_group(title: str, note: str, masks: list[Node]) -> Group:
    """The edit pasted over the source and saved, alone and beside it. masks: nodes that end in `soft_mask`."""
    compare = Node(
        "compare",
        "VideoGrainBeforeAfterVideo",
        links={"source": "clip.frames", "edited": "result.IMAGE", "fps": "clip.fps"},
        values={"mode": "side by side"},
        height=480,  # the player's
    )
    return Group(
        title,
        RESULT,
        note,
        columns=[
            masks,
            [
                paste(),
                video("edit_video", "Edited clip", "result.IMAGE"),
                compare,
                video("compare_video", "Before and after", "compare.frames"),
            ],
            [
                save("save_compare", "Save before and after", "compare_video.VIDEO", "before_after"),
                save("save_edit", "Save the edit", "edit_video.VIDEO", "edit"),
            ],
        ],
    )
