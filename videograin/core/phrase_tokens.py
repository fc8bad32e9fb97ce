"""Phrase tokens: a region's words among a prompt's tokens (VideoGrain §3.2; the released search, made strict)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import Regions

KEY = "videograin_binding"  # the entry of a cond that holds its Binding


class Token(NamedTuple):
    """One token of an encoded text.

    id: int, or the embedding tensor of a textual inversion. weight: from "(word:1.2)". position: its row in the text
    encoding, start, end and padding included; the 77-token parts of a long prompt follow each other.
    """

    id: int | Tensor
    weight: float
    position: int


@dataclass(frozen=True, eq=False)
class Binding:
    """Regions bound to the tokens of one encoded prompt.

    regions: K of them. tokens: (K, L) bool, the tokens of each region's phrase. rows: rows of the encoding per token:
    1, or 2 with CLIP NegPip (one for keys, one for values).
    """

    regions: Regions
    tokens: Tensor
    rows: int = 1


def same_token(a: int | Tensor, b: int | Tensor) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return isinstance(a, Tensor) and isinstance(b, Tensor) and torch.equal(a, b)
    return a == b


def binding_of(cond: dict[str, Any]) -> Binding | None:
    """The binding that a cond carries, None without one."""
    return cond.get(KEY)


def key_regions(binding: Binding, tokens: int, keys: int, rows: int) -> Tensor:
    """The regions of each cross-attention key, (K, keys) bool.

    tokens: the length of the cond's own text. rows: the length of the batch's text, to which ComfyUI repeats a shorter
    prompt. Appended text (Conditioning Concat) and keys that another patch appended belong to no region.
    """
    bound = binding.tokens.repeat_interleave(binding.rows, 1)
    own = F.pad(bound, (0, max(0, tokens - bound.shape[1])))
    tiled = own.repeat(1, max(1, rows // own.shape[1]))[:, :: rows_a_key(keys, rows)]
    return F.pad(tiled, (0, keys - tiled.shape[1]))


def is_of(row: Tensor, encoding: Tensor) -> bool:
    """Whether a CONDITIONING (1, L, d) encodes the text with this last row; True where the sizes differ."""
    found = encoding[0, -1].float().cpu()
    return found.shape != row.shape or bool((found - row).norm() <= 0.01 * row.norm())


def rows_a_key(keys: int, rows: int) -> int:
    """Rows of a batch's text per key: 1, or 2 where a patch takes keys from one row and values from the other."""
    return rows // keys if keys and rows % keys == 0 else 1
