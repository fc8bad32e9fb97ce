"""The place of a mark on an area."""

from __future__ import annotations

from torch import Tensor


def centre(inside: Tensor) -> tuple[int, int]:
    """Row and column of the cell of an area (h, w) bool, not empty, that is nearest to its centre of mass."""
    places = inside.nonzero().float()
    nearest = (places - places.mean(0)).square().sum(1).argmin()
    return tuple(places[nearest].int().tolist())
