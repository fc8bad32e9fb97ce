"""Self-attention keys as features of a clip's tokens: products of unit-length keys tell which places are alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention_clusters import Allocate, SummedLayers

MAX_TOKENS = 4096  # of a frame: two frames' pairs are then 64 MiB


def finest(levels: dict[tuple, int], height: int, width: int) -> int:
    """The finest level of a decoder's self-attention with at most MAX_TOKENS tokens a frame, or its coarsest.

    levels: each site's divisor of the latent's grid, which is (height, width).
    """
    found = sorted({level for site, level in levels.items() if site[0] == "output"})
    return next((n for n in found if -(-height // n) * -(-width // n) <= MAX_TOKENS), found[-1])


def telling(levels: dict[tuple, int], height: int, width: int) -> list[tuple]:
    """The sites whose keys tell most: all at the finest level, and the decoder's last one before it."""
    level = finest(levels, height, width)
    before = [site for site in levels if levels[site] == 2 * level and site[0] == "output"]
    return [site for site in levels if levels[site] == level] + before[-1:]


def on_grid(keys: Tensor, own: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Keys (frames, tokens, C) of one grid at another's tokens, float32 of unit length; grids are (rows, columns)."""
    keys = F.normalize(keys.float(), dim=-1)
    if own == grid:
        return keys
    picture = keys.transpose(1, 2).unflatten(2, own)
    return F.normalize(F.interpolate(picture, grid, mode="bilinear", antialias=True).flatten(2).transpose(1, 2), dim=-1)


class AttentionKeys(SummedLayers):
    """The keys of some layers, each at unit length, on one grid (rows, columns), summed over steps."""

    def __init__(self, widths: dict[tuple, int], grid: tuple[int, int], allocate: Allocate = torch.empty):
        super().__init__(widths, allocate)
        self.grid, self.unseen = grid, set(widths)

    def see(self, site: tuple, keys: Tensor, own: tuple[int, int]) -> None:
        """Adds one layer's keys, (frames, tokens, C) of its own grid."""
        if site in self.widths:
            self.unseen.discard(site)
            self.add(site, torch.cat([on_grid(frame[None], own, self.grid).cpu() for frame in keys]))

    def features(self) -> Tensor:
        """(frames, tokens, sum of widths) float32: the product of two tokens is the mean of their layers' cosines. In place."""
        for columns in self.columns.values():
            for frame in self.total[..., columns]:
                frame /= frame.norm(dim=-1, keepdim=True).clamp(min=1e-12) * len(self.widths) ** 0.5
        return self.total
