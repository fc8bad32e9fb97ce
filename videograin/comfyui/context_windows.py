"""A prompt for some frames of a clip, as a chunk or a context window has them: what it brings frame by frame is cut.

Core slices a window's latents, masks and texts, but gives every window the ControlNet hints of the clip's first frames:
`Hints` cuts those in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from comfy.controlnet import ControlBase
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..core.cells import on_cells
from ..core.phrase_tokens import Binding

Conds = list[list[dict[str, Any]] | None]


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


def without_windows(model: ModelPatcher) -> ModelPatcher:
    """A clone that core's context windows do not cut: for what shows the network single frames, a few in a call."""
    clone = model.clone()
    if clone.model_options.pop("context_handler", None) is not None:
        clone.remove_wrappers_with_key(
            WrappersMP.SAMPLER_SAMPLE, "ContextWindows_sampler_sample"
        )  # FreeNoise asks for it
    return clone


class Hints:
    """The windows' ControlNets of one run, so that a window's hints are prepared once and not at each step."""

    def __init__(self, frames: int):
        self.frames = frames
        self._cut: dict[tuple, ControlBase] = {}

    def windowed(self, conds: Conds, window: Any) -> Conds:
        """The conditionings of a model call with hints of the window's frames; one hint for all frames stays."""
        indices = tuple(window.get_tensor(torch.arange(self.frames), dim=0).tolist())  # with the anchor frame
        return [side and [self._cond(cond, indices) for cond in side] for side in conds]

    def _cond(self, cond: dict[str, Any], indices: tuple[int, ...]) -> dict[str, Any]:
        control = cond.get("control")
        return cond if control is None else {**cond, "control": self._control(control, indices)}

    def _control(self, control: ControlBase, indices: tuple[int, ...]) -> ControlBase:
        """The same object for the same window, as core batches prompts that share their ControlNet."""
        key = (id(control), indices)
        if key not in self._cut:
            part = copy(control)  # not its own copy(), which forgets what the run has prepared
            part.cond_hint = part.extra_concat = None
            part.cond_hint_original = cycled(control.cond_hint_original, indices)
            part.extra_concat_orig = [cycled(extra, indices) for extra in control.extra_concat_orig]
            if control.previous_controlnet is not None:
                part.previous_controlnet = self._control(control.previous_controlnet, indices)
            self._cut[key] = part
        return self._cut[key]
