"""Varied noise: other edits from one inversion.

An edit starts from the noise that gives the clip back, so a sampler's seed has nothing to draw. Inside the regions that
noise may be mixed with fresh noise of the same strength; outside it stays, to the bit, and with it the background.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .latent_blend import mix


def varied(noise: Tensor, mask: Tensor, fresh: Tensor, variation: float) -> Tensor:
    """sqrt(1 - v²) * z + v * n inside a mask, z outside it; z itself where v is 0.

    Args: noise (frames, C, h, w), z, as LATENT has it. mask (frames or 1, 1, h, w), 0 to 1, of the latent's cells. fresh
    (frames or 1, C, h, w), n, of z's strength.
    variation, v, 0 to 1: the sum has the variance of z whatever it is.
    """
    if variation == 0:
        return noise
    moved = (1 - variation**2) ** 0.5 * noise + variation * fresh
    return mix(mask.to(noise), moved, noise)


def fresh_noise(noise: Tensor, level: Tensor, sigma: float, seed: int, each: bool = False) -> Tensor:
    """Noise of a noise level, in LATENT's units.

    One for all frames, since from an image model noise that differs from frame to frame flickers; `each`: another for each
    frame, as a video model has learnt it.

    Args: noise (frames, C, h, w), a clip's noise as LATENT has it; level, the same as the sampler holds it, which tells
    the channels' scale; sigma, its noise level; seed, the same noise whatever the device.
    Returns (frames or 1, C, h, w).
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn((len(noise) if each else 1, *noise.shape[1:]), generator=generator, dtype=torch.float32)
    centred, held = (x.float().cpu() - x.float().cpu().mean((0, 2, 3), keepdim=True) for x in (noise, level))
    scale = (held * centred).sum((0, 2, 3), keepdim=True) / centred.square().sum((0, 2, 3), keepdim=True)
    return (sigma * drawn / scale).to(noise)
