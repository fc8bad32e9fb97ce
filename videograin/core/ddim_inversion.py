"""DDIM inversion (VideoGrain §3.1; Song et al. 2021, eta = 0): Euler steps from the clip towards the noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from .noise_path import EPS, NoisePath

LOW, HIGH = CONVENTIONS = ("low: \u03b5(z_low, t_low)", "high: \u03b5(z_low, t_high)")
SETTLED = 1e-2  # a residual above this leaves a frame on another trajectory: it comes back as another picture


class Step(NamedTuple):
    """One step of the inversion.

    x: (frames, C, h, w) at the level reached. denoised: the x_0 that the step used.
    residual: (frames,) |g(x) - x| / |x| of the fixed point x = g(x) at its last evaluation; zeros without refinements.
    """

    x: Tensor
    denoised: Tensor
    residual: Tensor


def ddim_invert(
    denoise: Callable[[Tensor, float], Tensor],
    x: Tensor,
    sigmas: list[float],
    convention: str,
    refinements: int,
    path: NoisePath = EPS,
) -> Iterator[Step]:
    """DDIM inversion of a clean latent, one noise level at a time: the noise reached denoises back to the latent.

    A denoising step from sigma+ to sigma is x = x+ + (sigma - sigma+) eps(x+, sigma+), so its inverse is the solution
    x+ of x+ = x + (sigma+ - sigma) eps(x+, sigma+). The papers take eps at a known point: VideoGrain at (z, t),
    FateZero and ReAtCo at (z, t+), z the variance-preserving latent, x = z sqrt(1 + sigma²). Refinements solve the
    equation (see `_fixed_point`), one more network call each.

    Args:
        denoise: (x, sigma) -> x_0, the model's prediction.
        x: (frames, C, h, w), the clip at sigmas[0].
        sigmas: ascending. eps is undefined at sigma = 0, so the first step always takes it at its upper end.
        convention: one of CONVENTIONS; used without refinements only. refinements: 0 for the papers' own step.
        path: the model family's.
    Yields a Step for each level reached, len(sigmas) - 1 in all.
    """
    eps = None
    for low, high in pairwise(sigmas):
        if convention == LOW and low > 0:
            point, level = x, low
        else:
            point, level = path.raised(x, low, high), high
        if refinements:
            start = point if eps is None else x + (high - low) * eps  # the last step's eps: paths hardly bend
            reached, eps = _fixed_point(denoise, x, start, low, high, refinements)
        else:
            denoised = denoise(point, level)
            reached = Step(x + (point - denoised) * ((high - low) / level), denoised, x.new_zeros(len(x)))
        x = reached.x
        yield reached


def _fixed_point(
    denoise: Callable[[Tensor, float], Tensor], x: Tensor, point: Tensor, low: float, high: float, refinements: int
) -> tuple[Step, Tensor]:
    """The solution of x+ = g(x+) = x + (high - low) eps(x+, high), from the guess `point`: Anderson mixing of depth 1.

    Plain iteration, x+ <- g(x+), does not contract for some frames in the middle of the schedule. Mixing is per frame:
    a frame that has not converged must not move one that has. The number of network calls is fixed, refinements + 1,
    because a small residual at a late level matters more than a larger one at an early level.

    Returns the step, and eps at the last point evaluated.
    """
    last: tuple[Tensor, Tensor] | None = None
    for _ in range(refinements + 1):
        denoised = denoise(point, high)
        eps = (point - denoised) / high
        image = x + (high - low) * eps
        off = image - point
        residual = _norms(off) / _norms(point).clamp(min=1e-12)
        point = image
        if last is not None:
            last_image, last_off = last
            change = off - last_off
            share = (off * change).flatten(1).sum(1) / change.square().flatten(1).sum(1).clamp(min=1e-30)
            point = image - share.view(-1, *[1] * (x.ndim - 1)) * (image - last_image)
        last = image, off
    return Step(point, denoised, residual), eps


def _norms(x: Tensor) -> Tensor:
    """The norm of each frame: (frames, ...) -> (frames,)."""
    return torch.linalg.vector_norm(x.flatten(1), dim=1)
