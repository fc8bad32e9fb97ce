"""The source clip inside an edit: what the network makes of it, computed anew at each step that needs it.

An INVERSION holds no features, only the path Z(sigma). Before a step's ordinary evaluation the network sees Z(sigma) under the
source's own prompt, through ComfyUI's own batching, so that ControlNet, LoRA and context windows act as they do in the
edit. What it makes of the source at chosen places is kept for that one evaluation and dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import comfy.samplers
import torch
from comfy.sampler_helpers import convert_cond
from comfy.samplers import process_conds
from torch import Tensor

from ..backbones import registry
from ..core.inversion_record import Inversion
from ..features.engine import Area, Step
from ..features.source_reader import Place, SourceReader

if TYPE_CHECKING:
    from comfy.model_base import BaseModel

CONDS = "videograin_source"  # the sources' prompts among the guider's
GUIDANCE = (  # what a sampling function does besides calling the network with the prompts
    "sampler_calc_cond_batch_function", "sampler_pre_cfg_function", "sampler_cfg_function", "sampler_post_cfg_function",
    "disable_cfg1_optimization",
)  # fmt: skip
Window = tuple[int, ...]  # the clip's frames in a model call


class Source:
    """One run's view of its source, for all features that read it under the same prompt in the same way.

    pairing: one of inversion_record.PAIRINGS. reading: where each feature reads now; empty between two evaluations.
    """

    def __init__(self, inversion: Inversion, conditioning: list, pairing: str, node: str):
        self.inversion, self.conditioning, self.pairing, self.node = inversion, conditioning, pairing, node
        self.conds = convert_cond(conditioning)
        self.readers: list[SourceReader] = []
        self.reading: dict[SourceReader, frozenset[Place]] = {}
        self._ready: dict[Area, list[dict[str, Any]]] = {}
        self._features: dict[tuple[Place, Area], dict[Window, tuple[Tensor, ...]]] = {}

    @property
    def places(self) -> frozenset[Place]:
        """Where tensors are kept now."""
        return frozenset().union(*self.reading.values())

    def is_of(self, inversion: Inversion, conditioning: list, pairing: str) -> bool:
        return self.inversion is inversion and self.conditioning is conditioning and self.pairing == pairing

    def announce(self, guider: Any) -> None:
        """Puts the source's prompt among the guider's, for ComfyUI to load and clean up what it brings (ControlNet)."""
        guider.conds[CONDS] = [*guider.conds.get(CONDS, []), *(cond.copy() for cond in self.conds)]

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
    def seen_at(self, step: Step, x: Tensor) -> Iterator[None]:
        """Has the source at hand for one evaluation of the edit: what its readers want is held until then."""
        path = registry.of(step.guider.inner_model.diffusion_model).path
        latent, level = self.inversion.paired(step.sigma, self.pairing, path)
        if level > 0:  # else there is no eps, and nothing to look at
            self.reading = {reader: reader.places_at(step.sigma) for reader in self.readers}
        try:
            if self.places:
                self._look(latent.to(x), level, step)
            yield
        finally:
            self.reading = {}  # a call between two evaluations, as a feature may make, has no source
            self._features.clear()

    def _look(self, shown: Tensor, level: float, step: Step) -> None:
        acting = ([c for c in conds if _end(c) <= level <= _start(c)][:1] for conds in self._ready.values())
        timestep = shown.new_full((len(shown),), level)
        call_network(step.guider.inner_model, list(chain.from_iterable(acting)), shown, timestep, step.options)

    def keep(self, place: Place, area: Area, window: Window, tensors: tuple[Tensor, ...]) -> None:
        """Tensors of one cond of the source, (frames of the window, ...) each."""
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


def call_network(model: BaseModel, conds: list[dict[str, Any]], x: Tensor, timestep: Tensor, options: dict) -> None:
    """Shows the network x under some conditionings, through the function a sampler asks.

    AnimateDiff-Evolved puts its own in that function's place, which prepares its windows. What other nodes do to guidance
    is left out, for some of it calls the network more often.
    """
    plain = {name: value for name, value in options.items() if name not in GUIDANCE}
    comfy.samplers.sampling_function(model, x, timestep, None, conds, 1.0, plain)


def _start(cond: dict[str, Any]) -> float:
    return float(cond.get("timestep_start", float("inf")))


def _end(cond: dict[str, Any]) -> float:
    return float(cond.get("timestep_end", 0.0))
