"""ControlNet hints in core's context windows: each window is shown the hints of its own frames.

Core slices a window's latents, masks and texts, but gives every window the hints of the clip's first frames.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from comfy.controlnet import ControlBase

from .context_windows import cycled

Conds = list[list[dict[str, Any]] | None]


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
