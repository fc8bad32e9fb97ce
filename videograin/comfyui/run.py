"""One sampling run: created when sampling starts, dropped when it ends, whatever happens in between.

The five wrappers below are ComfyUI's own extension points. OUTER_SAMPLE validates the plan and owns the run,
SAMPLER_SAMPLE learns which prompt each chunk of a batch will belong to, PREDICT_NOISE looks at the source and blends,
CALC_COND_BATCH cuts hints to a context window, DIFFUSION_MODEL puts the attention dispatchers on a private copy of the
transformer options, around whatever other packs put there, and hooks on what has no attention.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core import st_layout
from ..core.cells import on_cells
from ..core.cross_frame import OWN
from ..core.flatten import paths, token_steps
from ..core.latent_blend import (
    FIXED,
    IRJS,
    PATHS,
    PROGRESSIVE,
    blend_mask,
    mix,
    next_level,
    progressive_mask,
    remaining,
    towards,
)
from ..core.phrase_tokens import Binding
from ..core.reatco import carried
from ..core.regions import Grid, Regions, clip_masks, membership
from ..core.schedule import Schedule, of_shares
from ..core.st_layout import Layout, Seen
from ..features.fatezero_fusion import CrossFuser, SelfFuser
from ..features.place_objects import Placer
from ..features.pnp_injection import Injector
from . import checks
from .attention import Call
from .finite import require_finite
from .module_hooks import hooked
from .other_packs import TWICE
from .plan import (
    KEY,
    Anchors,
    Blend,
    CrossFusion,
    Injection,
    KeySets,
    Motion,
    Placement,
    Probe,
    Record,
    SelfFusion,
    STLayout,
    anchored,
    find,
    key_sets,
)
from .progress import Notes
from .prompts import binding_of
from .source_pass import CONDS, ROLE, Reader, Source
from .validate import Site, attention_sites, stopping_level, training_timestep
from .window_hints import Hints

RUN = "videograin_run"
NOTES = "videograin_notes"  # of a node that samples within its work


@dataclass(frozen=True, eq=False)
class Chunk:
    """What one chunk of a batch is, known by its uuid, never by its position.

    role: "negative" for the unconditional half, "source" for a source itself, else "positive". name: of its prompt, as
    the guider calls it. area: (h, w, y, x) in latent cells, or None. binding: regions and tokens of its own prompt, or
    None. tokens: length of its own text. start, end: the noise levels between which the prompt acts. source: whose
    clip it shows, or None.
    """

    role: str
    name: str
    area: tuple[int, ...] | None
    binding: Binding | None
    tokens: int
    start: float
    end: float
    source: Source | None = None


class Run:
    """State of one run: what the plan means for this latent, these prompts, this sigma list."""

    def __init__(
        self, guider: Any, plan: tuple[Record, ...], noise: Tensor, latent: Tensor, sampler: Any, sigmas: Tensor,
        seed: int | None,
    ):  # fmt: skip
        self.plan = plan
        self.key_sets: KeySets = key_sets(plan)
        self.motion: Motion | None = find(plan, Motion)
        st: STLayout | None = find(plan, STLayout)
        self.settings = st.settings if st and not st.settings.neutral else None
        self.blend: Blend | None = find(plan, Blend)
        probe: Probe | None = find(plan, Probe)
        self.observer = probe.observer if probe else None
        self.model = guider.model_patcher.model
        self.attend = st_layout.attention_on(guider.model_patcher.load_device)
        self.frames, self.height, self.width = latent.shape[0], latent.shape[-2], latent.shape[-1]
        self.cells = self.height, self.width
        self.anchoring: Anchors | None = anchored(plan)
        self.anchors = self.anchoring.of(self.frames) if self.anchoring else ()
        self.sigmas = [float(sigma) for sigma in sigmas]
        self.noise, self.seed = noise, seed or 0
        self.stop = stopping_level(sampler, self.sigmas)
        self.hints = Hints(self.frames)
        bindings = [binding_of(cond) for cond in guider.conds.get("positive", [])]
        self.regions: Regions = tuple(region for b in dict.fromkeys(bindings) if b for region in b.regions)
        self.sites: list[Site] = attention_sites(self.model.diffusion_model)
        self.sources: list[Source] = []
        self.injector: Injector | None = self._reader(Injector, Injection)
        self.self_fuser: SelfFuser | None = self._reader(SelfFuser, SelfFusion)
        self.cross_fuser: CrossFuser | None = self._reader(CrossFuser, CrossFusion)
        placement: Placement | None = find(plan, Placement)
        self.placer = Placer(self, placement) if placement and not placement.neutral else None
        self.chunks: dict[uuid.UUID, Chunk] = {}
        self.notes: Notes = guider.model_options["transformer_options"].get(NOTES) or Notes()
        self.wrapper: Any = guider.model_options.get("model_function_wrapper")
        self.shown: Tensor | None = None  # to ComfyUI's batching: the clip or a window of it, (f, c, h, w)
        self.asked: set[Site] = set()  # where another pack's cross-attention is known
        self._layouts: dict[tuple, Layout] = {}
        self._covered: dict[tuple, Tensor] = {}
        self._paths: dict[tuple, Tensor] = {}
        self._mask: Tensor | None = None

    @property
    def placed(self) -> bool:
        """Whether something has its place in the whole picture, and would be wrong in a part of it."""
        return bool(self.settings or self.motion or self.sources or self.observer or self.placer)

    @property
    def across(self) -> list[str]:
        """The nodes that need to know which frame is which."""
        looking = [record.node for record in self.plan if not isinstance(record, Blend)]
        return looking if self.placed or self.anchors or self.key_sets.describe() != OWN else []

    def shown_to_network(self, sigma: Tensor | None, x: Tensor) -> Tensor | None:
        """What ComfyUI was to show, as the network's input x has it: scaled to sigma, in x's dtype; None if unknown."""
        if self.shown is None or sigma is None:
            return None
        return self.model.model_sampling.calculate_input(sigma[:1].to(self.shown), self.shown).to(x)

    def warn_once(self, message: str, about: str | None = None) -> None:
        """about: what a message tells of, where its words differ from one time to the next."""
        self.notes.add(message, about)

    def _reader(self, kind: type[Reader], record: type) -> Any:
        found = find(self.plan, record)
        return kind(self, found) if found and not found.neutral else None

    def source(self, record: Any, pairing: str) -> Source:
        """The source a record reads: the one there is, where another record reads it alike."""
        for source in self.sources:
            same = source.inversion is record.inversion and source.conditioning is record.conditioning
            if same and source.pairing == pairing:
                return source
        self.sources.append(Source(record.inversion, record.conditioning, pairing, record.node))
        return self.sources[-1]

    def learn_chunks(self, guider: Any) -> None:
        """Reads the final list of conditionings; ComfyUI completes it just before the sampler starts.

        Raises ValueError where the sampler starts a second time: regions and paths are those of one run from the start.
        """
        if self.chunks and (self.placed or self.blend):
            raise ValueError(TWICE)
        for name, conds in guider.conds.items():
            if name == CONDS:  # a source has its prompt prepared apart, as it was while inverting
                continue
            for cond in conds:
                # A side completed with an area of the other keeps that one's uuid and notes, under its own text:
                # it gets a uuid of its own, and the notes about words do not hold.
                completed = cond["uuid"] in self.chunks
                if completed:
                    cond["uuid"] = uuid.uuid4()
                role = "negative" if "negative" in name else "positive"
                self._learn(cond, role, name, None if completed else binding_of(cond))
        areas = {chunk.area for chunk in self.chunks.values()}
        for source in self.sources:
            for cond in source.prepare(guider, areas):
                self._learn(cond, ROLE, CONDS, None, source)

    def _learn(
        self, cond: dict[str, Any], role: str, name: str, binding: Binding | None, source: Source | None = None
    ) -> None:
        text = cond.get("cross_attn")
        self.chunks[cond["uuid"]] = Chunk(
            role=role,
            name=name,
            area=tuple(cond["area"]) if "area" in cond else None,
            binding=binding,
            tokens=0 if text is None else text.shape[1],
            start=float(cond.get("timestep_start", float("inf"))),
            end=float(cond.get("timestep_end", 0.0)),
            source=source,
        )

    def binding_at(self, sigma: float) -> Binding | None:
        """The regions in force at a noise level for prompts that bring none: the first positive prompt's that acts."""
        acting = (c.binding for c in self.chunks.values() if c.role == "positive" and c.end <= sigma <= c.start)
        return next((binding for binding in acting if binding and binding.regions), None)

    def schedule(self, start_percent: float, end_percent: float) -> Schedule:
        """The noise levels between two shares of the noise schedule."""
        return of_shares(start_percent, end_percent, self.model.model_sampling.percent_to_sigma)

    def decay(self, sigma: Tensor) -> float:
        """tau^power at this noise level; 0 once the modulated part of the schedule is over."""
        if self.settings is None:
            return 0.0
        if not self.schedule(0.0, self.settings.end_percent).active(float(sigma)):
            return 0.0
        return st_layout.decay(training_timestep(self.model.model_sampling, sigma), self.settings)

    def layout(
        self, binding: Binding, area: tuple[int, ...] | None, indices: tuple[int, ...], grid: Grid, seen: Seen | None
    ) -> Layout:
        """The regions on one level's tokens, read once per run; seen, as in st_layout.layout."""
        key = (id(binding), area, indices, grid, seen)
        if key not in self._layouts:
            masks = self._masks(binding, area, indices)
            strengths = torch.tensor([region.strength for region in binding.regions])
            self._layouts[key] = st_layout.layout(masks, strengths, grid, self.settings, seen)
        return self._layouts[key]

    def covered(self, binding: Binding, area: tuple[int, ...] | None, indices: tuple[int, ...], grid: Grid) -> Tensor:
        """(frames, tokens) bool: what the regions cover of one level's tokens, read once per run."""
        key = (id(binding), area, indices, grid)
        if key not in self._covered:
            rule = self.settings.token_rule if self.settings else st_layout.DEFAULT.token_rule
            masks = self._masks(binding, area, indices)
            self._covered[key] = membership(masks, grid, rule).any(0).flatten(1)
        return self._covered[key]

    def _masks(self, binding: Binding, area: tuple[int, ...] | None, indices: tuple[int, ...]) -> Tensor:
        masks = clip_masks(binding.regions, self.frames, self.cells)[:, list(indices)]
        return self._crop(masks, area)

    def paths(self, area: tuple[int, ...] | None, indices: tuple[int, ...], grid: Grid) -> Tensor:
        """(P, frames) the motion paths on one level's tokens, of a window's frames, read once per run."""
        key = (area, indices, grid)
        if key not in self._paths:
            flow, hidden = self.motion.flow, self.motion.hidden
            # As a picture's axes, (pairs, H, W), which are cut as masks are.
            flow = torch.stack([self._crop(axis, area) for axis in flow.unbind(-1)], -1)
            hidden = None if hidden is None else self._crop(hidden, area)
            if hidden is not None:
                hidden = torch.nn.functional.interpolate(hidden[None].float(), grid[1:], mode="nearest")[0] > 0
            found = paths(token_steps(flow, grid.height, grid.width), hidden)[:, list(indices)]
            self._paths[key] = found[(found >= 0).sum(1) > 1]
        return self._paths[key]

    def _crop(self, masks: Tensor, area: tuple[int, ...] | None) -> Tensor:
        """What the latent, or an area of it, shows of masks, (..., H, W) pixels."""
        masks = on_cells(masks, self.cells)
        if area is None:
            return masks
        high, wide = masks.shape[-2] / self.height, masks.shape[-1] / self.width
        h, w, y, x = area
        return masks[..., round(y * high) : round((y + h) * high), round(x * wide) : round((x + w) * wide)]

    def blend_mask(self) -> Tensor:
        """(frames or 1, 1, h, w) float32 on the CPU: 1 where the edit may happen."""
        if self._mask is None:
            masks = self.blend.mask
            if masks is None:
                masks = clip_masks(self.regions, self.frames, self.cells).any(0)
            self._mask = blend_mask(
                self._crop(masks, None), self.height, self.width, self.blend.grow, self.blend.feather
            )
        return self._mask

    def mask_at(self, sigma: float) -> Tensor:
        """The blend mask in force at a noise level."""
        mask = self.blend_mask()
        if self.blend.mode != PROGRESSIVE:
            return mask
        # An edit sampled in two runs is that of one: the boundary follows the inversion's levels where there are some.
        levels = self.sigmas if self.blend.inversion is None else self.blend.inversion.sigmas.tolist()
        return progressive_mask(mask, self.blend.boundary * remaining(sigma, levels))

    def kept_at(self, sigma: float) -> Tensor:
        """What of a latent at a noise level is the edit's; a progressive ramp comes mixed from the step before."""
        mask = self.mask_at(sigma)
        return (mask > 0).to(mask) if self.blend.mode == PROGRESSIVE else mask

    @property
    def blending(self) -> Schedule:
        return self.schedule(self.blend.start_percent, self.blend.end_percent)

    def background(self, sigma: float, x: Tensor) -> Tensor:
        """The source as the sampler holds it at sigma, on x's device."""
        if self.blend.mode in PATHS:
            return self._path(sigma, x)
        source = self.model.process_latent_in(self.blend.source).to(x)
        # The released code pastes at the level before the step; at the level the model is told, nothing is left over.
        level = min(range(len(self.sigmas)), key=lambda i: abs(self.sigmas[i] - sigma))
        if self.blend.mode == IRJS and self.blend.noise == FIXED:
            if torch.count_nonzero(self.noise):
                return source + sigma * self.noise.to(x)
            level = 0  # this seed's own noise, which the plain KSampler starts from
        generator = torch.Generator().manual_seed((self.seed + level) % 2**63)
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float32)
        return source + sigma * noise.to(x)

    def background_denoised(self, sigma: float, x: Tensor) -> Tensor:
        """The x_0 that leads a deterministic sampler from x onto the source's path."""
        if self.blend.mode not in PATHS:
            return self.model.process_latent_in(self.blend.source).to(x)
        lower = goal = next_level(sigma, self.sigmas)
        if self.stop is not None:  # straight to the end, which solvers of every order and step length follow exactly
            lower, goal = (self.stop if sigma > self.stop * (1 + 1e-5) else 0.0), self.sigmas[-1]
        return towards(self._path(goal, x), x, lower / sigma)

    def _path(self, sigma: float, x: Tensor) -> Tensor:
        """The source at sigma on its one path: the inverted one, else under the noise that the sampler itself starts from."""
        if self.blend.inversion is not None:
            return self.blend.inversion.at(sigma).to(x)
        return self.model.process_latent_in(self.blend.source).to(x) + sigma * self.noise.to(x)

    def paste(self, samples: Tensor) -> Tensor:
        """Puts the source's own latents outside the mask of the finished edit."""
        last = self.sigmas[-1]
        if self.blend.mode == IRJS or not self.blending.reaches(last):
            return samples
        source, mask = self.blend.source, self.blend_mask()
        if last > 0:  # another run may go on from here
            source, mask = self.model.process_latent_out(self.background(last, samples)), self.kept_at(last)
        return mix(mask.to(samples.device), samples, source.to(samples))


def _options(args: tuple, kwargs: dict) -> dict | None:
    """The transformer options among a wrapper's arguments, wherever this ComfyUI version passes them."""
    return next((a for a in (*args, *kwargs.values()) if isinstance(a, dict) and RUN in a), None)


def outer_sample(executor, noise, latent_image, sampler, sigmas, denoise_mask=None, *args, **kwargs):
    guider = executor.class_obj
    options = guider.model_options["transformer_options"]
    seed = kwargs.get("seed", args[2] if len(args) > 2 else None)
    run = Run(guider, options.get(KEY, ()), noise, latent_image, sampler, sigmas, seed)
    checks.check(run, guider, sampler, noise, latent_image, denoise_mask)
    for source in run.sources:
        source.announce(guider)
    options[RUN] = run
    _reorder(options["wrappers"])
    _uncompile(run, options["wrappers"])
    try:
        # A copy: uni_pc writes into the list, which may be a node's cached output.
        samples = executor(noise, latent_image, sampler, sigmas.clone(), denoise_mask, *args, **kwargs)
    finally:
        del options[RUN]
    return run.paste(samples) if run.blend else samples


def _reorder(wrappers: dict) -> None:
    """Innermost around the network, to see everybody's patches; outermost around a step, to blend skipped ones too."""
    inner = wrappers["diffusion_model"]
    inner[KEY] = inner.pop(KEY)
    outer = wrappers["predict_noise"]
    ours = outer.pop(KEY)
    others = dict(outer)
    outer.clear()
    outer.update({KEY: ours, **others})


def _uncompile(run: Run, wrappers: dict) -> None:
    """Keeps torch.compile from reusing one call's dispatchers: core's node drops the guards that would notice."""
    if "torch.compile" in wrappers.get("apply_model", {}):
        wrappers["diffusion_model"][KEY] = [torch.compiler.disable(diffusion_model)]
        run.warn_once(
            "The sampler's MODEL is compiled (TorchCompileModel), but what this pack does in the network changes from step "
            "to step, so it runs uncompiled here: the same result, at its ordinary speed."
        )


def sampler_sample(executor, guider, *args, **kwargs):
    run = guider.model_options["transformer_options"].get(RUN)
    if run is not None:
        run.learn_chunks(guider)
    return executor(guider, *args, **kwargs)


def calc_cond_batch(executor, model, conds, x, timestep, model_options, *args, **kwargs):
    options = model_options.get("transformer_options", {})
    run: Run | None = options.get(RUN)
    if run is None:
        return executor(model, conds, x, timestep, model_options, *args, **kwargs)
    if "context_window" in options:
        conds = run.hints.windowed(conds, options["context_window"])
    run.shown = x
    try:
        return executor(model, conds, x, timestep, model_options, *args, **kwargs)
    finally:
        run.shown = None


def predict_noise(executor, x, timestep, model_options=None, *args, **kwargs):
    run: Run | None = (model_options or {}).get("transformer_options", {}).get(RUN)
    if run is None:
        return executor(x, timestep, model_options, *args, **kwargs)
    sigma, guider = float(timestep.flatten()[0]), executor.class_obj
    moved = run.placer.moved(sigma, guider, x, model_options) if run.placer else x
    with ExitStack() as looking:
        for source in run.sources:
            looking.enter_context(source.seen_at(sigma, guider, x, model_options))
        denoised = _blended(run, sigma, executor, moved, timestep, model_options, *args, **kwargs)
    require_finite(denoised, sigma, run.sigmas)
    return denoised if moved is x else carried(denoised, moved, x, sigma, run.sigmas)


def _blended(run: Run, sigma: float, executor, x, timestep, model_options, *args, **kwargs):
    if run.blend is None or not run.blending.active(sigma):
        return executor(x, timestep, model_options, *args, **kwargs)
    mask = run.mask_at(sigma).to(x.device)
    shown = mix(run.kept_at(sigma).to(x.device), x, run.background(sigma, x)) if (mask < 1).any() else x
    denoised = executor(shown, timestep, model_options, *args, **kwargs)
    if run.blend.mode == IRJS:  # what is outside is replaced before each evaluation, and at the end the model's own
        return denoised
    return mix(mask, denoised, run.background_denoised(sigma, x)) if (mask < 1).any() else denoised


def diffusion_model(executor, *args, **kwargs):
    options = _options(args, kwargs)
    if options is None:
        return executor(*args, **kwargs)
    run: Run = options[RUN]
    placing = run.placer is not None and run.placer.look is not None
    call = run.placer.call(options, args[0]) if placing else Call(run, options, x=args[0])
    context = args[2] if len(args) > 2 else kwargs.get("context")
    call.text = 0 if context is None else context.shape[1]
    patched = call.patched_options()
    args = tuple(patched if a is options else a for a in args)
    kwargs = {name: patched if a is options else a for name, a in kwargs.items()}
    if placing:
        return run.placer.measure(call, executor, args, kwargs)
    with hooked(call, executor.class_obj):
        return executor(*args, **kwargs)
