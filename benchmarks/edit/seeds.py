"""Edits that begin from new things laid into the clip by Seed Regions, under a part of the noise: no inversion."""

from __future__ import annotations

from typing import NamedTuple

from ...proof.graph import Graph, Link, Prompt
from ...videograin.core.cross_frame import ALL
from ...videograin.core.st_layout import Settings
from ...videograin.toybox import world
from ...videograin.toybox.tasks import BIGGER, GROWTH
from ..ruler.suite import Example
from .areas import areas, changed
from .followed import followed_mask
from .parts import DRAWINGS, SAMPLER, Setup, changed_areas, mask_of, old_thing, sample, things, words


class Seeding(NamedTuple):
    """denoise: share of the noise. bend: things bend as the old ones do. whole: they are laid whole, not cut off at the old
    outline. by_world: the pictures are the world's own drawings, as a user's own would be. keys_of_all: every frame sees
    all others. st_layout: choices of ST-Layout Attention, None without it. followed: masks are true in the first frame only.
    steady: with Steady Edit.
    """

    denoise: float = 0.4
    bend: bool = True
    whole: bool = True
    by_world: bool = False
    keys_of_all: bool = False
    st_layout: Settings | None = None
    followed: bool = False
    steady: bool = False


def seeded_graph(one: Example, seeding: Seeding, setup: Setup) -> Prompt:
    """The whole graph; it ends in BenchmarkCollect. Where there is no thing to draw, the source is sampled in its mask."""
    graph = Graph()
    graph.add("clip", "BenchmarkClip", case=one.case.name, drawn=False)
    graph.add("loader", "BenchmarkModel")
    graph.add("negative", "CLIPTextEncode", text="", clip=["loader", 1])
    drawn = things(changed_areas(one))
    regions = _regions(graph, one, seeding.followed) if drawn or seeding.st_layout else None
    if drawn:
        frames, mask = _laid(graph, one, seeding, setup, regions)
    else:
        frames, mask = ["clip", 0], (followed_mask if seeding.followed else mask_of)(graph, one, changed(one))
    latent = graph.add("latent", "VAEEncode", pixels=frames, vae=["loader", 2])
    latent = graph.add("one noise", "LatentBatchSeedBehavior", samples=latent, seed_behavior="fixed")
    latent = graph.add("noise mask", "SetLatentNoiseMask", samples=latent, mask=mask)
    model: Link = ["loader", 0]
    if seeding.keys_of_all or seeding.st_layout:
        model = graph.add("full frame", "VideoGrainFullFrameAttention", model=model, key_set=ALL)
    if seeding.st_layout:
        model = graph.add(
            "st-layout", "VideoGrainSTLayoutAttention", model=model, mode="default", **vars(seeding.st_layout)
        )
        bound = {"clip": ["loader", 1], "prompt": one.task.prompt, "regions": regions}
        text = graph.add("bind", "VideoGrainBindRegionPrompts", **bound)
    else:
        text = words(graph, "whole", one.task.prompt)
    latent = sample(graph, "sample", one, setup, latent, text, seeding.denoise, model)
    frames = graph.add("decode", "VAEDecode", samples=latent, vae=["loader", 2])
    if seeding.steady and drawn:
        frames = graph.add("steady", "VideoGrainSteadyEdit", source=["clip", 0], edited=frames, regions=regions)
    pasted = graph.add("paste", "VideoGrainPasteEdit", source=["clip", 0], edited=frames, mask=mask)
    graph.add("collect", "BenchmarkCollect", images=pasted)
    return graph.prompt


def _regions(graph: Graph, one: Example, followed: bool) -> Link:
    chain: dict[str, Link] = {}
    for number, area in enumerate(areas(one)):
        bare = (
            one.case.kind == BIGGER and area.changes
        )  # the thing itself is marked; `size` says how large the new one is
        if followed:
            mask = followed_mask(graph, one, (number,), with_room=not bare)
        else:
            mask = old_thing(graph, one, number) if bare else mask_of(graph, one, (number,))
        chain = {
            "regions": graph.add(f"region {number}", "VideoGrainRegionPrompt", mask=mask, phrase=area.phrase, **chain)
        }
    return chain["regions"]


def _laid(graph: Graph, one: Example, seeding: Seeding, setup: Setup, regions: Link) -> tuple[Link, Link]:
    """The frames with new things in them, and the mask of what may change."""
    drawn = [number for number, _ in things(changed_areas(one))]
    left_out = ", ".join(str(number + 1) for number in range(len(areas(one))) if number not in drawn)
    size = GROWTH.get(one.case.kind, 1.0)
    seeds = {"place": world.PLACES[one.task.place], "leave_out": left_out, "seed": one.case.seed + setup.noise,
             "size": size, "bend": seeding.bend, "fit": "whole" if seeding.whole else "inside the region",
             "drawings": DRAWINGS, "steps": setup.steps, "cfg": setup.cfg, **SAMPLER}  # fmt: skip
    loaded = {"model": ["loader", 0], "clip": ["loader", 1], "vae": ["loader", 2]}
    for number in drawn if seeding.by_world else ():
        graph.add(f"drawn {number}", "BenchmarkDrawing", case=one.case.name, number=number)
        seeds |= {
            f"picture_{number + 1}": [f"drawn {number}", 0],
            f"picture_mask_{number + 1}": [f"drawn {number}", 1],
        }
    graph.add("seeds", "VideoGrainSeedRegions", frames=["clip", 0], regions=regions, **loaded, **seeds)
    return ["seeds", 0], ["seeds", 1]
