"""A prompt for some frames of a clip: what it brings frame by frame is sliced, all else goes along as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from comfy.controlnet import ControlBase
from torch import Tensor

from ..core.cells import on_cells
from ..core.phrase_tokens import Binding


def sliced(conditioning: list, frames: Sequence[int], total: int, cells: tuple[int, int] | None = None) -> list:
    """A CONDITIONING of a clip of `total` frames, for some of them.

    cells: (height, width) of the clip's latent, if its frames are padded for that: hints and areas are padded alike.

    Sliced are the regions' masks, ControlNet hints, and every tensor with one row per frame: a mask of the area, a
    latent that is concatenated (inpainting, instruct-pix2pix), a text per frame. One of the clip as a whole stays.
    """
    picked = list(frames)
    return [
        [_rows(text, picked, total), {name: _part(name, value, picked, total, cells) for name, value in notes.items()}]
        for text, notes in conditioning
    ]


def _part(name: str, value: Any, frames: list[int], total: int, cells: tuple[int, int] | None) -> Any:
    if isinstance(value, Tensor):
        rows = _rows(value, frames, total)
        return on_cells(rows, cells) if name == "mask" and cells is not None else rows
    if isinstance(value, Binding):
        regions = (region._replace(mask=_rows(region.mask, frames, total)) for region in value.regions)
        return replace(value, regions=tuple(regions))
    if isinstance(value, ControlBase):
        return _control(value, frames, cells)
    return value


def _rows(value: Tensor, frames: list[int], total: int) -> Tensor:
    return value[frames] if value.ndim > 1 and len(value) == total > 1 else value


def _control(control: ControlBase, frames: list[int], cells: tuple[int, int] | None) -> ControlBase:
    """A copy of the chain of ControlNets whose hints are those of the frames.

    ComfyUI repeats a hint that has fewer frames than the latent and cuts one that has more, so row i goes with row
    i mod len.
    """
    copy = control.copy()
    hint = cycled(control.cond_hint_original, frames)
    copy.cond_hint_original = hint if hint is None or cells is None else on_cells(hint, cells)
    copy.extra_concat_orig = [cycled(extra, frames) for extra in control.extra_concat_orig]
    if control.previous_controlnet is not None:
        copy.set_previous_controlnet(_control(control.previous_controlnet, frames, cells))
    return copy


def cycled(hint: Tensor | None, frames: Sequence[int]) -> Tensor | None:
    """A hint's rows for some frames, as core takes them: a shorter one is repeated, a single one serves every frame."""
    if hint is None or len(hint) == 1:
        return hint
    return hint[torch.tensor(list(frames)) % len(hint)]
