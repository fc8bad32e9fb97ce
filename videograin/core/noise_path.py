"""Noise levels: how much of a noisy latent is the clip and how much is noise.

On both paths Z(sigma) is a straight line in sigma, so k-diffusion's Euler step x + (sigma' - sigma) * (x - x_0) / sigma
and all that is built on it (inversion, Eq. 7's prediction towards the source) are the same.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class NoisePath(NamedTuple):
    """A model family's straight path from clip to noise, x = keep(sigma) * x_0 + sigma * noise."""

    name: str
    fades: bool  # whether the clip's share falls as sigma rises

    def keep(self, sigma: float) -> float:
        """The clip's share at noise level sigma."""
        return 1 - sigma if self.fades else 1.0

    def noisy(self, clean: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """The noisy latent at noise level sigma; `clean` and `noise` have one shape."""
        return (self.keep(sigma) * clean if self.fades else clean) + sigma * noise


EPS = NoisePath("eps", fades=False)  # Stable Diffusion: x = x_0 + sigma * noise, whatever the network predicts
FLOW = NoisePath("flow", fades=True)  # rectified flow: x = (1 - sigma) * x_0 + sigma * noise


def next_level(sigma: float, sigmas: list[float]) -> float:
    """sigma': the highest of the sampler's levels below sigma, 0 if there is none. Relative tolerance 1e-5."""
    return max((level for level in sigmas if level < sigma * (1 - 1e-5)), default=0.0)
