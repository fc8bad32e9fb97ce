"""A prompt for some frames of a clip: what it brings frame by frame is sliced, all else goes along as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from comfy.controlnet import ControlBase
from torch import Tensor

from ..binding import Binding


def sliced(conditioning: list, frames: Sequence[int], total: int) -> list:
    """A CONDITIONING of a clip of `total` frames, for some of them.

    Sliced are the regions' masks, ControlNet hints, and every tensor with one row per frame: a mask of the area, a
    latent that is concatenated (inpainting, instruct-pix2pix), a text per frame. One of the clip as a whole stays.
    """
    picked = list(frames)
    return [
        [_rows(text, picked, total), {name: _part(value, picked, total) for name, value in notes.items()}]
        for text, notes in conditioning
    ]


def _part(value: Any, frames: list[int], total: int) -> Any:
    if isinstance(value, Tensor):
        return _rows(value, frames, total)
    if isinstance(value, Binding):
        regions = (region._replace(mask=_rows(region.mask, frames, total)) for region in value.regions)
        return replace(value, regions=tuple(regions))
    if isinstance(value, ControlBase):
        return _control(value, frames)
    return value


def _rows(value: Tensor, frames: list[int], total: int) -> Tensor:
    return value[frames] if value.ndim > 1 and len(value) == total > 1 else value


def _control(control: ControlBase, frames: list[int]) -> ControlBase:
    """A copy of the chain of ControlNets whose hints are those of the frames.

    ComfyUI repeats a hint that has fewer frames than the latent and cuts one that has more, so row i goes with row
    i mod len.
    """
    copy = control.copy()
    copy.cond_hint_original = cycled(control.cond_hint_original, frames)
    copy.extra_concat_orig = [cycled(extra, frames) for extra in control.extra_concat_orig]
    if control.previous_controlnet is not None:
        copy.set_previous_controlnet(_control(control.previous_controlnet, frames))
    return copy


def cycled(hint: Tensor | None, frames: Sequence[int]) -> Tensor | None:
    """A hint's rows for some frames, as core takes them: a shorter one is repeated, a single one serves every frame."""
    if hint is None or len(hint) == 1:
        return hint
    return hint[torch.tensor(list(frames)) % len(hint)]
