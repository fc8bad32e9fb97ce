"""The families there are."""

from __future__ import annotations

from torch import nn

from .base import Backbone
from .unet import UNet

FAMILIES: tuple[Backbone, ...] = (UNet(),)


def of(network: nn.Module) -> Backbone | None:
    """The family a network is of; None where it is of none."""
    return next((family for family in FAMILIES if family.matches(network)), None)
