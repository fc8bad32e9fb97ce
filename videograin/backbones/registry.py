"""The families there are."""

from __future__ import annotations

from torch import nn

from .base import Backbone
from .unet import UNet
from .wan import Wan

FAMILIES: tuple[Backbone, ...] = (UNet(), Wan())


def named(family: str) -> Backbone:
    """The family that an inversion was made with; inversions of old name none, they are of UNets."""
    return next((known for known in FAMILIES if known.name == family), FAMILIES[0])


def instead(network: nn.Module) -> str | None:
    """Why a network that is like a family's is none of it, and what to take instead; None where it is like none."""
    return next((why for family in FAMILIES if (why := family.instead(network))), None)


def of(network: nn.Module) -> Backbone | None:
    """The family a network is of; None where it is of none."""
    return next((family for family in FAMILIES if family.matches(network)), None)
