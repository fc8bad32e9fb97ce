"""Letters of a prompt and of its tokens, aligned: the basis of the phrase search, for any tokenizer.

A text's letters are what is left without weights, escapes, capitals and different ways to write one letter. Every
tokenizer's pieces spell them again, so that both can be laid side by side: phrases are found in the letters (phrase_search.py),
and their tokens are those that write a part of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import NamedTuple

Span = tuple[int, int]  # start, end
Written = tuple[str, int, int]  # some letters, and the start and end of their origin

EMBEDDING = "\U0010fffd"  # stands for a textual inversion among the letters of tokens
NAMED = re.compile(r"(?:^|(?<=\s))embedding:[^\s<\[]*[^\s<\[,]")
BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # SentencePiece's piece for a byte that its vocabulary cannot write


class Text(NamedTuple):
    """A text and its letters.

    written: as the user wrote it. letters: with one space between words. at: the span of `written` of each letter; a
    space added between two weights has no width. embeddings: spans of letters that name textual inversions.
    """

    written: str
    letters: str
    at: tuple[Span, ...]
    embeddings: tuple[Span, ...]

    def source(self, span: Span) -> Span:
        """The span of `written` that some letters come from."""
        return self.at[span[0]][0], self.at[span[1] - 1][1]

    def alone(self, span: Span) -> str:
        """Some letters as they were written, without weights."""
        places = [place for place, _ in groupby(self.at[slice(*span)])]
        return "".join(_escaped(self.written[start:end] or " ") for start, end in places)

    @property
    def loose(self) -> list[str]:
        """Parentheses without their other half: they make no weight and are read as plain signs."""
        return [self.written[start] for start, end in self.at if end - start == 1 and self.written[start] in "()"]


def _escaped(written: str) -> str:
    return f"\\{written}" if written in ("(", ")") else written


# ---- letters --------------------------------------------------------------------------------------------------------


def read(written: str) -> Text:
    """The letters of a prompt with ComfyUI's weights, such as “a (red:1.2) bear \\(left\\)”."""
    hidden = written.replace("\\)", "\0\1").replace("\\(", "\0\2")  # as ComfyUI does; of equal length: places stay
    letters, at, embeddings = "", [], []
    for start, end in _unweighted(hidden, 0, len(hidden)):
        named = list(NAMED.finditer(hidden[start:end]))
        begins = {start + match.start() for match in named}
        ends = {start + match.end() for match in named}
        if letters and letters[-1] != " ":
            letters, at = (
                f"{letters} ",
                [*at, (start, start)],
            )  # text encoders start a new word at each weight
        opened = 0
        for found, first, last in folded(_signs(hidden, start, end)):
            opened = len(letters) if first in begins else opened
            for letter in found:
                if letter != " " or letters[-1:] not in ("", " "):
                    letters += letter
                    at.append((first, last))
            if last in ends:
                embeddings.append((opened, len(letters)))
    kept = len(letters.rstrip(" "))
    return Text(written, letters[:kept], tuple(at[:kept]), tuple(embeddings))


def plain(written: str) -> Text:
    """The letters of a text in which parentheses are plain signs."""
    return read(re.sub(r"\\?([()])", r"\\\1", written))


def _unweighted(text: str, start: int, end: int) -> Iterator[Span]:
    """Spans of one weight each, without parentheses and number, as ComfyUI splits a prompt."""
    for first, last in _groups(text, start, end):
        if last - first > 1 and text[first] == "(" and text[last - 1] == ")":
            colon = text.rfind(":", first + 1, last - 1)
            weighted = colon > first + 1 and _is_number(text[colon + 1 : last - 1])
            yield from _unweighted(text, first + 1, colon if weighted else last - 1)
        else:
            yield first, last


def _groups(text: str, start: int, end: int) -> Iterator[Span]:
    """Spans split before each outermost opening parenthesis and after its closing one."""
    depth = 0
    for place in range(start, end):
        if text[place] == "(":
            if depth == 0 and place > start:
                yield start, place
                start = place
            depth += 1
        elif text[place] == ")":
            depth -= 1
            if depth == 0:
                yield start, place + 1
                start = place + 1
    if end > start:
        yield start, end


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _signs(hidden: str, start: int, end: int) -> Iterator[Written]:
    place = start
    while place < end:
        escaped = {"\0\1": ")", "\0\2": "("}.get(hidden[place : place + 2])
        width = 2 if escaped else 1
        yield escaped or hidden[place], place, place + width
        place += width


def folded(signs: Iterable[Written]) -> Iterator[Written]:
    """Letters in one form: é of one code point or two, ligatures, full width, capitals."""
    whole: Written | None = None
    for sign, start, end in signs:
        if whole is not None and _continues(sign):
            whole = whole[0] + sign, whole[1], end
            continue
        if whole is not None:
            yield from _folded(*whole)
        whole = sign, start, end
    if whole is not None:
        yield from _folded(*whole)


def _continues(sign: str) -> bool:
    """Whether a sign continues a letter: an accent, or a later part of a Korean syllable."""
    return unicodedata.category(sign)[0] == "M" or "\u1160" <= sign <= "\u11ff"


def _folded(sign: str, start: int, end: int) -> Iterator[Written]:
    found = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", sign).casefold())
    spaced = "".join(" " if letter.isspace() else letter for letter in found)
    kept = "".join(letter for letter in spaced if letter == EMBEDDING or unicodedata.category(letter)[0] != "C")
    if kept:
        yield kept, start, end


# ---- tokens ---------------------------------------------------------------------------------------------------------


def piece_bytes(pieces: Sequence[str]) -> list[bytes]:
    """The bytes that tokens write, from their names in the vocabulary of CLIP, GPT (both of bytes) or SentencePiece."""
    if any("\u2581" in piece for piece in pieces):
        codes = [BYTE.fullmatch(piece) for piece in pieces]
        plain = [piece.replace("\u2581", " ").encode() for piece in pieces]
        return [bytes.fromhex(code[1]) if code else text for code, text in zip(codes, plain, strict=True)]
    return [
        b"".join(_BYTES.get(sign) or sign.encode() for sign in piece.removesuffix("</w>"))
        + (b" " if piece.endswith("</w>") else b"")
        for piece in pieces
    ]


def _byte_signs() -> dict[str, bytes]:
    """Characters that stand for bytes in GPT's vocabulary: printable bytes for themselves, the others from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): bytes([byte]) for byte in printable} | {chr(256 + i): bytes([b]) for i, b in enumerate(others)}


_BYTES = _byte_signs()


def token_spans(text: Text, pieces: Sequence[bytes | None]) -> list[Span | None]:
    """The span of letters that each token writes, whole or in part; None for a token that writes none.

    pieces: from `piece_bytes`; EMBEDDING for a textual inversion's first token, None for its other tokens.
    """
    there = list(_letters_of(text))
    made = [entry for entry in _letters_made(pieces) if entry[0] != " "]
    spans: list[Span | None] = [None] * len(pieces)
    for wrote, found in _side_by_side([entry[0] for entry in there], [entry[0] for entry in made]):
        span = there[wrote.start][1], there[wrote.stop - 1][2]
        for token in range(made[found.start][1], made[found.stop - 1][2]):
            start, end = spans[token] or span
            spans[token] = min(start, span[0]), max(end, span[1])
    for token, piece in enumerate(pieces):
        if piece is None and token:
            spans[token] = spans[token - 1]
    return spans


def _letters_of(text: Text) -> Iterator[Written]:
    """A text's letters without spaces; a textual inversion counts as one letter."""
    place, named = 0, dict(text.embeddings)
    while place < len(text.letters):
        end = named.get(place, place + 1)
        if text.letters[place] != " ":
            yield EMBEDDING if place in named else text.letters[place], place, end
        place = end


def _letters_made(pieces: Sequence[bytes | None]) -> Iterator[Written]:
    """The letters that tokens write, each with its first token and the one after its last."""
    owners = [number for number, piece in enumerate(pieces) for _ in piece or b""]
    text, signs, place = b"".join(filter(None, pieces)).decode("utf-8", "surrogateescape"), [], 0
    for sign in text:
        width = len(sign.encode("utf-8", "surrogateescape"))
        signs.append((sign, owners[place], owners[place + width - 1] + 1))
        place += width
    for found, first, last in folded(signs):
        for letter in found:
            yield letter, first, last


def _side_by_side(there: list[str], made: list[str]) -> Iterator[tuple[range, range]]:
    """Pairs of matching letters. Where a tokenizer changed letters, the whole changed parts are one pair."""
    if there == made:
        yield from ((range(n, n + 1), range(n, n + 1)) for n in range(len(there)))
        return
    for kind, a, b, c, d in SequenceMatcher(None, there, made, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from ((range(a + n, a + n + 1), range(c + n, c + n + 1)) for n in range(b - a))
        elif kind == "replace":
            yield range(a, b), range(c, d)
