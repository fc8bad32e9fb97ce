"""Clusters chosen for a mask: whole clusters, or only the connected part at a place.

A choice is text: "2", "0, 3", "wolf". With a place, "5@(310, 200, 0)", it is the connected part of cluster 5 that
covers pixel x 310, y 200 of frame 0; the part is followed through the other frames.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.attention_clusters import ClusterLayout, at_frame_size
from .guided_filter import at_pixels

PLACE = re.compile(r"\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)", re.ASCII)


class Pick(NamedTuple):
    """One cluster of a choice. place: x and y in pixels, frame number from 0; None for the whole cluster."""

    cluster: int
    place: tuple[int, int, int] | None = None


def parse_choice(layout: ClusterLayout, text: str, whose: str) -> list[Pick]:
    """Clusters from text such as "0, 3", "cat, 2" or "5@(310, 200, 0)". whose: the input's name, for messages.

    Raises ValueError for a cluster or place that does not exist.
    """
    words = (part.strip() for part in re.split(r",(?![^()]*\))", text))  # not at the commas inside parentheses
    picks = [_pick(layout, word, whose) for word in words if word]
    if not picks:
        last = len(layout.names) - 1
        raise ValueError(f"{whose} is empty. Give at least one number from 0 to {last}.")
    return picks


def _pick(layout: ClusterLayout, word: str, whose: str) -> Pick:
    name, at, rest = (part.strip() for part in word.partition("@"))
    number = int(name) if name.isascii() and name.isdecimal() else None  # as the picker on the node reads it
    if number is not None and number < len(layout.names):
        cluster = number
    elif number is None and name in filter(None, layout.names):
        cluster = layout.names.index(name)
    else:
        named = [each for each in layout.names if each]
        raise ValueError(
            f'{whose} asks for "{name}", but the layout has the clusters 0 to '
            f"{len(layout.names) - 1}" + (f" and the names {', '.join(named)}." if named else " and no names.")
        )
    return Pick(cluster, _place(layout, cluster, word, rest, whose)) if at else Pick(cluster)


def _place(layout: ClusterLayout, cluster: int, word: str, text: str, whose: str) -> tuple[int, int, int]:
    found, frames = PLACE.fullmatch(text), len(layout.labels)
    if not found:
        raise ValueError(
            f'{whose} has "{word}", but a place is written as @(x, y, frame): pixels from the '
            "left and the top, and the frame's number from 0."
        )
    x, y, frame = map(int, found.groups())
    if x >= layout.width or y >= layout.height or frame >= frames:
        raise ValueError(
            f'{whose} has "{word}", which lies outside the clip: x goes from 0 to '
            f"{layout.width - 1}, y from 0 to {layout.height - 1} and the frame from 0 to {frames - 1}."
        )
    there = int(layout.labels[frame][token(layout, x, y)])
    if there != cluster:
        raise ValueError(
            f'{whose} has "{word}", but cluster {there} is at that place. The layout has changed '
            "since it was chosen: pick the part again."
        )
    return x, y, frame


def token(layout: ClusterLayout, x: int, y: int) -> tuple[int, int]:
    """Row and column of the token that covers a pixel."""
    rows, columns = layout.labels.shape[1:]
    return y * rows // layout.height, x * columns // layout.width


def chosen_tokens(layout: ClusterLayout, picks: list[Pick]) -> Tensor:
    """The tokens that a choice covers, (frames, h, w) bool."""
    chosen = torch.zeros_like(layout.labels, dtype=torch.bool)
    for cluster, place in picks:
        inside = layout.labels == cluster
        chosen |= connected_part(inside, place[2], *token(layout, *place[:2])) if place else inside
    return chosen


def chosen_mask(layout: ClusterLayout, picks: list[Pick], invert: bool = False) -> Tensor:
    """A choice, or with `invert` everything else, as masks of frame size, (frames, height, width) float32, 0 or 1."""
    mask = at_frame_size(layout, chosen_tokens(layout, picks))
    return 1 - mask if invert else mask


def mask_by_colours(
    layout: ClusterLayout, picks: list[Pick], frames: Tensor, watch: Callable[[float], None], invert: bool = False
) -> Tensor:
    """As chosen_mask, with outlines that follow the colours of the frames (F, height, width, 3), not the grid of tokens.

    What is chosen is one label beside those of all other clusters: a pixel is in the mask where it is the strongest.
    """
    labels = torch.where(chosen_tokens(layout, picks), len(layout.names), layout.labels)
    found, grid = [], tuple(labels.shape[1:])
    for here, picture in zip(labels, frames, strict=True):
        shares = F.one_hot(here.flatten(), len(layout.names) + 1).float()
        found.append(at_pixels(shares, grid, picture[..., :3].float().cpu()).argmax(0) == len(layout.names))
        watch(len(found) / len(frames))
    return (torch.stack(found) ^ invert).float()


def connected_part(inside: Tensor, frame: int, row: int, column: int) -> Tensor:
    """The part of a cluster around a token, followed through the clip by overlap, forwards and backwards.

    Parts are connected where tokens share an edge. The part of a frame is the one that overlaps most with the last part
    found, so a thing that was hidden for a while is found again at its old place.

    Args: inside (frames, h, w) bool; the token at (row, column) of the frame is inside. Returns the same shape.
    """
    part = torch.zeros_like(inside)
    parts = numbered_parts(inside[frame])
    part[frame] = parts == parts[row, column]
    for ahead in (range(frame + 1, len(inside)), range(frame - 1, -1, -1)):
        last = part[frame]
        for index in ahead:
            parts = numbered_parts(inside[index])
            overlap = torch.bincount(parts[last], minlength=1)
            overlap[0] = 0  # outside
            if overlap.any():
                part[index] = last = parts == int(overlap.numpy().argmax())  # the first of equals
    return part


def numbered_parts(inside: Tensor) -> Tensor:
    """Connected parts, (h, w) bool -> (h, w) int64: 0 outside, parts numbered from 1 in reading order."""
    from scipy.ndimage import label

    return torch.from_numpy(label(inside.numpy())[0]).long()
