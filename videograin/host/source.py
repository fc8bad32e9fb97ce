"""The source clip inside an edit: what the network makes of it, computed anew at each step that needs it.

An INVERSION holds no features, only the path Z(σ). Before a step's ordinary evaluation the network sees Z(σ) under the
source's own prompt, through ComfyUI's own batching, so that ControlNet, LoRA and context windows act as they do in the
edit. What it makes of the source at chosen places is kept for that one evaluation and dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, combinations
from typing import Any

import torch
from comfy.sampler_helpers import convert_cond
from comfy.samplers import calc_cond_batch, process_conds
from torch import Tensor

from ..trajectory import Inversion

ROLE = "source"  # of a chunk that shows the source
CONDS = "videograin_source"  # the source's prompt among the guider's

Place = tuple  # a kind of tensor and its address, as in ("attn1", "output", 4, 0)
Area = tuple[int, ...] | None
Window = tuple[int, ...]  # the clip's frames in a model call


class Source:
    """One run's view of its source. places: where tensors are kept now; empty between two evaluations."""

    def __init__(self, inversion: Inversion, conditioning: list, node: str):
        self.inversion, self.node = inversion, node
        self.conds = convert_cond(conditioning)
        self.places: frozenset[Place] = frozenset()
        self._ready: dict[Area, list[dict[str, Any]]] = {}
        self._features: dict[tuple[Place, Area], dict[Window, tuple[Tensor, ...]]] = {}

    def announce(self, guider: Any) -> None:
        """Puts the source's prompt among the guider's, for ComfyUI to load and clean up what it brings (ControlNet)."""
        guider.conds[CONDS] = [cond.copy() for cond in self.conds]

    def prepare(self, guider: Any, areas: set[Area]) -> list[dict[str, Any]]:
        """Has ComfyUI encode the source's prompt as it did in the inversion, once for each area the edit's prompts have.

        Returns its conditionings, each with a uuid of its own. Raises ValueError where several act at once.
        """
        model, device = guider.inner_model, guider.model_patcher.load_device
        latent = model.process_latent_in(self.inversion.source).to(device, torch.float32)
        for area in areas:
            conds = [{**cond, "uuid": uuid.uuid4(), **({"area": area} if area else {})} for cond in self.conds]
            self._ready[area] = process_conds(
                model, torch.zeros_like(latent), {"positive": conds}, device, latent_image=latent, seed=0
            )["positive"]
        for first, second in combinations(next(iter(self._ready.values())), 2):
            if min(_start(first), _start(second)) > max(_end(first), _end(second)):
                raise ValueError(
                    f"{self.node}'s `conditioning` holds several prompts that act at the same time (Conditioning "
                    "Combine), and their features cannot be told apart. Connect one prompt, or prompts that follow one "
                    "another (Conditioning Set Timestep Range)."
                )
        return [cond for conds in self._ready.values() for cond in conds]

    @contextmanager
    def seen_at(self, sigma: float, places: frozenset[Place], guider: Any, x: Tensor, options: dict) -> Iterator[None]:
        """Shows the network the source at σ and holds its tensors at `places` until the block ends."""
        self.places = places
        try:
            if places:
                self._look(sigma, guider, x, options)
            yield
        finally:
            self.places = frozenset()
            self._features.clear()

    def _look(self, sigma: float, guider: Any, x: Tensor, options: dict) -> None:
        acting = ([c for c in conds if _end(c) <= sigma <= _start(c)][:1] for conds in self._ready.values())
        shown, timestep = self.inversion.at(sigma).to(x), x.new_full((len(x),), sigma)
        calc_cond_batch(guider.inner_model, [list(chain.from_iterable(acting))], shown, timestep, options)

    def keep(self, place: Place, area: Area, window: Window, tensors: tuple[Tensor, ...]) -> None:
        """Tensors of one chunk of the source, (frames of the window, ...) each."""
        self._features.setdefault((place, area), {})[window] = tensors

    def at(self, place: Place, area: Area, window: Window) -> tuple[Tensor, ...] | None:
        """What the network made of the source there: in the same window, else frame by frame; None if never seen."""
        windows = self._features.get((place, area), {})
        if window in windows:
            return windows[window]
        frames = {frame: (seen, i) for seen in reversed(windows) for i, frame in enumerate(seen)}
        if not set(window) <= set(frames):
            return None
        found = [[tensor[i] for tensor in windows[seen]] for seen, i in (frames[frame] for frame in window)]
        return tuple(torch.stack(tensors) for tensors in zip(*found, strict=True))


def _start(cond: dict[str, Any]) -> float:
    return float(cond.get("timestep_start", float("inf")))


def _end(cond: dict[str, Any]) -> float:
    return float(cond.get("timestep_end", 0.0))
