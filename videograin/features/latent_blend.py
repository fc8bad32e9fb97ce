"""Latent Blend (VideoGrain Eq. 7): outside the mask the edit follows the source, at every step and at the end.

The sampler's x is never written to. The network is shown the source at the right noise level, and the prediction
returned there leads a deterministic sampler onto the source's path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.inversion_record import Inversion
from ..core.latent_blend import (
    BOUNDARY,
    FIXED,
    FRESH,
    IRJS,
    PATHS,
    PROGRESSIVE,
    blend_mask,
    mix,
    progressive_mask,
    remaining,
    towards,
)
from ..core.noise_path import next_level
from ..core.samplers import is_random
from .base import NOISE_MASK, Claim, Claimed, Claims, Feature, Record, one_mask, one_of, size_of, warn_size
from .engine import Run, Step


@dataclass(frozen=True, eq=False)
class Blend(Record):
    """mode: one of latent_blend.MODES. inversion: needed by "inversion". source: LATENT samples, for "renoised" without one.
    mask: (frames or 1, H, W), None for the union of the bound regions. grow, feather: latent cells. start_percent,
    end_percent: share of the noise schedule in which the model is shown the source. noise: one of latent_blend.NOISES,
    for "irjs". boundary: widest reach of the edge in latent cells, for "progressive".
    """

    mode: str
    inversion: Inversion | None
    source: Tensor
    mask: Tensor | None
    grow: int
    feather: int
    start_percent: float
    end_percent: float
    noise: str = FRESH
    boundary: int = BOUNDARY

    node = "Latent Blend"
    order = 20
    on_latent = True

    @property
    def origin(self) -> Inversion | None:
        return self.inversion

    def bind(self, run: Run) -> Feature:
        return Blended(self, run)

    def claims(self) -> Claims:
        return {Claim.BACKGROUND: Claimed(self.start_percent, self.end_percent)}

    def of_frame(self, number: int, frames: int) -> Blend:
        source = one_of(self.source, number, frames, "Latent Blend's source")
        mask = self.mask if self.mask is None else one_mask(self.mask, number, frames, "Latent Blend's `mask`")
        return replace(self, inversion=self.inversion and self.inversion.of_frame(number), source=source, mask=mask)

    def uncuttable(self, node: str) -> str:
        return (
            f"{node}'s `model` has passed through Latent Blend, whose source is another clip than each chunk's. Connect the "
            f"MODEL from before that node, and set {node}'s own `blend`, `mask`, `grow` and `feather`."
        )


class Blended(Feature):
    once = True
    looks_across = False

    def __init__(self, record: Blend, run: Run):
        super().__init__(record, run)
        self.schedule = run.schedule(record.start_percent, record.end_percent)
        self._mask: Tensor | None = None

    # ---- Eq. 7 -----------------------------------------------------------------------------------------------------

    def step(self, step: Step, x: Tensor, denoise: Callable[[Tensor], Tensor]) -> Tensor:
        """Eq. 7 in x_0: the network is shown m * x + (1 - m) * source, the source under the noise of sigma; of its prediction
        what lies in the mask m is kept, and outside stands the x_0 that leads to the source's path.
        """
        sigma = step.sigma
        if not self.schedule.active(sigma):
            return denoise(x)
        mask = self._mask_at(sigma).to(x.device)
        if not (mask < 1).any():
            return denoise(x)
        denoised = denoise(mix(self._kept_at(sigma).to(x.device), x, self._background(sigma, x)))
        if self.record.mode == IRJS:  # outside, the source is put before each evaluation; the end is the model's own
            return denoised
        return mix(mask, denoised, self._background_denoised(sigma, x))

    def editable(self, sigma: float) -> Tensor | None:
        return self._mask_at(sigma) if self.schedule.active(sigma) else None

    def finish(self, samples: Tensor) -> Tensor:
        """Puts the source's own latents outside the mask of the finished edit."""
        last = self.run.start.sigmas[-1]
        if self.record.mode == IRJS or not self.schedule.reaches(last):
            return samples
        source, mask = self.record.source, self._whole_mask()
        if last > 0:  # another run may go on from here
            source, mask = self.run.out_of_model(self._background(last, samples), last), self._kept_at(last)
        return mix(mask.to(samples.device), samples, source.to(samples))

    # ---- the mask ----------------------------------------------------------------------------------------------------

    def _whole_mask(self) -> Tensor:
        """float32 on the CPU, with the latent's dimensions: 1 where the edit may happen; made once per run."""
        if self._mask is None:
            record, run = self.record, self.run
            masks = record.mask if record.mask is not None else run.clip_masks(run.regions).any(0)
            self._mask = blend_mask(run.crop(run.geometry.any(masks), None), *run.cells, record.grow, record.feather)
        return self.run.backbone.on_latent(self._mask)

    def _mask_at(self, sigma: float) -> Tensor:
        """The mask in force at a noise level."""
        mask = self._whole_mask()
        if self.record.mode != PROGRESSIVE:
            return mask
        # An edit sampled in two runs is that of one: the boundary follows the inversion's levels where there are some.
        levels = self.run.start.sigmas if self.record.inversion is None else self.record.inversion.sigmas.tolist()
        grown = progressive_mask(self._mask, self.record.boundary * remaining(sigma, levels))
        return self.run.backbone.on_latent(grown)

    def _kept_at(self, sigma: float) -> Tensor:
        """What of a latent at a noise level is the edit's; a progressive ramp comes mixed from the step before."""
        mask = self._mask_at(sigma)
        return (mask > 0).to(mask) if self.record.mode == PROGRESSIVE else mask

    # ---- the source --------------------------------------------------------------------------------------------------

    def _background(self, sigma: float, x: Tensor) -> Tensor:
        """The source as the sampler holds it at sigma, on x's device."""
        run = self.run
        if self.record.mode in PATHS:
            return self._path(sigma, x)
        source = run.into_model(self.record.source).to(x)
        # The released code pastes at the level before the step; at the level the model is told, nothing is left over.
        level = min(range(len(run.start.sigmas)), key=lambda i: abs(run.start.sigmas[i] - sigma))
        if self.record.mode == IRJS and self.record.noise == FIXED:
            if torch.count_nonzero(run.start.noise):
                return run.backbone.path.noisy(source, run.start.noise.to(x), sigma)
            level = 0  # this seed's own noise, which the plain KSampler starts from
        generator = torch.Generator().manual_seed((run.start.seed + level) % 2**63)
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float32)
        return run.backbone.path.noisy(source, noise.to(x), sigma)

    def _background_denoised(self, sigma: float, x: Tensor) -> Tensor:
        """The x_0 that leads a deterministic sampler from x onto the source's path."""
        if self.record.mode not in PATHS:
            return self.run.into_model(self.record.source).to(x)
        stop, sigmas = self.run.start.stop, self.run.start.sigmas
        lower = goal = next_level(sigma, sigmas)
        if stop is not None:  # straight to the end, which solvers of every order and step length follow exactly
            lower, goal = (stop if sigma > stop * (1 + 1e-5) else 0.0), sigmas[-1]
        return towards(self._path(goal, x), x, lower / sigma)

    def _path(self, sigma: float, x: Tensor) -> Tensor:
        """The source at sigma on its one path: the inverted one, else under the noise that the sampler itself starts from."""
        if self.record.inversion is not None:
            return self.record.inversion.at(sigma).to(x)
        source = self.run.into_model(self.record.source).to(x)
        return self.run.backbone.path.noisy(source, self.run.start.noise.to(x), sigma)

    # ---- checks ------------------------------------------------------------------------------------------------------

    def check(self, claims: Claims) -> None:
        record, run = self.record, self.run
        if record.source.shape != run.start.noise.shape:
            inverted = record.inversion is not None
            origin = "the inversion's clip" if inverted else "Latent Blend's `source`"
            fix = (
                "connect the `noise` and `inversion` outputs of the same DDIM Inversion"
                if inverted
                else "connect the same VAE Encode to Latent Blend's `source` and to the sampler"
            )
            raise ValueError(
                f"The sampler's latent is {size_of(run.start.noise)}, but {origin} is {size_of(record.source)}. Latent Blend needs the "
                f"same clip in both: {fix}."
            )
        self._check_mask()
        if record.mode == PROGRESSIVE and record.inversion is None and not torch.count_nonzero(run.start.noise):
            raise ValueError(
                f"Latent Blend's mode \"{PROGRESSIVE}\" without `inversion` gives the source the sampler's own noise, but the "
                "sampler adds none. Connect DDIM Inversion's `inversion`, or let the sampler add noise."
            )
        if left := leaves_path(run.start.sampler, record.mode):
            run.warn(left)
        if record.mode == IRJS and run.start.noise_mask:
            raise ValueError(NOISE_MASK)

    def _check_mask(self) -> None:
        mask, shown = self.record.mask, self.run.geometry.shown
        if mask is None:
            if not self.run.regions:
                raise ValueError(
                    "Latent Blend has no editable area: its `mask` is not connected, and the sampler's `positive` prompt "
                    "carries no regions. Connect `mask`, or the CONDITIONING of Bind Region Prompts with Region Prompts "
                    "connected to its `regions`."
                )
            self.run.require_masks(self.run.regions)
        elif not self.run.geometry.belongs(len(mask)):
            raise ValueError(
                f"Latent Blend's `mask` has {mask.shape[0]} masks, but the latent has {shown} frames. Give it "
                f"one mask, or one for each of the {shown} frames."
            )
        else:
            self.run.tell_cut("The masks of Latent Blend", mask)
            warn_size(self.run, "The masks of Latent Blend", mask)


def leaves_path(sampler: str, mode: str) -> str | None:
    """What is to be said of a sampler's name beside a mode of Latent Blend; None where they go together."""
    if mode not in PATHS or not is_random(sampler):
        return None
    return (
        f"{sampler} adds noise on the way, but Latent Blend's mode “{mode}” holds what is not edited to the source's own noise, so seams "
        "may show. Take a deterministic `sampler_name` such as euler, or the mode “renoised”."
    )
