"""Vary Noise: what the node is given, checked against each other, and mixed."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..core.cells import on_cells
from ..core.inversion_record import Inversion
from ..core.latent_blend import blend_mask
from ..core.noise_variation import fresh_noise, varied
from ..core.regions import Regions, clip_masks
from ..features.base import REGION_MASK

ALIKE = 0.99  # least cosine between an inversion's noise in LATENT's units and in the sampler's


def vary_noise(
    noise: dict[str, Any], inversion: Inversion, regions: Regions, mask: Tensor | None, choice: tuple[float, int]
) -> dict[str, Any]:
    """The LATENT to start an edit from. mask: (F or 1, H, W), None for the regions; without either, everywhere. choice: variation
    and seed.

    Raises ValueError where the noise is not the inversion's, or the masks do not fit its frames.
    """
    samples, (variation, seed) = noise["samples"], choice
    _require_its_own(samples, inversion)
    if variation == 0:
        return noise
    frames, cells = len(samples), tuple(samples.shape[-2:])
    if mask is None and not regions:
        areas = samples.new_ones(1, *cells)
    elif mask is None:
        areas = clip_masks(regions, frames, cells, REGION_MASK).any(0)
    else:
        _require_frames(mask, frames)
        areas = on_cells(mask, cells)
    fresh = fresh_noise(samples, inversion.latents[0], float(inversion.sigmas[0]), seed)
    return {**noise, "samples": varied(samples, blend_mask(areas, *cells), fresh, variation)}


def is_of(noise: Tensor, inversion: Inversion) -> bool:
    """Whether a clip's noise, as LATENT has it, is that of an inversion, unvaried."""
    held = inversion.latents[0].float().cpu().flatten()
    if noise.numel() != held.numel():
        return False
    own = noise.float().cpu().flatten()
    return bool(F.cosine_similarity(own - own.mean(), held - held.mean(), dim=0) >= ALIKE)


def _require_its_own(samples: Tensor, inversion: Inversion) -> None:
    level = inversion.latents[0]
    if samples.shape != level.shape:
        raise ValueError(
            f"Vary Noise's `noise` is {tuple(samples.shape)}, but its `inversion` is of a clip {tuple(level.shape)}. Connect both "
            "outputs of one DDIM Inversion."
        )
    if not is_of(samples, inversion):
        raise ValueError(
            "Vary Noise's `noise` is not the noise of its `inversion`. Connect both outputs of one DDIM Inversion (or of Load "
            "Inversion), the noise from before any other Vary Noise."
        )


def _require_frames(mask: Tensor, frames: int) -> None:
    if len(mask) not in (1, frames):
        raise ValueError(
            f"Vary Noise's `mask` has {len(mask)} masks, but the clip has {frames} frames. Give it one mask, or one for each "
            f"of the {frames} frames."
        )
