"""Inputs of VISOR: detections as text, and the relations that a clip's frames should show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from torch import Tensor

from ..masks.boxes import Box, parse_boxes
from .measures import RELATIONS, Centres, Counts, Relation, needed, relation_between

WORDED = "|".join(RELATIONS).replace(" ", r"\s+")
RELATION = re.compile(rf"(.+?)\s+(?:(?:is|are)\s+)?(?:(?:to|on)\s+)?(?:the\s+)?({WORDED})\s+(.+?)[\s.]*", re.IGNORECASE)
NO_NAME = re.compile(rf"[,;&]|\b(?:and|or|is|are|not|{WORDED})\b", re.IGNORECASE)  # mostly signs of a second relation
NOTHING = "none"  # the text for a detector that found nothing


def parse_detections(text: str, whose: str, frames: int) -> list[Centres]:
    """The centres of the detections in each frame. whose: the input's name, for messages.

    “none”, or “cat: none” for one thing, means that the detector ran and found nothing.
    Raises ValueError for a box without a frame.
    """
    found: list[dict[str, list[tuple[float, float]]]] = [{} for _ in range(frames)]
    if _plain(text) == NOTHING:
        return found
    lines = [line for line in text.splitlines() if _plain(line.rpartition(":")[2]) != NOTHING or ":" not in line]
    for name, boxes in parse_boxes("\n".join(lines), whose, frames).items():
        for box in boxes:
            found[_frame(box, name, whose, frames)].setdefault(_plain(name), []).append(box.centre)
    return found


def _frame(box: Box, name: str, whose: str, frames: int) -> int:
    if box.frame is None and frames > 1:
        raise ValueError(
            f"{whose} has a box of “{name}” without a frame, and a detection belongs to one. Write it as in “{name}: "
            f"{box.left:g}, {box.top:g}, {box.width:g}, {box.height:g} at 0”, a box for each frame it was seen in."
        )
    return box.frame or 0


def parse_relations(text: str, whose: str) -> list[Relation]:
    """Relations from text, one a line, such as “cat left of dog” or “the cat is to the left of a dog”.

    whose: the input's name, for messages. Raises ValueError for a line with no relation, or with several.
    """
    found = []
    for line in filter(str.strip, text.splitlines()):
        match = RELATION.fullmatch(line.strip())
        if not match or NO_NAME.search(match[1]) or NO_NAME.search(match[3]):
            raise ValueError(
                f"{whose} has the line “{line.strip()}”, but a line is one relation: two things with “{'”, “'.join(RELATIONS)}” "
                "between them, as in “cat left of dog”. Write each relation on a line of its own. A name holds none "
                "of these words, no comma and no “and”, “or”, “is” or “not”."
            )
        a, relation, b = match.groups()
        found.append((_plain(a), _plain(relation), _plain(b)))
    return found


def relations_of(masks: Tensor, names: list[str]) -> list[list[Relation]]:
    """The relations that regions imply: in each frame, between the centres of every two regions.

    masks (K, F, H, W) bool; names, one per region. A region that a frame does not show has no relation there, nor have
    two regions with one centre.
    """
    found = []
    for frame in masks.unbind(1):
        centres = [(_plain(name), _centre(mask)) for name, mask in zip(names, frame, strict=True) if mask.any()]
        pairs = combinations(centres, 2)
        found.append([(a, relation_between(here, there), b) for (a, here), (b, there) in pairs if here != there])
    return found


def counts_of(masks: Tensor, names: list[str]) -> list[Counts]:
    """The number of each thing that each frame should show: one per visible region. Arguments as `relations_of`."""
    shown = [[_plain(name) for name, mask in zip(names, frame, strict=True) if mask.any()] for frame in masks.unbind(1)]
    return list(map(Counter, shown))


def unseen(detected: Sequence[Centres], relations: Sequence[Sequence[Relation]], counts: Sequence[Counts]) -> list[str]:
    """Things that are needed and that no frame shows, in words: “cat”, or 2 × “car” if no frame has two."""
    most: dict[str, int] = {}
    for pairs, count in zip(relations, counts, strict=True):
        for name, least in needed(pairs, count).items():
            most[name] = max(most.get(name, 0), least)
    return [
        f"“{name}”" if least == 1 else f"{least} × “{name}”"
        for name, least in most.items()
        if all(len(found.get(name, ())) < least for found in detected)
    ]


def _centre(mask: Tensor) -> tuple[float, float]:
    """The centre of a mask (H, W) bool, (x, y) in pixels."""
    y, x = mask.nonzero().float().mean(0).tolist()
    return x, y


def _plain(name: str) -> str:
    """A thing's name without case, article and superfluous space."""
    return re.sub(r"^(a|an|the) ", "", " ".join(name.lower().split()))
