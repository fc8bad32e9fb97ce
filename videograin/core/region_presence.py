"""Region presence: whether a region shows what its words say, by how well a denoiser explains it with them.

A finished clip gets a little noise, the same in every frame, which the denoiser removes under the region's own words and
under the old ones. Where the new thing is there, its own words leave the smaller error.
"""

from __future__ import annotations

from math import isnan, nan
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .frame_numbers import frames_text, runs
from .regions import Region

TIMESTEPS = (250, 450, 650)  # training steps of the noise
LIMIT = 0.19  # of a score; below, the region is doubted
LEAST = 4.0  # latent cells, of which a smaller part of a region is not judged


class Question(NamedTuple):
    """What is asked of a region: is it `own`, or still `old`? why: it is not asked at all; empty where it is."""

    own: str
    old: str
    why: str = ""


def question(region: Region, source_prompt: str) -> Question:
    """The question of a region. source_prompt: the old words, where the region has none of its own."""
    own, old = region.phrase.strip(), (region.was or source_prompt).strip()
    if not own:
        return Question(own, old, "it has no words of its own")
    if own.casefold() == old.casefold():
        return Question(own, old, "its words are those of before")
    return Question(own, old)


def noises(clean: Tensor) -> list[Tensor]:
    """A noise for each of TIMESTEPS, (1, C, h, w) float32 on the CPU, for all frames of a clip (F, C, h, w)."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, *clean.shape[1:], generator=generator) for _ in TIMESTEPS]


def error(denoised: Tensor, clean: Tensor, sigma: float) -> Tensor:
    """Squared error of the noise that was removed, the mean over channels: (F, C, h, w) both -> (F, h, w) float32."""
    return ((denoised - clean) / sigma).float().square().mean(1)


def scores(own: Tensor, old: Tensor, mask: Tensor) -> list[float]:
    """How much worse the old words explain a region than its own, relative to their error: below 0 where better.

    Args: own, old (F, h, w), errors; mask (F, H, W) bool. NaN for frames that show less than LEAST of the region.
    """
    share = F.interpolate(mask[:, None].float(), own.shape[-2:], mode="area")[:, 0]
    inside = [(errors * share).sum((1, 2)) for errors in (own, old)]
    found = inside[1] / inside[0].clamp_min(1e-12) - 1
    return found.masked_fill(share.sum((1, 2)) < LEAST, nan).tolist()


def doubted(found: list[float], limit: float) -> list[int]:
    """The frames in which a region looks empty or wrong."""
    return [frame for frame, score in enumerate(found) if score < limit]


def line(number: int, asked: Question, found: list[float], limit: float) -> str:
    """What is to be said of a region, as in "region 2 (“frog”) looks empty or wrong in frames 3 to 8"."""
    name = f"region {number} (“{asked.own}”)" if asked.own else f"region {number}"
    if asked.why:
        return f"{name} is not checked: {asked.why}"
    if all(map(isnan, found)):
        return f"{name} is not checked: it is too small in every frame"
    frames = doubted(found, limit)
    if not frames:
        return f"{name} shows its words in every frame"
    return f"{name} looks empty or wrong in {frames_text(runs(frames))}"
