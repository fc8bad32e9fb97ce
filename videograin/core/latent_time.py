"""Latent time: which frames of a clip one frame of its latent shows, where a VAE compresses time by c.

The first frame has a latent frame to itself, each further latent frame shows the next c: frame i lies in latent frame
ceil(i / c). Frames behind the last full group are cut by the VAE.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shown(latent_frames: int, c: int) -> int:
    """Frames of a clip that a latent shows."""
    return 1 + (latent_frames - 1) * c


def latent_frame(frames: int, c: int) -> Tensor:
    """(frames,) int64: the latent frame in which each frame of a clip lies."""
    return -(-torch.arange(frames) // c)


def belongs(frames: int, latent_frames: int, c: int) -> bool:
    """Whether a clip of so many frames has a latent of so many, its last frames cut or not."""
    return frames >= 1 and 1 + (frames - 1) // c == latent_frames


def grouped(masks: Tensor, latent_frames: int, c: int) -> Tensor:
    """Masks by latent frames: (..., frames, H, W) -> (..., latent frames, c, H, W); the first counts c times.

    frames: as `belongs`; or 1, for all.
    """
    if masks.shape[-3] == 1:
        masks = masks.expand(*masks.shape[:-3], shown(latent_frames, c), *masks.shape[-2:])
    first, rest = masks[..., :1, :, :], masks[..., 1 : shown(latent_frames, c), :, :]
    whole = torch.cat([first.expand(*first.shape[:-3], c, *first.shape[-2:]), rest], -3)
    return whole.unflatten(-3, (latent_frames, c))
