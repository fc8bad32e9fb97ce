"""What a ComfyUI user would do without this pack: recipes of stock nodes, as graphs, with the masks that we have too.

All end in the source's own pixels outside the soft edge of what may change, as our default does.
"""

from __future__ import annotations

from ...proof.graph import Graph, Link, Prompt
from ..ruler.suite import Example
from .areas import areas
from .graph import pasted
from .parts import OVER_DRAWINGS, Changed, Setup, alone, changed_areas, drawings, mask_of, sample, words

EACH, EACH_SOFTER, TOGETHER, REDRAWN, STICKER = RECIPES = (
    "noise mask, one by one",
    "noise mask, one by one, denoise 0.75",
    "set mask, all at once",
    "draw, paste, denoise 0.4",
    "draw, paste",
)
DENOISE = {EACH: 1.0, EACH_SOFTER: 0.75, TOGETHER: 1.0, REDRAWN: OVER_DRAWINGS}


def stock_graph(one: Example, recipe: str, setup: Setup) -> Prompt:
    """The whole graph of a recipe; it ends in BenchmarkCollect."""
    graph = Graph()
    graph.add("clip", "BenchmarkClip", case=one.case.name, drawn=False)
    graph.add("loader", "BenchmarkModel")
    graph.add("negative", "CLIPTextEncode", text="", clip=["loader", 1])
    changed = changed_areas(one)
    frames = ["clip", 0]
    if recipe in (REDRAWN, STICKER):
        frames = drawings(graph, one, setup, changed)
    if recipe != STICKER:
        latent = graph.add("latent", "VAEEncode", pixels=frames, vae=["loader", 2])
        latent = graph.add("one noise", "LatentBatchSeedBehavior", samples=latent, seed_behavior="fixed")
        sampled = {EACH: _each, EACH_SOFTER: _each, TOGETHER: _together, REDRAWN: _once}[recipe]
        latent = sampled(graph, one, setup, changed, latent, DENOISE[recipe])
        frames = graph.add("decode", "VAEDecode", samples=latent, vae=["loader", 2])
    graph.add("collect", "BenchmarkCollect", images=pasted(graph, one, frames))
    return graph.prompt


def _each(graph: Graph, one: Example, setup: Setup, changed: Changed, latent: Link, denoise: float) -> Link:
    """One region after the other, each with its own mask and words."""
    for number, area in changed:
        mask = mask_of(graph, one, (number,))
        latent = graph.add(f"noise mask {number}", "SetLatentNoiseMask", samples=latent, mask=mask)
        latent = sample(graph, f"sample {number}", one, setup, latent, words(graph, number, alone(one, area)), denoise)
    return latent


def _together(graph: Graph, one: Example, setup: Setup, changed: Changed, latent: Link, denoise: float) -> Link:
    """All regions at once: every region's words in its mask, and the whole prompt everywhere."""
    text = words(graph, "whole", one.task.prompt)
    for number, area in enumerate(areas(one)):
        mask = mask_of(graph, one, (number,))
        own = graph.add(
            f"masked {number}", "ConditioningSetMask", conditioning=words(graph, number, alone(one, area)), mask=mask,
            strength=1.0, set_cond_area="default",
        )  # fmt: skip
        text = graph.add(f"with {number}", "ConditioningCombine", conditioning_1=text, conditioning_2=own)
    return _once(graph, one, setup, changed, latent, denoise, text)


def _once(
    graph: Graph, one: Example, setup: Setup, changed: Changed, latent: Link, denoise: float, text: Link | None = None
) -> Link:
    mask = mask_of(graph, one, tuple(number for number, _ in changed))
    latent = graph.add("noise mask", "SetLatentNoiseMask", samples=latent, mask=mask)
    text = text or words(graph, "whole", one.task.prompt)
    return sample(graph, "sample", one, setup, latent, text, denoise)
