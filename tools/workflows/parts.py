"""Groups that workflows share; each workflow adds its own masks, words and notes."""

from dataclasses import replace
from typing import Any

from .graph import Group, Node

# The demo video's things in its first frame, as Points to Region takes them.
WOLF, PIG = "box 3, 62, 80, 138, 0", "box 107, 50, 185, 119, 0"
CLIP, INVERSION, LAYOUT, REGIONS, EDIT, RESULT = "#3f789e", "#88A", "#b58b2a", "#a1309b", "#b06634", "#8A8"  # colours


def clip_group(title: str, note: str, **values: Any) -> Group:
    """The demo model, and the clip to edit; values: Demo Clip's widgets."""
    return Group(
        title,
        CLIP,
        note,
        columns=[[Node("model", "VideoGrainLoadDemoModel"), Node("clip", "VideoGrainDemoClip", values=values)]],
    )


def demo_video(title: str | None = None, side: int = 192, frames: int = 8) -> Node:
    """Load Video Frames with the clip that comes with the pack, 8 frames a second, square: `clip.frames`."""
    values = {"file": "VideoGrain demo clip.mp4 [temp]", "force_rate": 8, "cap": frames, "size": "exact"}
    return Node("clip", "VideoGrainLoadVideoFrames", title, values={**values, "width": side, "height": side})


def inversion_group(
    title: str, note: str, of: str = "clip.frames", words: str | None = None, hints: str | None = None,
    key_set: str = "all frames", told: str = "clip.caption", model: str = "model.model", **walk: Any,
) -> Group:  # fmt: skip
    """DDIM inversion of the clip, with Full-Frame Attention.

    of: the frames. words: the source prompt, if it does not come from the output `told`. hints: frames for a ControlNet.
    model: the MODEL, where other nodes change it before the inversion and the edit. walk: DDIM Inversion's widgets that differ from the first workflow's.
    """
    prompt = "source.CONDITIONING"
    guided = [apply_control("source_hints", "Apply ControlNet (inversion)", prompt, prompt, hints)] if hints else []
    inversion = Node(
        "inversion",
        "VideoGrainDDIMInversion",
        links={
            "model": "frames.model",
            "conditioning": "source_hints.positive" if hints else prompt,
            "latent": "latent.LATENT",
        },
        values={"steps": 20, "scheduler": "ddim_uniform", "refinements": 2, **walk},
    )
    return Group(
        title,
        INVERSION,
        note,
        columns=[[full_frames(key_set, model), encoded(of), source_prompt(words, told)], [*guided, inversion]],
    )


def full_frames(key_set: str = "all frames", model: str = "model.model") -> Node:
    return Node("frames", "VideoGrainFullFrameAttention", links={"model": model}, values={"key_set": key_set})


def source_prompt(words: str | None = None, told: str = "clip.caption") -> Node:
    """The source prompt, by default from the output `told`, Demo Clip's caption: `source.CONDITIONING`."""
    links = {"clip": "model.clip"} | ({} if words else {"text": told})
    return encoded_text("source", "Source prompt", links, {"text": words} if words else {})


def encoded_text(key: str, title: str, links: dict[str, str], values: dict[str, Any] | None = None) -> Node:
    return Node(key, "CLIPTextEncode", title=title, links=links, values=values or {}, height=100)


def encoded(frames: str) -> Node:
    """The clip's latent: `latent.LATENT`."""
    return Node("latent", "VAEEncode", links={"pixels": frames, "vae": "model.vae"})


def apply_control(key: str, title: str, positive: str, negative: str, hints: str) -> Node:
    links = {"positive": positive, "negative": negative, "control_net": "model.control_net", "image": hints}
    return Node(key, "ControlNetApplyAdvanced", title=title, links=links, values={"strength": 1.0})


def region(key: str, title: str | None, mask: str, phrase: str, before: str | None = None) -> Node:
    """A Region Prompt; before: the key of the Region Prompt it is chained to."""
    links = {"mask": mask} | ({"regions": f"{before}.regions"} if before else {})
    return Node(key, "VideoGrainRegionPrompt", title=title, links=links, values={"phrase": phrase})


def bind(regions: str, prompt: str, frames: str = "clip.frames") -> Node:
    """Bind Region Prompts; regions: the key of the last Region Prompt."""
    return Node(
        "bound",
        "VideoGrainBindRegionPrompts",
        links={"clip": "model.clip", "regions": f"{regions}.regions", "frames": frames},
        values={"prompt": prompt},
        height=560,  # the overview's
    )


def edit_group(
    title: str, note: str, blend_mask: str | None = None, cfg: float = 7.5, hints: str | None = None, aside: str = "",
    **layout: Any,
) -> Group:  # fmt: skip
    """ST-Layout, Latent Blend and the sampler.

    hints: frames for a ControlNet. layout: ST-Layout's widgets that differ from the first workflow's.
    """
    blend = {"model": "layout.model", "inversion": "inversion.inversion"} | ({"mask": blend_mask} if blend_mask else {})
    prompts = "bound.conditioning", "negative.CONDITIONING"
    guided = [apply_control("edit_hints", "Apply ControlNet (edit)", *prompts, hints)] if hints else []
    positive, negative = ("edit_hints.positive", "edit_hints.negative") if hints else prompts
    return Group(
        title,
        EDIT,
        note,
        columns=[
            [
                st_layout("frames.model", **layout),
                Node("blend", "VideoGrainLatentBlend", links=blend, values={"mode": "inversion", "grow": 0}),
                negative_prompt(),
            ],
            [
                *guided,
                sampler("KSampler (Advanced), edit", "blend.model", positive, negative, cfg),
                decoded(),
            ],
        ],
        aside=aside,
    )


def st_layout(model: str, **values: Any) -> Node:
    """ST-Layout Attention, with values that differ from the first workflow's: `layout.model`."""
    modulation = {"mode": "default", "self_strength": 0.3, "cross_strength": 1.0, "end_percent": 1.0, "power": 1.0}
    return Node("layout", "VideoGrainSTLayoutAttention", links={"model": model}, values={**modulation, **values})


def negative_prompt() -> Node:
    return encoded_text("negative", "Negative prompt", {"clip": "model.clip"})


def sampler(title: str, model: str, positive: str, negative: str, cfg: float, steps: int = 20) -> Node:
    """The sampler, from the inversion's noise and with its steps: `sampler.LATENT`."""
    links = {"model": model, "positive": positive, "negative": negative, "latent_image": "inversion.noise"}
    values = {
        "add_noise": "disable",
        "noise_seed": 0,
        "control_after_generate": "fixed",
        "steps": steps,
        "cfg": cfg,
        "sampler_name": "euler",
        "scheduler": "ddim_uniform",
        "return_with_leftover_noise": "disable",
    }
    return Node("sampler", "KSamplerAdvanced", title=title, links=links, values=values)


def one_noise() -> Node:
    """The latent to be given the same noise in every frame: `one.LATENT`."""
    values = {"seed_behavior": "fixed"}
    return Node("one", "LatentBatchSeedBehavior", links={"samples": "latent.LATENT"}, values=values)


def noise_mask(mask: str) -> Node:
    """That latent with noise inside a mask only: `masked.LATENT`."""
    return Node("masked", "SetLatentNoiseMask", links={"samples": "one.LATENT", "mask": mask})


def plain_sampler(model: str, positive: str, denoise: float, seed: int = 1) -> Node:
    """The stock sampler, with noise of its own inside the noise mask: `sampler.LATENT`."""
    links = {"model": model, "positive": positive, "negative": "negative.CONDITIONING", "latent_image": "masked.LATENT"}
    values = {
        "seed": seed,
        "control_after_generate": "fixed",
        "steps": 20,
        "cfg": 7.5,
        "sampler_name": "euler",
        "scheduler": "ddim_uniform",
        "denoise": denoise,
    }
    return Node("sampler", "KSampler", links=links, values=values)


def decoded() -> Node:
    return Node("decoded", "VAEDecode", links={"samples": "sampler.LATENT", "vae": "model.vae"})


def both_masks(left: str, right: str) -> Node:
    """The union of two masks: `both.MASK`."""
    return Node("both", "MaskComposite", links={"destination": left, "source": right}, values={"operation": "or"})


def paste(
    where: dict[str, str], title: str = "Paste over the source", onto: str = "clip.frames", edited: str = "decoded.IMAGE",
    **edge: int,
) -> Node:  # fmt: skip
    """The edit over the source: `result.frames`. where: a link to `regions` or to a `mask`. edge: `grow`, `feather`."""
    return Node(
        "result",
        "VideoGrainPasteEdit",
        title=title,
        links={"source": onto, "edited": edited, **where},
        values={"grow": 1, "feather": 6, **edge},
    )


def video(key: str, title: str, images: str, **more: str) -> Node:
    """Create Video. more: further links."""
    return Node(key, "CreateVideo", title=title, links={"images": images, "fps": "clip.fps", **more})


def save(key: str, title: str, of: str, prefix: str) -> Node:
    return Node(
        key,
        "SaveVideo",
        title=title,
        links={"video": of},
        values={"filename_prefix": f"videograin/{prefix}"},
        height=380,
    )


def compare(edited: str) -> Node:
    """The clip beside its edit: `compare.frames`."""
    return Node(
        "compare",
        "VideoGrainBeforeAfterVideo",
        links={"source": "clip.frames", "edited": edited, "fps": "clip.fps"},
        values={"mode": "side by side"},
        height=480,  # the player's
    )


def result_group(
    title: str, note: str, where: dict[str, str], onto: str = "clip.frames", edited: str = "decoded.IMAGE", **edge: int
) -> Group:
    """The edit pasted over the source and saved, alone and beside it.

    where, edge: as in `paste`. onto: the frames that were edited, if not the clip's. edited: the edited frames, if they
    do not come from VAE Decode.
    """
    return Group(
        title,
        RESULT,
        note,
        columns=[
            [
                paste(where, onto=onto, edited=edited, **edge),
                video("edit_video", "Edited clip", "result.frames"),
                compare("result.frames"),
                video("compare_video", "Before and after", "compare.frames"),
            ],
            [
                save("save_compare", "Save before and after", "compare_video.VIDEO", "before_after"),
                save("save_edit", "Save the edit", "edit_video.VIDEO", "edit"),
            ],
        ],
    )


def tagged(groups: list[Group], tag: str) -> list[Group]:
    """The groups with a tag after each of their keys, so that one graph can hold them twice."""
    own = {node.key for group in groups for column in group.columns for node in column}

    def link(origin: str) -> str:
        key, output = origin.split(".")
        return f"{key}_{tag}.{output}" if key in own else origin

    def node(one: Node) -> Node:
        links = {name: link(origin) for name, origin in one.links.items()}
        return replace(one, key=f"{one.key}_{tag}", links=links)

    return [replace(group, columns=[[node(one) for one in column] for column in group.columns]) for group in groups]
