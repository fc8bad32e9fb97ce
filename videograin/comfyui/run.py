"""One sampling run: created when sampling starts, dropped when it ends, whatever happens in between.

It knows the clip, the model, the prompts and the noise levels, and asks each record of the plan what it means here. What
features do is theirs; wrappers.py says when they are asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..backbones import registry
from ..backbones.base import Backbone, Geometry, Site
from ..core.cells import on_cells
from ..core.cross_frame import KeySets
from ..core.phrase_tokens import Binding, binding_of
from ..core.regions import Grid, Regions, TokenRule, membership
from ..core.schedule import Schedule, of_shares
from ..features.base import Feature, left_out, region_masks, require_region_masks
from ..features.engine import Area, Cond, Half, Start, Step, extent
from ..features.source_reader import SourceReader
from .context_windows import Hints
from .other_packs import TWICE
from .plan import Plan, acting, key_sets
from .progress import Editing, Notes
from .source_pass import CONDS, Source, call_network
from .validate import training_timestep

RUN = "videograin_run"
NOTES = "videograin_notes"  # of a node that samples within its work


class Run:
    """What a plan means for this latent, these prompts, this list of noise levels."""

    def __init__(self, guider: Any, plan: Plan, start: Start):
        options = guider.model_options
        self.plan, self.start = plan, start
        self.model: Any = guider.model_patcher.model
        self.network: Any = self.model.diffusion_model
        self.device: torch.device = guider.model_patcher.load_device
        self.backbone: Backbone = registry.of(self.network)
        self.key_sets: KeySets = key_sets(plan, self.backbone)
        self.geometry: Geometry = self.backbone.geometry(tuple(start.noise.shape))
        self.sites: dict[Site, int] = self.backbone.sites(self.network)
        self.windowed = options.get("context_handler") is not None
        self.caches = frozenset(key for by_key in guider.model_patcher.wrappers.values() for key in by_key)
        self.prompts: dict[str, list[dict[str, Any]]] = guider.conds
        bindings = dict.fromkeys(map(binding_of, guider.conds.get("positive", [])))
        self.regions: Regions = tuple(region for binding in bindings if binding for region in binding.regions)
        given: Notes | None = options["transformer_options"].get(NOTES)
        self.notes: Notes = given or Notes()
        # A node that samples within its own work tells of its steps itself.
        self.editing = Editing(start, self.notes) if given is None else None
        self.wrapper: Any = options.get("model_function_wrapper")
        self.hints = Hints(self.geometry.frames)
        self.conds: dict[uuid.UUID, Cond] = {}
        self.shown: Tensor | None = None  # to ComfyUI's batching: the clip or a window of it, in the latent's shape
        self.asked: set[Site] = set()  # where another pack's cross-attention is known
        self.watcher: Any = None  # of a call that a feature makes for itself
        self.sources: list[Source] = []
        self._covered: dict[tuple, Tensor] = {}
        self.features: list[Feature] = [record.bind(self) for record in acting(plan)]

    # ---- the clip ----------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        return self.geometry.frames

    @property
    def cells(self) -> tuple[int, int]:
        return self.geometry.cells

    def crop(self, masks: Tensor, area: Area) -> Tensor:
        """What the latent, or an area of it, shows of masks, (..., H, W) pixels."""
        masks = on_cells(masks, self.cells, self.geometry.pixels)
        if area is None:
            return masks
        high, wide = masks.shape[-2] / self.cells[0], masks.shape[-1] / self.cells[1]
        h, w, y, x = area
        return masks[..., round(y * high) : round((y + h) * high), round(x * wide) : round((x + w) * wide)]

    def require_masks(self, regions: Regions) -> None:
        """Raises ValueError where a region's masks are not the clip's; tells of those that the VAE has cut."""
        require_region_masks(regions, self.geometry)
        for region in regions:
            self.tell_cut(f"The masks of region {region.name}", region.mask)

    def tell_cut(self, what: str, masks: Tensor) -> None:
        """what: the masks' name for the message."""
        if told := left_out(what, len(masks), self.geometry):
            self.warn(told, about="frames left out")

    def clip_masks(self, regions: Regions) -> Tensor:
        """(K, the clip's frames, H, W) bool. Raises ValueError as `require_masks`."""
        return region_masks(regions, self.geometry)

    def masks(self, binding: Binding, area: Area, indices: tuple[int, ...]) -> Tensor:
        """(K, frames, H, W) bool, or float where a latent frame shows several: a prompt's regions in some of the latent's frames."""
        shares = self.geometry.share(self.clip_masks(binding.regions))[:, list(indices)]
        return self.geometry.whole_tokens(self.crop(shares, area), extent(area, *self.cells))

    def covered(self, binding: Binding, area: Area, indices: tuple[int, ...], grid: Grid) -> Tensor:
        """(frames, tokens) bool: what the regions cover of one level's tokens, read once per run."""
        key = (binding, area, indices, grid)
        if key not in self._covered:
            rules = (feature.token_rule for feature in self.features if feature.token_rule)
            masks = self.masks(binding, area, indices)
            self._covered[key] = membership(masks, grid, next(rules, TokenRule.AREA)).any(0).flatten(1)
        return self._covered[key]

    def first_noise(self, latent: Tensor) -> Tensor:
        """The sampler's noise; where it adds none, but starts at a level at which core takes nothing of the latent, the
        noise that has it start where the latent stands.
        """
        path, first, noise = self.backbone.path, self.start.sigmas[0], self.start.noise
        if first <= path.top or torch.count_nonzero(noise):
            return noise
        return path.noise_to(self.standing(latent, first), self.into_model(latent), first).to(noise)

    def standing(self, latent: Tensor, sigma: float) -> Tensor:
        """Where a LATENT stands at a noise level, as the sampler has it."""
        return self.backbone.path.taken_up(self.into_model(latent), sigma)

    def into_model(self, latent: Tensor) -> Tensor:
        return self.model.process_latent_in(latent)

    def out_of_model(self, x: Tensor, sigma: float = 0.0) -> Tensor:
        return self.model.process_latent_out(self.backbone.path.handed_over(x, sigma))

    # ---- noise levels ------------------------------------------------------------------------------------------------

    def schedule(self, start_percent: float, end_percent: float) -> Schedule:
        """The noise levels between two shares of the noise schedule."""
        return of_shares(start_percent, end_percent, self.model.model_sampling.percent_to_sigma)

    def timestep(self, sigma: float) -> float:
        """The training step, 0 to 999."""
        return training_timestep(self.model.model_sampling, torch.tensor(sigma))

    # ---- features ----------------------------------------------------------------------------------------------------

    @property
    def placed(self) -> bool:
        """Whether something has its place in the whole picture, and would be wrong in a part of it."""
        return any(feature.placed for feature in self.features)

    @property
    def once(self) -> bool:
        """Whether the sampler may start only once."""
        return any(feature.placed or feature.once for feature in self.features)

    @property
    def across(self) -> list[str]:
        """The nodes that need to know which frame is which."""
        looking = [feature.record.node for feature in self.features if feature.looks_across]
        joined = self.key_sets.describe() != self.backbone.own_key_set
        return looking or [record.node for record in self.plan if joined and record.wants_all_frames]

    def step(self, step: Step, x: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
        """The prediction for x, with every feature around the network's."""
        for feature in reversed(self.features):
            network = partial(feature.step, step, denoise=network)
        return network(x)

    def editable(self, sigma: float, x: Tensor) -> Tensor:
        """Where the latent is the edit's at a noise level, on x's device."""
        masks = (feature.editable(sigma) for feature in self.features)
        return next((mask.to(x) for mask in masks if mask is not None), x.new_ones(1))

    def finish(self, samples: Tensor) -> Tensor:
        for feature in self.features:
            samples = feature.finish(samples)
        return samples

    def drop(self) -> None:
        """Lets go of what holds the run, so that nothing of it waits for Python's collector of cycles."""
        for source in self.sources:
            source.readers.clear()
        for held in (self.features, self.sources, self.conds):
            held.clear()

    def warn(self, message: str, about: str | None = None) -> None:
        """about: what a message tells of, where its words differ from one time to the next."""
        self.notes.add(message, about)

    def look(self, step: Step, x: Tensor, watcher: Feature) -> None:
        """Shows the network x under the positive prompt that acts, with a watcher in the place of what edits."""
        acting = [cond for cond in step.guider.conds["positive"] if self._acts(cond, step.sigma)]
        self.watcher = watcher
        try:
            timestep = x.new_full((len(x),), step.sigma)
            call_network(step.guider.inner_model, acting[:1], x, timestep, step.options)
        finally:
            self.watcher = None

    def _acts(self, cond: dict[str, Any], sigma: float) -> bool:
        found = self.conds.get(cond["uuid"])
        return found is not None and found.acts(sigma)

    # ---- prompts and sources -----------------------------------------------------------------------------------------

    def source(self, reader: SourceReader, pairing: str) -> Source:
        """The source that a feature is to read: the one there is, where another reads it alike."""
        record = reader.record
        given = record.origin, record.source_prompt, pairing
        found = next((source for source in self.sources if source.is_of(*given)), None)
        if found is None:
            found = Source(*given, record.node)
            self.sources.append(found)
        found.readers.append(reader)
        return found

    def learn_conds(self, guider: Any) -> None:
        """Reads the final list of conditionings; ComfyUI completes it just before the sampler starts.

        Raises ValueError where the sampler starts a second time: regions and paths are those of one run from the start.
        """
        if self.conds and self.once:
            raise ValueError(TWICE)
        for name, conds in guider.conds.items():
            if name == CONDS:  # a source has its prompt prepared apart, as it was while inverting
                continue
            for cond in conds:
                # A side completed with an area of the other keeps that one's uuid and notes, under its own text:
                # it gets a uuid of its own, and the notes about words do not hold.
                completed = cond["uuid"] in self.conds
                if completed:
                    cond["uuid"] = uuid.uuid4()
                half = Half.NEGATIVE if "negative" in name else Half.POSITIVE
                self._learn(cond, half, name, None if completed else binding_of(cond))
        areas = {cond.area for cond in self.conds.values()}
        for source in self.sources:
            for cond in source.prepare(guider, areas):
                self._learn(cond, Half.SOURCE, CONDS, None, source)

    def _learn(
        self, cond: dict[str, Any], half: Half, name: str, binding: Binding | None, source: Source | None = None
    ) -> None:
        text = cond.get("cross_attn")
        self.conds[cond["uuid"]] = Cond(
            half=half,
            name=name,
            area=self._area(cond),
            binding=binding,
            tokens=0 if text is None else text.shape[1],
            start=float(cond.get("timestep_start", float("inf"))),
            end=float(cond.get("timestep_end", 0.0)),
            source=source,
            padding=None if text is None else self.backbone.padding(text),
        )

    def _area(self, cond: dict[str, Any]) -> Area:
        """A prompt's area in the picture. Raises ValueError where it is of some frames only."""
        if "area" not in cond:
            return None
        dims = len(cond["area"]) // 2
        size, place = cond["area"][:dims], cond["area"][dims:]
        if dims > 2 and self.placed and (place[0] > 0 or size[0] < self.frames):
            raise ValueError(
                "A prompt's area is of some frames only (Conditioning Set Area Percentage Video with `temporal` below 1), but "
                "regions and sources are of the whole clip. Set `temporal` to 1 and `z` to 0."
            )
        return (*size[-2:], *place[-2:])

    def binding_at(self, sigma: float) -> Binding | None:
        """The regions in force at a noise level for prompts that bring none: the first positive prompt's that acts."""
        acting = (c.binding for c in self.conds.values() if c.half == Half.POSITIVE and c.acts(sigma))
        return next((binding for binding in acting if binding and binding.regions), None)

    def shown_to_network(self, sigma: Tensor | None, x: Tensor) -> Tensor | None:
        """What ComfyUI was to show, (f, C, h, w), as the network's input x has it: scaled, in x's dtype; None if unknown."""
        if self.shown is None or sigma is None:
            return None
        scaled = self.model.model_sampling.calculate_input(sigma[:1].to(self.shown), self.shown).to(x)
        return self.backbone.clip(scaled, 0, self.backbone.frames_of(scaled, 1)[0])
