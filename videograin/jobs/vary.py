"""Vary Noise: what the node is given, checked against each other, and mixed."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..backbones import registry
from ..backbones.base import Geometry
from ..core.cells import on_cells
from ..core.inversion_record import Inversion
from ..core.latent_blend import blend_mask
from ..core.noise_variation import fresh_noise, varied
from ..core.regions import Regions
from ..features.base import region_masks

ALIKE = 0.99  # least cosine between an inversion's noise in LATENT's units and in the sampler's


def vary_noise(
    noise: dict[str, Any], inversion: Inversion, regions: Regions, mask: Tensor | None, choice: tuple[float, int]
) -> dict[str, Any]:
    """The LATENT to start an edit from. mask: (F or 1, H, W), None for the regions; without either, everywhere. choice: variation
    and seed.

    Raises ValueError where the noise is not the inversion's, or the masks do not fit its frames.
    """
    samples, (variation, seed) = noise["samples"], choice
    backbone = registry.named(inversion.family)
    _require_shape(samples, inversion)
    geometry = backbone.geometry(tuple(samples.shape))
    frames, level = (backbone.clip(x, 0, geometry.frames) for x in (samples, inversion.latents[0]))
    _require_its_own(frames, level)
    if variation == 0:
        return noise
    if mask is None and not regions:
        areas = samples.new_ones(1, *geometry.cells)
    elif mask is None:
        areas = region_masks(regions, geometry).any(0)
    else:
        _require_frames(mask, geometry)
        areas = on_cells(mask, geometry.cells, geometry.pixels)
    fresh = fresh_noise(frames, level, float(inversion.sigmas[0]), seed, each=geometry.per_latent > 1)
    found = varied(frames, blend_mask(geometry.any(areas), *geometry.cells), fresh, variation)
    return {**noise, "samples": backbone.on_latent(found)}


def is_of(noise: Tensor, level: Tensor) -> bool:
    """Whether noise is that of an inversion, unvaried: (frames, C, h, w), in LATENT's units and in the sampler's, which differ
    by a scale for each channel.
    """
    if noise.shape != level.shape:
        return False
    own, held = (x.float().cpu().movedim(1, 0).flatten(1) for x in (noise, level))
    alike = F.cosine_similarity(own - own.mean(1, keepdim=True), held - held.mean(1, keepdim=True), dim=1)
    return bool(alike.mean() >= ALIKE)


def _require_shape(samples: Tensor, inversion: Inversion) -> None:
    if samples.shape != inversion.source.shape:
        raise ValueError(
            f"Vary Noise's `noise` is {tuple(samples.shape)}, but its `inversion` is of a clip {tuple(inversion.source.shape)}. Connect "
            "both outputs of one DDIM Inversion."
        )


def _require_its_own(noise: Tensor, level: Tensor) -> None:
    if not is_of(noise, level):
        raise ValueError(
            "Vary Noise's `noise` is not the noise of its `inversion`. Connect both outputs of one DDIM Inversion (or of Load "
            "Inversion), the noise from before any other Vary Noise."
        )


def _require_frames(mask: Tensor, geometry: Geometry) -> None:
    if not geometry.belongs(len(mask)):
        raise ValueError(
            f"Vary Noise's `mask` has {len(mask)} masks, but the clip has {geometry.shown} frames. Give it one mask, or one for each "
            f"of the {geometry.shown} frames."
        )
