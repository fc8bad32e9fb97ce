"""Where a region's phrase stands in the prompt (VideoGrain §3.2; the released code's token search, made strict)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .regions import Regions


class Token(NamedTuple):
    """One token of an encoded text.

    id: int, or the embedding tensor of a textual inversion. weight: from "(word:1.2)". position: its row in the
    text encoding, chunks of a long prompt one after the other.
    """

    id: int | Tensor
    weight: float
    position: int


@dataclass(frozen=True, eq=False)
class Binding:
    """Regions tied to the tokens of one encoded prompt.

    regions: as given. tokens: (K, L) bool, the rows of the encoding that belong to each region's phrase.
    """

    regions: Regions
    tokens: Tensor


def same_token(a: int | Tensor, b: int | Tensor) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return isinstance(a, Tensor) and isinstance(b, Tensor) and torch.equal(a, b)
    return a == b


def find_phrase(prompt: list[Token], phrase: list[Token], taken: set[int]) -> list[int] | None:
    """Indices into `prompt` of the first run of `phrase` whose positions are not `taken`; None if there is none."""
    for start in range(len(prompt) - len(phrase) + 1):
        run = prompt[start : start + len(phrase)]
        if all(same_token(a.id, b.id) for a, b in zip(run, phrase, strict=True)) and taken.isdisjoint(
            token.position for token in run
        ):
            return list(range(start, start + len(phrase)))
    return None
