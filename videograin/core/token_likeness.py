"""Likeness of tokens: a model's keys less what all of them share, and the colour under each token.

Keys tell things apart, but those of a token on an outline, or on a sliver beside what hides a thing, are mixed with their
neighbours'; colour tells there what is what. On bent, lit and half-hidden toy clips both together beat either
(benchmarks/TRACK.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COLOUR = 20.0  # weight of the colours' cosine beside the keys': a fifth of the way from black to white then costs 0.3


class Tokens:
    """Tokens of a clip, by frame: (n, C + 4) float32, whose products are similarities.

    Args: keys (F, n, C), read a frame at a time; colours (F, n, 4); marked, the frames whose tokens say what all share.
    """

    def __init__(self, keys: Tensor, colours: Tensor, marked: Sequence[int]):
        self.keys, self.colours = keys, colours * COLOUR**0.5
        self.shared = torch.stack([keys[frame].float().mean(0) for frame in marked]).mean(0)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, frame: int) -> Tensor:
        return torch.cat([F.normalize(self.keys[frame].float() - self.shared, dim=-1), self.colours[frame]], -1)


def colours(frames: Tensor, grid: tuple[int, int]) -> Tensor:
    """Each token's mean colour, (F, n, 4) float32 of unit length: L, a, b in hundreds, and 1.

    Args: frames (F, H, W, 3) float in 0 to 1; grid, rows and columns of tokens.
    """
    import cv2

    lab = np.stack([cv2.cvtColor(frame.numpy(), cv2.COLOR_RGB2LAB) for frame in frames[..., :3].float().cpu()])
    cells = F.adaptive_avg_pool2d(torch.from_numpy(lab).movedim(-1, 1), grid).flatten(2).transpose(1, 2) / 100
    return F.normalize(torch.cat([cells, torch.ones_like(cells[..., :1])], -1), dim=-1)
