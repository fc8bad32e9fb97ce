"""Where a region's phrase stands in the prompt (VideoGrain §3.2; the released code's token search, made strict)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .regions import Regions


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


def rows_a_key(keys: int, rows: int) -> int:
    """How many rows of a batch's text became one key: 1, or 2 where a patch takes keys from one, values from the other."""
    return rows // keys if keys and rows % keys == 0 else 1
