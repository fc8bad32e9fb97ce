"""Where a region's phrase stands in the prompt (VideoGrain §3.2; the released code's token search, made strict)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import Regions

KEY = "videograin_binding"  # a cond's entry


class Token(NamedTuple):
    """One token of an encoded text.

    id: int, or the embedding tensor of a textual inversion. weight: from "(word:1.2)". position: among all
    tokens, start, end and padding too, chunks of a long prompt one after the other: its row in the text encoding.
    """

    id: int | Tensor
    weight: float
    position: int


@dataclass(frozen=True, eq=False)
class Binding:
    """Regions tied to the tokens of one encoded prompt.

    regions: as given. tokens: (K, L) bool, those of each region's phrase. rows: how many rows of the encoding each token
    has: 1, or 2 with CLIP NegPip, one for keys and one for values.
    """

    regions: Regions
    tokens: Tensor
    rows: int = 1


def same_token(a: int | Tensor, b: int | Tensor) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return isinstance(a, Tensor) and isinstance(b, Tensor) and torch.equal(a, b)
    return a == b


def binding_of(cond: dict[str, Any]) -> Binding | None:
    """The regions that a cond's prompt brings."""
    return cond.get(KEY)


def key_regions(binding: Binding, tokens: int, keys: int, rows: int) -> Tensor:
    """(K, keys) bool: the regions of every key of a batch's text of so many rows; tokens, the length of the cond's own.

    A prompt batched with a longer one is repeated to its length; text appended to it (Conditioning Concat) and keys
    another patch appended belong to no region.
    """
    bound = binding.tokens.repeat_interleave(binding.rows, 1)
    own = F.pad(bound, (0, max(0, tokens - bound.shape[1])))
    tiled = own.repeat(1, max(1, rows // own.shape[1]))[:, :: rows_a_key(keys, rows)]
    return F.pad(tiled, (0, keys - tiled.shape[1]))


def is_of(row: Tensor, encoding: Tensor) -> bool:
    """Whether a CONDITIONING (1, L, d) is of the text with this last row; True where that cannot be told."""
    found = encoding[0, -1].float().cpu()
    return found.shape != row.shape or bool((found - row).norm() <= 0.01 * row.norm())


def rows_a_key(keys: int, rows: int) -> int:
    """How many rows of a batch's text became one key: 1, or 2 where a patch takes keys from one, values from the other."""
    return rows // keys if keys and rows % keys == 0 else 1
