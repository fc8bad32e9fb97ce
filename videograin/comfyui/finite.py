"""Numbers that are none, named where they come up: a NaN in one frame spreads to the whole clip, and past its mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.frame_numbers import frames_text, runs

CURE = (
    "Half precision that overflows is the usual cause: start ComfyUI with --force-upcast-attention, or with --force-fp32. "
    "Else a damaged checkpoint or LoRA is, or another node on the MODEL: take them out one by one."
)


def broken_frames(clip: Tensor) -> list[int]:
    """Numbers of the frames that hold a NaN or an infinite value; clip (F, ...)."""
    if torch.isfinite(clip).all():
        return []
    return (~torch.isfinite(clip).flatten(1).all(1)).nonzero()[:, 0].tolist()


def require_colours(pictures: Tensor, whose: str, cure: str) -> None:
    """Raises ValueError for pictures (F, ...) with a NaN or an infinite value. whose, cure: for the message."""
    if not torch.isfinite(pictures).all():
        raise ValueError(f"{whose} has pixels without a colour (NaN): the node that made it has failed. {cure}")


def require_finite(prediction: Tensor, sigma: float, sigmas: list[float]) -> None:
    """Raises ValueError for a prediction (frames, C, h, w) at sigma that holds no numbers; sigmas: of the walk, either way."""
    if broken := broken_frames(prediction):
        raise ValueError(
            f"The model's prediction holds NaN or infinite values at step {step_of(sigma, sigmas)} of {len(sigmas) - 1} "
            f"(sigma {sigma:.4g}), in {frames_text(runs(broken))} (from 0). {CURE}"
        )


def step_of(sigma: float, sigmas: list[float]) -> int:
    """The step, from 1, that is taken with a prediction at sigma: down from a level, or up to one."""
    near = min(range(len(sigmas)), key=lambda i: abs(sigmas[i] - sigma))
    return max(1, near) if sigmas[-1] > sigmas[0] else min(near + 1, len(sigmas) - 1)
