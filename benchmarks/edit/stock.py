"""What a ComfyUI user would do without this pack: recipes of stock nodes, as graphs, with the masks that we have too.

All end in the source's own pixels outside the soft edge of what may change, as our default does.
"""

from __future__ import annotations

from ...proof.graph import Graph, Link, Prompt
from ...videograin.toybox import world
from ..ruler.suite import Example
from .areas import Area, areas
from .graph import Setup, mask_of, pasted

EACH, EACH_SOFTER, TOGETHER, REDRAWN, STICKER, SEEDED = RECIPES = (
    "noise mask, one by one",
    "noise mask, one by one, denoise 0.75",
    "set mask, all at once",
    "draw, paste, denoise 0.4",
    "draw, paste",
    "Seed Regions, noise mask, denoise 0.4",
)
DENOISE = {EACH: 1.0, EACH_SOFTER: 0.75, TOGETHER: 1.0, REDRAWN: 0.4, SEEDED: 0.4}
DRAWINGS = 3  # of each new thing, of which the best is taken
SAMPLER = {"sampler_name": "euler", "scheduler": "ddim_uniform"}


def stock_graph(one: Example, recipe: str, setup: Setup) -> Prompt:
    """The whole graph of a recipe; it ends in BenchmarkCollect."""
    graph = Graph()
    graph.add("clip", "BenchmarkClip", case=one.case.name, drawn=False)
    graph.add("loader", "BenchmarkModel")
    graph.add("negative", "CLIPTextEncode", text="", clip=["loader", 1])
    changed = [(number, area) for number, area in enumerate(areas(one)) if area.changes]
    frames = ["clip", 0]
    if recipe in (REDRAWN, STICKER):
        frames = _drawings(graph, one, setup, changed)
    elif recipe == SEEDED:
        frames = _seeded(graph, one, setup, changed)
    if recipe != STICKER:
        latent = graph.add("latent", "VAEEncode", pixels=frames, vae=["loader", 2])
        latent = graph.add("one noise", "LatentBatchSeedBehavior", samples=latent, seed_behavior="fixed")
        sampled = {EACH: _each, EACH_SOFTER: _each, TOGETHER: _together, REDRAWN: _once, SEEDED: _once}[recipe]
        latent = sampled(graph, one, setup, changed, latent, DENOISE[recipe])
        frames = graph.add("decode", "VAEDecode", samples=latent, vae=["loader", 2])
    graph.add("collect", "BenchmarkCollect", images=pasted(graph, one, frames))
    return graph.prompt


Changed = list[tuple[int, Area]]


def _each(graph: Graph, one: Example, setup: Setup, changed: Changed, latent: Link, denoise: float) -> Link:
    """One region after the other, each with its own mask and words."""
    for number, area in changed:
        mask = mask_of(graph, one, (number,))
        latent = graph.add(f"noise mask {number}", "SetLatentNoiseMask", samples=latent, mask=mask)
        latent = _sample(
            graph, f"sample {number}", one, setup, latent, _words(graph, number, alone(one, area)), denoise
        )
    return latent


def _together(graph: Graph, one: Example, setup: Setup, changed: Changed, latent: Link, denoise: float) -> Link:
    """All regions at once: every region's words in its mask, and the whole prompt everywhere."""
    words = _words(graph, "whole", one.task.prompt)
    for number, area in enumerate(areas(one)):
        mask = mask_of(graph, one, (number,))
        own = graph.add(
            f"masked {number}", "ConditioningSetMask", conditioning=_words(graph, number, alone(one, area)), mask=mask,
            strength=1.0, set_cond_area="default",
        )  # fmt: skip
        words = graph.add(f"with {number}", "ConditioningCombine", conditioning_1=words, conditioning_2=own)
    return _once(graph, one, setup, changed, latent, denoise, words)


def _once(
    graph: Graph, one: Example, setup: Setup, changed: Changed, latent: Link, denoise: float, words: Link | None = None
) -> Link:
    mask = mask_of(graph, one, tuple(number for number, _ in changed))
    latent = graph.add("noise mask", "SetLatentNoiseMask", samples=latent, mask=mask)
    words = words or _words(graph, "whole", one.task.prompt)
    return _sample(graph, "sample", one, setup, latent, words, denoise)


def _drawings(graph: Graph, one: Example, setup: Setup, changed: Changed) -> Link:
    """The clip with each new thing, drawn alone, along its mask's track."""
    frames = ["clip", 0]
    for number, area in _things(changed):
        empty = graph.add("empty", "EmptyLatentImage", width=world.SIZE, height=world.SIZE, batch_size=DRAWINGS)
        words = _words(graph, number, alone(one, area))
        drawn = _sample(graph, f"draw {number}", one, setup, empty, words, 1.0)
        pictures = graph.add(f"drawn {number}", "VAEDecode", samples=drawn, vae=["loader", 2])
        frames = graph.add(
            f"along {number}", "BenchmarkAlong", frames=frames, drawings=pictures, mask=mask_of(graph, one, (number,)),
            word=area.word.split()[0],
        )  # fmt: skip
    return frames


def _things(changed: Changed) -> Changed:
    """Those of the changed areas for which there is a thing to draw."""
    return [(number, area) for number, area in changed if area.word and not area.is_place]


def _seeded(graph: Graph, one: Example, setup: Setup, changed: Changed) -> Link:
    """The clip with each new thing, drawn, cut out and laid in by our node."""
    things, chain = [number for number, _ in _things(changed)], {}
    if not things:
        return ["clip", 0]
    for number, area in enumerate(areas(one)):
        mask = mask_of(graph, one, (number,))
        chain = {
            "regions": graph.add(f"region {number}", "VideoGrainRegionPrompt", mask=mask, phrase=area.phrase, **chain)
        }
    left_out = [str(number + 1) for number in range(len(areas(one))) if number not in things]
    return graph.add(
        "seed", "VideoGrainSeedRegions", frames=["clip", 0], model=["loader", 0], clip=["loader", 1], vae=["loader", 2],
        place=world.PLACES[one.task.place], leave_out=", ".join(left_out), seed=one.case.seed + setup.noise, drawings=DRAWINGS,
        steps=setup.steps, cfg=setup.cfg, fill=True, **SAMPLER, **chain,
    )  # fmt: skip


def alone(one: Example, area: Area) -> str:
    """The words of one region by itself: the thing and the place."""
    place = world.PLACES[one.task.place]
    return area.phrase if area.phrase == place else f"{area.phrase} {place}"


def _words(graph: Graph, name: int | str, text: str) -> Link:
    return graph.add(f"words {name}", "CLIPTextEncode", text=text, clip=["loader", 1])


def _sample(graph: Graph, name: str, one: Example, setup: Setup, latent: Link, words: Link, denoise: float) -> Link:
    return graph.add(
        name, "KSampler", model=["loader", 0], positive=words, negative=["negative", 0], latent_image=latent,
        seed=one.case.seed + setup.noise, steps=setup.steps, cfg=setup.cfg, denoise=denoise, **SAMPLER,
    )  # fmt: skip
