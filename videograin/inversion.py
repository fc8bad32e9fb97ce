"""DDIM inversion (VideoGrain §3.1; Song et al. 2021, eta = 0), as Euler steps walked towards the noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from torch import Tensor

LOW, HIGH = CONVENTIONS = ("low: \u03b5(z_low, t_low)", "high: \u03b5(z_low, t_high)")


def ddim_invert(
    denoise: Callable[[Tensor, float], Tensor],
    x: Tensor,
    sigmas: list[float],
    convention: str,
    refinements: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Walks a clean latent up to the noise that denoises back to it, one noise level at a time.

    A denoising step from sigma+ to sigma is x = x+ + (sigma - sigma+) eps(x+, sigma+), so its inverse is the solution x+ of
    x+ = x + (sigma+ - sigma) eps(x+, sigma+). The papers take eps at the point they know: VideoGrain at (z, t), FateZero and ReAtCo at
    (z, t+) with z the variance-preserving latent, x = z sqrt(1 + sigma²). Each refinement is one fixed-point iteration
    towards the true inverse, starting from there.

    Args:
        denoise: (x, sigma) -> x_0, the model's prediction.
        x: (frames, C, h, w), the clip at sigmas[0].
        sigmas: ascending. eps is undefined at sigma = 0, so the first step always takes it at its upper end.
        convention: one of CONVENTIONS. refinements: fixed-point iterations, 0 for the papers' own step.
    Yields (x, x_0) after each step, one pair less than there are sigmas.
    """
    for low, high in pairwise(sigmas):
        if convention == LOW and low > 0:
            point, level = x, low
        else:
            point, level = x * ((1 + high**2) / (1 + low**2)) ** 0.5, high
        for _ in range(refinements + 1):
            denoised = denoise(point, level)
            point = x + (point - denoised) * ((high - low) / level)  # eps = (point - x_0) / level
            level = high
        x = point
        yield x, denoised
