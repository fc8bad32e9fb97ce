"""The inversion record: the source's latents at every noise level.

Latents are in the sampler's own space, x = x_0 + sigma eps. There an Euler step (DDIM with eta = 0) is a straight line
in sigma, so linear interpolation between two levels gives Z(sigma) exactly as the inversion passed through it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .noise_path import EPS, NoisePath, next_level

EXACT, NEXT, RELEASED = PAIRINGS = ("exact", "next step", "as released")
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}
HALF_UP_TO = (
    1000.0  # sigma; zero-terminal-SNR schedules begin at about 4500, where float16's steps are larger than the clip
)


class Inversion(NamedTuple):
    """A source clip inverted under one model.

    latents: (levels, *latent) float32 or float16 on the CPU, in the sampler's space, from noise to clean; a latent is (frames, C, h, w),
    or (1, C, frames, h, w) of a video model.
    sigmas: (levels,) float32, descending; the last is 0 in all common schedules.
    source: the clip's LATENT samples, bit for bit.
    key_sets: `KeySets.describe` during inversion; empty for a part, which is checked before it is cut. model_id: identity of
    the weights. model_name: for messages. family: the name of the model's, empty for UNets.
    """

    latents: Tensor
    sigmas: Tensor
    source: Tensor
    key_sets: str
    model_id: str
    model_name: str
    family: str = ""

    def of_frame(self, number: int) -> Inversion:
        """That of one frame alone, with its own levels; of latents (levels, frames, C, h, w)."""
        one = slice(number, number + 1)
        return self._replace(latents=self.latents[:, one], source=self.source[one], key_sets="")

    def at(self, sigma: float) -> Tensor:
        """Z(sigma): the source at a noise level, a latent in float32; sigma is clamped to the stored levels."""
        rising = self.sigmas.flip(0)
        above = int(torch.searchsorted(rising, torch.tensor(sigma, dtype=rising.dtype)).clamp(1, len(rising) - 1))
        low, high = rising[above - 1], rising[above]
        weight = float(((sigma - low) / (high - low)).clamp(0, 1))
        last = len(rising) - 1
        return torch.lerp(self.latents[last - above + 1].float(), self.latents[last - above].float(), weight)

    def paired(self, sigma: float, pairing: str, path: NoisePath = EPS) -> tuple[Tensor, float]:
        """The source latent that the network is given in a step from sigma, and its noise level.

        With sigma' the next lower level: "exact" is Z(sigma) at sigma; "next step", Z(sigma') at sigma'; "as released",
        Z(sigma') as a variance-preserving latent at sigma, the pairs of the inversion in FateZero and ReAtCo. path: the model's.
        """
        if pairing == EXACT:
            return self.at(sigma), sigma
        lower = next_level(sigma, self.sigmas.tolist())
        if pairing == NEXT:
            return self.at(lower), lower
        return path.raised(self.at(lower), lower, sigma), sigma


def levels(sigmas: Tensor) -> bool:
    """Whether these sigmas are a valid list of noise levels: falling, finite, none below 0, at least two."""
    falling = sigmas.ndim == 1 and len(sigmas) > 1 and bool((sigmas[1:] < sigmas[:-1]).all())  # NaN is never less
    return falling and bool(sigmas.isfinite().all() and sigmas[-1] >= 0)


def dtype_of(precision: str, sigmas: Tensor) -> torch.dtype:
    """The dtype in which levels are stored: as `precision` says, but float32 for zero-terminal-SNR schedules."""
    return PRECISIONS[precision] if float(sigmas.max()) <= HALF_UP_TO else torch.float32
