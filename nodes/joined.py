"""Lists from other nodes as one clip: ComfyUI would run a node, and the whole edit, once for each mask of a list."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CLIPS = {"MASK": 2, "IMAGE": 3}  # socket types whose lists become one clip -> axes of a single picture


def joined(owner: str, entry: Any, value: Any, fits: Any) -> Any:
    """The single value of an input's list: masks and pictures as one clip, for other types the one value in it.

    Args: owner, as in "Latent Blend's"; entry, the input's declaration; value, a list from ComfyUI (`is_input_list`) or
    a bare value from another caller; fits, whether something is a bare value.
    Raises ValueError for an empty list of pictures, pictures of several sizes, and several different other values.
    """
    if not isinstance(value, list) or fits(value):
        return value
    kind = entry.get_io_type()
    if kind in CLIPS and not value:
        raise ValueError(
            f"{owner} `{entry.id}` is empty: the node connected there found nothing, and gives a list of none. Look at what it was given, or take "
            "the link out."
        )
    if kind in CLIPS:
        return clip(owner, entry.id, value, CLIPS[kind])
    if any(other is not value[0] and not _equal(other, value[0]) for other in value[1:]):
        raise ValueError(
            f"{owner} `{entry.id}` is a list of {len(value)} values, but takes one: a list of masks or frames is one clip "
            "here. Connect a single value, and queue the graph once for each."
        )
    return value[0] if value else None


def clip(owner: str, name: str, parts: list, axes: int) -> Any:
    """The parts as one clip (F, ...); axes: of a single picture. Wrong parts stay; declared.py refuses them."""
    if len(parts) < 2 or not all(isinstance(part, Tensor) and part.ndim >= axes for part in parts):
        return parts[0] if len(parts) == 1 else parts or None
    if axes == CLIPS["IMAGE"]:
        channels = min(part.shape[-1] for part in parts)
        pictures = [part[..., :channels].reshape(-1, *part.shape[-3:-1], channels) for part in parts]
    else:
        pictures = [part.reshape(-1, *part.shape[-2:]) for part in parts]
    sizes = dict.fromkeys((part.shape[2], part.shape[1]) for part in pictures)
    if len(sizes) > 1:
        found = ", ".join(f"{width}×{height}" for width, height in sizes)
        raise ValueError(
            f"{owner} `{name}` is a list whose entries are of several sizes ({found} pixels), but it is one clip. Bring them "
            "to one size first."
        )
    return torch.cat([part.to(pictures[0]) for part in pictures])


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, str | int | float | bool) and type(one) is type(other) and one == other
