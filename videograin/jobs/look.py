"""Looking at attention while the model is shown the source once more, level by level of its trajectory."""

from __future__ import annotations

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor
from tqdm.auto import tqdm

from ..backbones.base import Backbone, Geometry, Need, Site
from ..comfyui.progress import Notes
from ..comfyui.wrappers import noting
from ..core.cross_frame import LEVELS
from ..core.inversion_record import Inversion
from ..core.time_left import TimeLeft
from ..features.attention_probe import AUTO, Onlooker
from .invert import step_cache, walk_clip

MAX_TOKENS = 1024  # the paper's 32² grid


def choose_level(level: str, height: int, width: int) -> int:
    """The divisor of "1/2" and the like; "auto" is the finest grid of at most MAX_TOKENS tokens a frame."""
    if level != AUTO:
        return int(level.split("/")[1])
    return next((n for n in LEVELS if -(-height // n) * -(-width // n) <= MAX_TOKENS), LEVELS[-1])


def level_of(level: str, backbone: Backbone, geometry: Geometry) -> int:
    """As `choose_level`; "auto" is the only grid there is where all attention is at one."""
    return 1 if level == AUTO and Need.LEVELS not in backbone.offers else choose_level(level, *geometry.cells)


def noisy(inversion: Inversion) -> list[int]:
    """The levels of a trajectory at which the model can look: those with noise, from the most on."""
    return [i for i, sigma in enumerate(inversion.sigmas.tolist()) if sigma > 0]


def evenly(levels: list[int], count: int) -> list[int]:
    """`count` of the levels (0 = all), evenly from the first to the last."""
    count = min(count, len(levels)) or len(levels)
    return [levels[round(i)] for i in torch.linspace(0, len(levels) - 1, count).tolist()]


def require_uncached(
    model: ModelPatcher, whose: str, why: str = "and a skipped step has no attention to look at"
) -> None:
    """Raises ValueError where a cache may skip calls of the network. whose, why: for the message."""
    if cache := step_cache(model):
        raise ValueError(
            f"A step-skipping cache ({cache}) is active on {whose} `model`, {why}. Connect the MODEL from before "
            "the cache node."
        )


def look(
    model: ModelPatcher,
    onlooker: Onlooker,
    inversion: Inversion,
    levels: list[int],
    latent: Tensor,
    prompts: dict[str, list],
) -> None:
    """Shows the model the source at some levels of its trajectory, one call for each.

    model: with the onlooker in its plan. latent: what core takes for the LATENT to sample from. prompts: as in walk_clip.
    Raises ValueError where a cache may skip calls, or the onlooker saw nothing.
    """
    require_uncached(model, f"{onlooker.node}'s")
    notes, left = Notes(), TimeLeft(len(levels))

    def walk(denoiser, x, sigmas, extra_args, callback, disable):
        for step, level in enumerate(tqdm(levels, onlooker.node, disable=disable)):
            notes.tell(f"Looking at the source: level {step + 1} of {len(levels)}{left.words(step)}")
            shown = inversion.latents[level].to(x)
            denoised = denoiser(shown, x.new_full((len(x),), float(inversion.sigmas[level])), **extra_args)
            callback({"i": step, "denoised": denoised, "x": shown})
        return x

    sigmas = torch.cat([inversion.sigmas[levels], torch.zeros(1)])
    walk_clip(noting(model, notes), prompts, latent, sigmas, walk)
    if not onlooker.seen:
        raise ValueError(
            f"The model has no self-attention in the chosen blocks at 1/{onlooker.level} of the latent's grid. Change "
            f"{onlooker.node}'s `level` or `blocks`."
        )


def unseen(node: str, site: Site) -> ValueError:
    """The error for a layer whose self-attention was hidden from a node."""
    return ValueError(
        f"{node} could not see self-attention at block {site[0]} {site[1]}: another node on its `model` tiles or merges "
        "tokens there, as HyperTile and ToMe do. Connect the MODEL from before that node."
    )
