"""What VISOR is computed from: detections as text, and the relations that are asked of a clip's frames."""

from __future__ import annotations

import re
from itertools import combinations

from torch import Tensor

from .boxes import Box, parse_boxes
from .metrics import RELATIONS, Centres, Relation, relation_between

RELATION = re.compile(rf"(.+?)\s+(?:is\s+)?({'|'.join(RELATIONS)})\s+(.+)", re.IGNORECASE)
DETECTIONS, ASKED = "Evaluate Edit's `detections`", "Evaluate Edit's `relations`"


def parse_detections(text: str, frames: int) -> list[Centres]:
    """The centres of what was detected in each frame. Raises ValueError for a box without a frame."""
    found: list[dict[str, list[tuple[float, float]]]] = [{} for _ in range(frames)]
    for name, boxes in parse_boxes(text, DETECTIONS, frames).items():
        for box in boxes:
            found[_frame(box, name, frames)].setdefault(_plain(name), []).append(box.centre)
    return found


def _frame(box: Box, name: str, frames: int) -> int:
    if box.frame is None and frames > 1:
        raise ValueError(
            f"{DETECTIONS} has a box of “{name}” without a frame, and a detection belongs to one. Write it as in “{name}: "
            f"{box.left:g}, {box.top:g}, {box.width:g}, {box.height:g} @ 0”, a box for each frame it was seen in."
        )
    return box.frame or 0


def parse_relations(text: str) -> list[Relation]:
    """Relations, one a line, as in “cat left of dog”. Raises ValueError for what is none."""
    found = []
    for line in filter(str.strip, text.splitlines()):
        match = RELATION.fullmatch(line.strip().rstrip("."))
        if not match:
            raise ValueError(
                f"{ASKED} has the line “{line.strip()}”, but a relation is two things with “{'”, “'.join(RELATIONS)}” "
                "between them, as in “cat left of dog”."
            )
        a, relation, b = match.groups()
        found.append((_plain(a), relation.lower(), _plain(b)))
    return found


def relations_of(masks: Tensor, names: list[str]) -> list[list[Relation]]:
    """What regions ask: in each frame, how the centres of every two lie to each other.

    masks (K, F, H, W) bool; names, one per region. A region out of sight in a frame asks nothing there.
    """
    found = []
    for frame in masks.unbind(1):
        centres = {_plain(name): _centre(mask) for name, mask in zip(names, frame, strict=True) if mask.any()}
        pairs = combinations(centres.items(), 2)
        found.append([(a, relation_between(here, there), b) for (a, here), (b, there) in pairs])
    return found


def _centre(mask: Tensor) -> tuple[float, float]:
    """(x, y) in pixels; mask (H, W) bool."""
    y, x = mask.nonzero().float().mean(0).tolist()
    return x, y


def _plain(name: str) -> str:
    """A thing's name without case and article."""
    return re.sub(r"^(a|an|the)\s+", "", name.strip().lower())
