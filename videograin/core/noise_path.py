"""Noise levels: how much of a noisy latent is the clip and how much is noise.

On both paths Z(sigma) is a straight line in sigma, so k-diffusion's Euler step x + (sigma' - sigma) * (x - x_0) / sigma
and all that is built on it (inversion, Eq. 7's prediction towards the source) are the same.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

LOW_SHIFT = 3.0  # of the levels that a flow model's inversion walks


class NoisePath(NamedTuple):
    """A model family's straight path from clip to noise, x = keep(sigma) * x_0 + sigma * noise.

    top: the highest level that a latent can be handed over at. Between two samplers ComfyUI holds x / keep(sigma), which on
    a path that fades is lost at sigma = 1: there all is noise, and the clip's share is divided by 0.
    """

    name: str
    fades: bool  # whether the clip's share falls as sigma rises
    top: float = inf

    def keep(self, sigma: float) -> float:
        """The clip's share at noise level sigma."""
        return 1 - sigma if self.fades else 1.0

    def noisy(self, clean: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """The noisy latent at noise level sigma; `clean` and `noise` have one shape."""
        return (self.keep(sigma) * clean if self.fades else clean) + sigma * noise

    def handed_over(self, x: Tensor, sigma: float) -> Tensor:
        """The noisy latent x as the sampler before gives it to the next, x / keep(sigma)."""
        return x / self.keep(min(sigma, self.top)) if self.fades else x

    def taken_up(self, x: Tensor, sigma: float) -> Tensor:
        """The inverse of `handed_over`."""
        return x * self.keep(min(sigma, self.top)) if self.fades else x

    def noise_to(self, x: Tensor, given: Tensor, sigma: float) -> Tensor:
        """The noise with which a sampler that starts from the latent `given` at sigma > 0 begins at x."""
        return (x - (self.keep(sigma) * given if self.fades else given)) / sigma

    def raised(self, x: Tensor, low: float, high: float) -> Tensor:
        """A guess at the latent of a higher level: what is variance-preserving is the same, on a path that fades x itself."""
        return x if self.fades else x * ((1 + high**2) / (1 + low**2)) ** 0.5


EPS = NoisePath("eps", fades=False)  # Stable Diffusion: x = x_0 + sigma * noise, whatever the network predicts
FLOW = NoisePath("flow", fades=True, top=1 - 2**-13)  # rectified flow: x = (1 - sigma) * x_0 + sigma * noise


def low_levels(steps: int) -> Tensor:
    """The levels that a flow model's inversion walks, descending from FLOW.top to 0, (steps + 1,) float32.

    Not the sampler's: a list for sampling (Wan's is shifted by 8) ends at 0.2 after 30 steps, and one step from there to the clip
    is so long that the noise it is solved for is not the clip's.
    """
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return (LOW_SHIFT * even / (1 + (LOW_SHIFT - 1) * even)).clamp(max=FLOW.top).float()


def next_level(sigma: float, sigmas: list[float]) -> float:
    """sigma': the highest of the sampler's levels below sigma, 0 if there is none. Relative tolerance 1e-5."""
    return max((level for level in sigmas if level < sigma * (1 - 1e-5)), default=0.0)
