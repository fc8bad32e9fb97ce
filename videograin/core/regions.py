"""Regions of a clip (VideoGrain §3.2): masks with phrases, and their form on a grid of tokens.

A token's *membership* is the set of regions that cover it. A clip has few different sets, so each token stores the
number of its set, a *pattern*, and comparisons are made once per pair of patterns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .cells import CELL, on_cells
from .choices import Choice


class TokenRule(Choice):
    """The rule by which masks become tokens."""

    AREA = "area"
    NEAREST = "nearest"


class Region(NamedTuple):
    """One region of a clip.

    mask: (frames or 1, height, width) float in [0, 1]; above 0.5 is inside. A single mask is used for all frames.
    phrase: the words of the prompt bound to it; empty for an editable area without words of its own.
    strength: factor on the modulation of the queries inside, 0 or more.
    was: what it shows before the edit, in words; empty if that is not known.
    """

    mask: Tensor
    phrase: str = ""
    strength: float = 1.0
    was: str = ""

    @property
    def empty(self) -> bool:
        """Whether no pixel of any frame is inside."""
        return not bool((self.mask > 0.5).any())

    @property
    def kept(self) -> bool:
        """Whether its words are those of before."""
        words = self.phrase.strip().casefold()
        return words != "" and words == self.was.strip().casefold()

    @property
    def name(self) -> str:
        return f'"{self.phrase}"' if self.phrase else "(no phrase)"


Regions = tuple[Region, ...]


class Grid(NamedTuple):
    """Tokens of one attention level: frames × height × width."""

    frames: int
    height: int
    width: int


def frame_masks(mask: Tensor) -> Tensor:
    """A MASK of any ComfyUI node, (H, W) or (..., H, W), as (frames, H, W)."""
    return mask.reshape(-1, *mask.shape[-2:])


def clip_masks(
    regions: Regions, frames: int, cells: tuple[int, int] | None = None, whose: str = "it", pixels: int = CELL
) -> Tensor:
    """The regions' masks stacked, all at the size of the largest, so that no mask is shrunk and lost.

    cells: (height, width) of the clip's latent; masks of the clip's size are fitted to it (`cells.on_cells`).
    whose: the input that masks come from, for the message. pixels: a cell's side.
    Returns (K, frames, H, W) bool. Raises ValueError where a mask has neither one frame nor `frames`.
    """
    require_a_mask_a_frame(regions, frames, "the latent has", whose)
    placed = [region.mask if cells is None else on_cells(region.mask, cells, pixels) for region in regions]
    height, width = (max(mask.shape[side] for mask in placed) for side in (-2, -1))
    return torch.stack([(fitted(mask, height, width) > 0.5).expand(frames, -1, -1) for mask in placed])


def fitted(mask: Tensor, height: int, width: int) -> Tensor:
    """(F, H, W) at another size, each pixel from the nearest one; the mask itself where it has that size."""
    if mask.shape[-2:] == (height, width):
        return mask
    return F.interpolate(mask[:, None].float(), (height, width), mode="nearest-exact")[:, 0]


def require_a_mask_a_frame(regions: Regions, frames: int, clip: str, whose: str = "it") -> None:
    """Check that each region has one mask, or one for each frame; raises ValueError.

    For the message: clip, the owner of the frames, as in "the latent has"; whose, the input that masks come from.
    """
    for number, region in enumerate(regions, 1):
        if len(region.mask) not in (1, frames):
            raise ValueError(
                f"Region {number} {region.name} has {len(region.mask)} masks, but {clip} {frames} frames. "
                f"Give {whose} one mask, or one for each of the {frames} frames."
            )


def membership(masks: Tensor, grid: Grid, rule: TokenRule = TokenRule.AREA) -> Tensor:
    """Membership: the regions that cover each token.

    Args: masks (K, frames, H, W) bool, or float as the share that is covered; rule "nearest" takes the pixel at each token's corner (the reference code, where
    small regions can vanish); "area" takes tokens at least half covered, and where a region is visible in a frame but
    half covers no token, the token it covers most.
    Returns (K, frames, height, width) bool.
    """
    size = (grid.height, grid.width)
    if rule == TokenRule.NEAREST:
        return F.interpolate(masks.float(), size, mode="nearest") > 0.5
    cover = F.interpolate(masks.float(), size, mode="area")
    best = cover.amax((-2, -1), keepdim=True)
    vanishing = (best > 0) & (best < 0.5)
    return (cover >= 0.5) | (vanishing & (cover == best))


def patterns(member: Tensor) -> tuple[Tensor, Tensor]:
    """Patterns: the sets of regions that occur, numbered.

    Args: member (K, ...) bool, K >= 1.
    Returns (labels (...) int64, table (P, K) bool): table[labels] is member with K last.
    """
    table, labels = torch.unique(member.flatten(1).T, dim=0, return_inverse=True)
    return labels.reshape(member.shape[1:]), table


def share_any(queries: Tensor, keys: Tensor) -> Tensor:
    """Positive pairs of the released code, and of Eq. 3: the two patterns share a region.

    Args: queries (P, K) bool, keys (Q, K) bool. Returns (P, Q) bool. A token in no region is positive with nothing.
    """
    return (queries[:, None] & keys[None]).any(-1)


def same_membership(queries: Tensor, keys: Tensor) -> Tensor:
    """Positive pairs of Eq. 5: the two patterns are equal; the background is then a region like any other.

    Args: queries (P, K) bool, keys (Q, K) bool. Returns (P, Q) bool.
    """
    return (queries[:, None] == keys[None]).all(-1)
