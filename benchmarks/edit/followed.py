"""Masks of which only the first frame's are true: Track Regions makes the others, and room for a hat moves with its wearer."""

from __future__ import annotations

from collections.abc import Sequence

from ...proof.graph import Graph, Link
from ..ruler.suite import Example
from .areas import areas
from .parts import LOADED, mask_of, old_thing


def followed_mask(graph: Graph, one: Example, numbers: tuple[int, ...], with_room: bool = True) -> Link:
    """The union of areas, followed from the first frame on. with_room: with what an area has beyond its thing."""
    found = areas(one)
    things = [number for number, area in enumerate(found) if not area.is_place]  # from 0 on: places come last
    roomy = [number for number in things if (found[number].mask[0] & ~one.shot.masks[number][0]).any()]
    given = {
        f"mask_{number + 1}": old_thing(graph, one, number) if number in roomy else mask_of(graph, one, (number,))
        for number in things
    }
    for output, number in enumerate(roomy, len(things)):
        given[f"mask_{output + 1}"] = graph.add(
            f"room {number}", "MaskComposite", destination=mask_of(graph, one, (number,)),
            source=old_thing(graph, one, number), x=0, y=0, operation="subtract",
        )  # fmt: skip
    rooms = {number: output for output, number in enumerate(roomy, len(things))}
    shown = {"model": LOADED, "vae": ["loader", 2], "frames": ["clip", 0], "marked_frames": "0", "enlarge": 2}
    pairs = ", ".join(f"{output + 1}:{number + 1}" for number, output in rooms.items())
    track, _ = graph.add("track", "VideoGrainTrackRegions", **shown, **given, **({"rooms": pairs} if pairs else {}))
    if not any(found[number].is_place for number in numbers):
        return _united(graph, track, [*numbers, *(rooms[n] for n in numbers if with_room and n in rooms)])
    if len(numbers) == len(found):  # all of the frame
        return mask_of(graph, one, numbers)
    outputs = [*things, *rooms.values()]
    return graph.add("not any", "InvertMask", mask=_united(graph, track, outputs))  # the place is what no thing covers


def _united(graph: Graph, node: str, outputs: Sequence[int]) -> Link:
    """The union of some of a node's masks."""
    first, *others = outputs
    found = [node, first]
    for other in others:
        name = f"{found[0]} {found[1]} or {other}"
        found = graph.add(name, "MaskComposite", destination=found, source=[node, other], x=0, y=0, operation="or")
    return found
