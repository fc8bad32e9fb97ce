"""Region presence: whether a region shows what its words say, by how well a denoiser explains it with them.

A finished clip gets a little noise, the same in every frame, which the denoiser removes once under a region's own words and
once under none. Where the thing is there, its words help.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .frame_numbers import frames_text, runs
from .regions import Region

TIMESTEPS = (50, 100, 175)  # training steps of the noise
LIMIT = 0.1  # of a score; below, a region is doubted
LEAST = 4.0  # latent cells: where less of a region shows, it is not judged
MOST = 0.5  # of the picture: more is a place, which the model sees without words
NO_WORDS = ""


class Question(NamedTuple):
    """What is asked of a region: do these words explain it better than none? why: it is not asked; else empty."""

    words: str
    why: str = ""


def question(region: Region) -> Question:
    words = region.phrase.strip()
    if not words:
        return Question(words, "it has no words of its own")
    if region.kept:
        return Question(words, "its words are those of before")
    if float((region.mask > 0.5).float().mean()) > MOST:
        return Question(words, "it is most of the picture, and the model sees a place without words")
    return Question(words)


def noises(clean: Tensor) -> list[Tensor]:
    """A noise for each of TIMESTEPS, (1, C, h, w) float32 on the CPU, for all frames of a clip (F, C, h, w)."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, *clean.shape[1:], generator=generator) for _ in TIMESTEPS]


def error(denoised: Tensor, clean: Tensor, sigma: float) -> Tensor:
    """Squared error of the noise that was removed, the mean over channels: (F, C, h, w) both -> (F, h, w) float32."""
    return ((denoised - clean) / sigma).float().square().mean(1)


def scores(own: Tensor, without: Tensor, mask: Tensor) -> list[float]:
    """How much worse no words explain a region than its own, relative to their error; below 0 where better.

    Args: own, without (F, h, w), errors under the region's words and under none; mask (F, H, W) bool. One number a frame,
    NaN where less than LEAST of the region shows.
    """
    share = F.interpolate(mask[:, None].float(), own.shape[-2:], mode="area")[:, 0]
    left, other = ((errors * share).sum((1, 2)) for errors in (own, without))
    found = other / left.clamp_min(1e-12) - 1
    return found.masked_fill(share.sum((1, 2)) < LEAST, nan).tolist()


def together(found: Sequence[float]) -> float:
    """The mean of the regions' scores of a picture; NaN where none is judged.

    The mean, not the lowest: a region that nothing changes scores about alike in every picture, and might be the lowest.
    """
    judged = [score for score in found if not isnan(score)]
    return sum(judged) / len(judged) if judged else nan


def doubted(found: list[float], limit: float) -> list[int]:
    """The frames in which a region looks empty or wrong."""
    return [frame for frame, score in enumerate(found) if score < limit]


def verdict(number: int, asked: Question, found: list[float], limit: float) -> str:
    """What is to be said of a region, as in "region 2 (“frog”) looks empty or wrong in frames 3 to 8"."""
    name = f"region {number} (“{asked.words}”)" if asked.words else f"region {number}"
    if asked.why:
        return f"{name} is not checked: {asked.why}"
    if all(map(isnan, found)):
        return f"{name} is not checked: it is too small in every frame"
    frames = doubted(found, limit)
    if not frames:
        seen = sum(not isnan(score) for score in found)
        where = (
            "every frame"
            if seen == len(found)
            else f"the {seen} of {len(found)} frames in which it is large enough to tell"
        )
        return f"{name} shows its words in {where}"
    return f"{name} looks empty or wrong in {frames_text(runs(frames))}"
