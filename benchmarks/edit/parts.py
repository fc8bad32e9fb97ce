"""Parts of a graph that several rows share: masks, words, samplers, and new things drawn alone and laid along their masks."""

from __future__ import annotations

from typing import NamedTuple

from ...proof.graph import Graph, Link
from ...videograin.toybox import world
from ..ruler.suite import Example
from .areas import Area, areas

LOADED: Link = ["loader", 0]
SAMPLER = {"sampler_name": "euler", "scheduler": "ddim_uniform"}
OVER_DRAWINGS = 0.4  # share of the noise under which drawings that were pasted begin
DRAWINGS = 3  # of each new thing, of which the best is taken
Changed = list[tuple[int, Area]]


class Setup(NamedTuple):
    """The settings that all methods of a run share."""

    frames: int = 8
    steps: int = 20  # in the inversion, and again in the edit
    refinements: int = 1
    cfg: float = 7.5
    denoise: float = 0.7  # SDEdit's
    noise: int = 0  # added to the samplers' seeds


def mask_of(graph: Graph, one: Example, numbers: tuple[int, ...]) -> Link:
    """The union of areas."""
    text = ",".join(map(str, numbers))
    return graph.add(f"mask {text}", "BenchmarkMask", case=one.case.name, areas=text)


def old_thing(graph: Graph, one: Example, number: int) -> Link:
    """The mask of a thing as the clip shows it, without the room that its edit may take."""
    return graph.add(f"thing {number}", "BenchmarkMask", case=one.case.name, areas=f"thing {number}")


def things(changed: Changed) -> Changed:
    """Those of the changed areas for which there is a thing to draw."""
    return [(number, area) for number, area in changed if area.word and not area.is_place]


def changed_areas(one: Example) -> Changed:
    return [(number, area) for number, area in enumerate(areas(one)) if area.changes]


def drawings(graph: Graph, one: Example, setup: Setup, changed: Changed) -> Link:
    """The clip with each new thing, drawn alone, along its mask's track."""
    frames = ["clip", 0]
    for number, area in things(changed):
        empty = graph.add("empty", "EmptyLatentImage", width=world.SIZE, height=world.SIZE, batch_size=DRAWINGS)
        said = words(graph, number, alone(one, area))
        drawn = sample(graph, f"draw {number}", one, setup, empty, said, 1.0)
        pictures = graph.add(f"drawn {number}", "VAEDecode", samples=drawn, vae=["loader", 2])
        frames = graph.add(
            f"along {number}", "BenchmarkAlong", frames=frames, drawings=pictures, mask=mask_of(graph, one, (number,)),
            word=area.word.split()[0],
        )  # fmt: skip
    return frames


def alone(one: Example, area: Area) -> str:
    """The words of one region by itself: the thing and the place."""
    place = world.PLACES[one.task.place]
    return area.phrase if area.phrase == place else f"{area.phrase} {place}"


def words(graph: Graph, name: int | str, text: str) -> Link:
    return graph.add(f"words {name}", "CLIPTextEncode", text=text, clip=["loader", 1])


def sample(
    graph: Graph, name: str, one: Example, setup: Setup, latent: Link, words: Link, denoise: float, model: Link = LOADED
) -> Link:
    return graph.add(
        name, "KSampler", model=model, positive=words, negative=["negative", 0], latent_image=latent,
        seed=one.case.seed + setup.noise, steps=setup.steps, cfg=setup.cfg, denoise=denoise, **SAMPLER,
    )  # fmt: skip
