"""Three ways to make the same edit, as graphs: our default, masked inpainting, and draw, paste, denoise 0.4.

All take the same frames, masks, words, steps, seed and guidance, and end in Paste Edit. Nodes have the same names where
they do the same, so that the host's cache computes them once. What a node is not told is its own default.
"""

from __future__ import annotations

from typing import NamedTuple

from .clips import Clip
from .graph import Graph, Link, Prompt

OURS, INPAINT, DRAW = RECIPES = ("our default", "masked inpainting", "draw, paste, denoise 0.4")
UNCOUNTED = ("model", "frames", "regions")  # the checkpoint, the clip and its masks: given to all three
SAMPLER, SCHEDULER = "euler", "ddim_uniform"
RESULT, SOURCE, REGIONS, DRAWN, LAID = "result", "source", "regions", "drawn", "laid"
DENOISE = 0.4
VARIATION = 0.25  # the blueprint's


class Settings(NamedTuple):
    """What all recipes share."""

    checkpoint: str
    frames: int = 8
    steps: int = 20
    cfg: float = 7.5
    seed: int = 1


def calls(recipe: str, things: int, settings: Settings, refinements: int) -> int:
    """Pictures that go through the UNet in one edit, each half of guidance counted: what time depends on."""
    clip = settings.steps * settings.frames
    if recipe == OURS:
        return clip * (1 + refinements) + clip * 2
    return 2 * (clip * things if recipe == INPAINT else settings.steps * things + clip)


def ours(clip: Clip, settings: Settings) -> Prompt:
    """The blueprint “Edit regions of a video”, with the node Regions before it."""
    graph = _begun(clip, settings)
    full = graph.add("full frame", "VideoGrainFullFrameAttention", model=["model", 0])
    graph.add(
        "invert", "VideoGrainInvertClip", model=full, clip=["model", 1], vae=["model", 2], frames=["frames", 0],
        source_prompt=["regions", 1], steps=settings.steps,
    )  # fmt: skip
    bound = graph.add(
        "bind", "VideoGrainBindRegionPrompts", clip=["model", 1], prompt=["regions", 2], regions=["regions", 0],
        frames=["frames", 0],
    )  # fmt: skip
    model = graph.add("st-layout", "VideoGrainSTLayoutAttention", model=full)
    model = graph.add("blend", "VideoGrainLatentBlend", model=model, inversion=["invert", 1])
    noise = graph.add(
        "vary", "VideoGrainVaryNoise", noise=["invert", 0], inversion=["invert", 1], regions=["regions", 0],
        variation=VARIATION, seed=settings.seed,
    )  # fmt: skip
    sampled = graph.add(
        "sample", "KSamplerAdvanced", model=model, positive=bound, negative=["negative", 0], latent_image=noise,
        add_noise="disable", noise_seed=0, steps=settings.steps, cfg=settings.cfg, sampler_name=SAMPLER,
        scheduler=SCHEDULER, return_with_leftover_noise="disable",
    )  # fmt: skip
    return _ended(graph, OURS, sampled)


def inpaint(clip: Clip, settings: Settings) -> Prompt:
    """One thing after the other, each with its own mask and words, from pure noise."""
    graph = _begun(clip, settings)
    latent = ["latent", 0]
    for row in range(len(clip.words.rows)):
        mask = graph.add(f"mask {row}", "ProofMask", regions=["regions", 0], row=row)
        latent = graph.add(f"noise mask {row}", "SetLatentNoiseMask", samples=latent, mask=mask)
        latent = _sampled(graph, f"inpaint {row}", settings, latent, _alone(graph, clip, row), 1.0)
    return _ended(graph, INPAINT, latent)


def draw(clip: Clip, settings: Settings) -> Prompt:
    """The first half of the third recipe: each new thing drawn alone."""
    graph = _begun(clip, settings)
    width, height = clip.size
    for row in range(len(clip.words.rows)):
        empty = graph.add("empty", "EmptyLatentImage", width=width, height=height, batch_size=1)
        drawn = _sampled(graph, f"draw {row}", settings, empty, _alone(graph, clip, row), 1.0)
        picture = graph.add(f"drawn {row}", "VAEDecode", samples=drawn, vae=["model", 2])
        graph.add(f"keep {row}", "ProofKeep", value=picture, name=f"{DRAWN} {row}")
    return graph.prompt


def look(clip: Clip, settings: Settings) -> Prompt:
    """Hands out the frames and the regions."""
    graph = _begun(clip, settings)
    graph.add("keep frames", "ProofKeep", value=["frames", 0], name=SOURCE)
    graph.add("keep regions", "ProofKeep", value=["regions", 0], name=REGIONS)
    return graph.prompt


def settle(clip: Clip, settings: Settings) -> Prompt:
    """The second half: the frames with the drawings laid in, sampled at denoise 0.4 inside the masks."""
    graph = _begun(clip, settings)
    laid = graph.add("laid", "ProofGiven", name=LAID, ticket=f"{clip.path.name} {clip.size}")
    latent = graph.add("laid latent", "VAEEncode", pixels=laid, vae=["model", 2])
    mask = graph.add("mask", "ProofMask", regions=["regions", 0], row=-1)
    latent = graph.add("noise mask", "SetLatentNoiseMask", samples=latent, mask=mask)
    words = graph.add("edited prompt", "CLIPTextEncode", clip=["model", 1], text=["regions", 2])
    return _ended(graph, DRAW, _sampled(graph, "settle", settings, latent, words, DENOISE))


def _begun(clip: Clip, settings: Settings) -> Graph:
    """What all begin with: the clip, its regions, the model, the clip's latents, the empty negative prompt."""
    graph, (width, height) = Graph(), clip.size
    size = {"size": "exact", "width": width, "height": height, "cap": settings.frames}
    frames = graph.add("frames", "VideoGrainLoadVideoFrames", file=clip.path.name, **size, **clip.take)
    graph.add("regions", "VideoGrainRegions", frames=frames, rows=clip.rows, scene=clip.scene)
    graph.add("model", "CheckpointLoaderSimple", ckpt_name=settings.checkpoint)
    graph.add("latent", "VAEEncode", pixels=frames, vae=["model", 2])
    graph.add("negative", "CLIPTextEncode", clip=["model", 1], text="")
    return graph


def _alone(graph: Graph, clip: Clip, row: int) -> Link:
    """The new thing's words, and where it is: what the scene says after its last thing."""
    words = clip.words
    last = max(words.edited.rfind(each.phrase) + len(each.phrase) for each in words.rows)
    return graph.add(
        f"words {row}", "CLIPTextEncode", clip=["model", 1], text=words.rows[row].phrase + words.edited[last:]
    )


def _sampled(graph: Graph, name: str, settings: Settings, latent: Link, positive: Link, denoise: float) -> Link:
    return graph.add(
        name, "KSampler", model=["model", 0], positive=positive, negative=["negative", 0], latent_image=latent,
        seed=settings.seed, steps=settings.steps, cfg=settings.cfg, sampler_name=SAMPLER, scheduler=SCHEDULER,
        denoise=denoise,
    )  # fmt: skip


def _ended(graph: Graph, recipe: str, latent: Link) -> Prompt:
    decoded = graph.add(f"{recipe}: decode", "VAEDecode", samples=latent, vae=["model", 2])
    pasted = {"source": ["frames", 0], "edited": decoded, "regions": ["regions", 0]}
    graph.add(f"{recipe}: paste", "VideoGrainPasteEdit", **pasted)
    graph.add(f"{recipe}: keep", "ProofKeep", value=[f"{recipe}: paste", 0], name=RESULT)
    return graph.prompt
