"""Prompt alignment: source tokens whose attention maps the edit's tokens take (FateZero §4.2, Prompt-to-Prompt).

An alignment is a matrix W (source tokens, target tokens): the map of target token j becomes sum_i W[i, j] · (source map
i). A token whose column is 0 keeps the edit's own map.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .phrase_tokens import Token, same_token

REFINE, REPLACE = MODES = ("refine", "replace")
NEW, GONE = "(new)", "(gone)"
STRONG = 10.0  # the released configurations' usual emphasis; above it pictures burn
MOST = 1e6  # far beyond any use, and far below an overflow
FACTOR = re.compile(r"\d+(\.\d*)?|\.\d+")


class Prompt(NamedTuple):
    """An encoded text.

    text: as written. words: the tokens of each word. spelling: each word as written. length: rows of the encoding,
    start, end and padding included.
    """

    text: str
    words: tuple[tuple[Token, ...], ...]
    spelling: tuple[str, ...]
    length: int

    @property
    def tokens(self) -> list[Token]:
        return [token for word in self.words for token in word]


def aligned(source: Sequence[Token], target: Sequence[Token]) -> list[int | None]:
    """The source token of each target token, as an index; None for a new token.

    Needleman–Wunsch as released (gap 0, match +1, mismatch -1), which gives the longest common subsequence; of several,
    the one that matches the earliest target tokens.
    """
    best = [[0] * (len(target) + 1) for _ in range(len(source) + 1)]
    for i, a in enumerate(source, 1):
        for j, b in enumerate(target, 1):
            matched = best[i - 1][j - 1] + 1 if same_token(a.id, b.id) else 0
            best[i][j] = max(best[i][j - 1], best[i - 1][j], matched)
    found: list[int | None] = [None] * len(target)
    i, j = len(source), len(target)
    while i and j:
        if best[i][j] == best[i][j - 1]:
            j -= 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            found[j] = i
    return found


def alignment(source: Prompt, target: Prompt, mode: str) -> Tensor:
    """The alignment W, (source.length, target.length) float32, for one of MODES.

    "refine" aligns the tokens that both prompts have. "replace" gives the n-th word the map of the source's n-th word;
    where their token counts differ, the source word's maps are summed and shared evenly among the target word's tokens.
    Raises ValueError where "replace" meets different numbers of words.
    """
    matrix = torch.zeros(source.length, target.length)
    if mode == REFINE:
        theirs, ours = source.tokens, target.tokens
        for token, found in zip(ours, aligned(theirs, ours), strict=True):
            if found is not None:
                matrix[theirs[found].position, token.position] = 1
    else:
        if len(source.words) != len(target.words):
            raise ValueError(
                f"“{REPLACE}” needs a word for each word, but the source has {len(source.words)} "
                f'("{source.text}") and the target {len(target.words)} ("{target.text}").'
            )
        for theirs, ours in zip(source.words, target.words, strict=True):
            for n, token in enumerate(ours):
                if len(theirs) == len(ours):
                    matrix[theirs[n].position, token.position] = 1
                else:
                    matrix[[other.position for other in theirs], token.position] = 1 / len(ours)
    return _with_specials(matrix, source, target)


def _with_specials(matrix: Tensor, source: Prompt, target: Prompt) -> Tensor:
    """W with the special tokens aligned: start to start, end to end, padding to padding at the same position.

    Where the source has a *word* at that position, padding keeps its own map; the released code gives it the word's.
    """
    theirs, ours = ({token.position for token in prompt.tokens} for prompt in (source, target))
    ends = {max(ours, default=0) + 1: max(theirs, default=0) + 1}
    for position in set(range(target.length)) - ours:
        there = ends.get(position, position)
        if there < source.length and there not in theirs:
            matrix[there, position] = 1
    return matrix


def table(source: Prompt, target: Prompt, matrix: Tensor) -> str:
    """The alignment as a Markdown table: each word of the edit, and the source words whose maps it takes."""
    taken = matrix > 0

    def partners(word: tuple[Token, ...]) -> list[int]:
        columns = taken[:, [token.position for token in word]].any(1)
        return [n for n, other in enumerate(source.words) if any(columns[token.position] for token in other)]

    found = [partners(word) for word in target.words]
    names = [" ".join(source.spelling[n] for n in numbers) or NEW for numbers in found]
    lines = ["| prompt | attention of the source prompt's |", "| --- | --- |"]
    lines += [f"| {word} | {name} |" for word, name in zip(target.spelling, names, strict=True)]
    gone = sorted(set(range(len(source.words))) - {n for numbers in found for n in numbers})
    return "\n".join(lines + [f"| {GONE} | {source.spelling[n]} |" for n in gone])


def parse_emphasis(text: str, whose: str, prompt: str) -> dict[str, float]:
    """Gains of words from lines such as "word: 2.0". whose, prompt: the inputs' names, for messages.

    Raises ValueError for any other line.
    """
    gains = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        word, _, factor = (part.strip() for part in line.rpartition(":"))
        if not word or not FACTOR.fullmatch(factor) or float(factor) > MOST:
            raise ValueError(
                f'{whose} has the line "{line}", but each line is a word of {prompt}, a '
                f"colon and a factor from 0 to {MOST:g}, such as “watercolor: 10”."
            )
        gains[word] = float(factor)
    return gains
