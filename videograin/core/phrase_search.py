"""Phrase search in a text: whole words, independent of the tokenizer; and the reason where a phrase is not found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

from .spelling import Span, Text, plain, read

BRACKETS = "()[]{}"
SMALL_WORDS = frozenset(  # words that name no thing
    "a an the and or of in on at to by with for from over under before behind near is are be this that it its".split()
)
ARTICLES = frozenset(("a", "an", "the"))
# Scripts without spaces between words: Thai to Khmer, kana, Chinese characters.
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def occurrences(text: Text, phrase: str) -> list[Span]:
    """All places of a phrase in a text's letters, as whole words. Spaces count between words only.

    Weights in the phrase are ignored; if it is not found without them, its parentheses are read as plain signs. A part
    of a hyphenated word counts only if the phrase occurs nowhere else: “man” is the man beside Spider-Man.
    """
    for wanted in (read(phrase), plain(phrase)):
        if found := [span for span in _matches(text.letters, wanted.letters) if _whole(text.letters, span)]:
            return [span for span in found if not _hyphened(text.letters, span)] or found
    return []


def places(text: Text, phrases: Iterable[str]) -> list[Span | None]:
    """The place of each phrase: its first occurrence that no earlier phrase took; None without one."""
    taken: list[Span | None] = []
    for phrase in phrases:
        free = (span for span in occurrences(text, phrase) if not any(_meet(span, other) for other in taken if other))
        taken.append(next(free, None))
    return taken


def _meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _matches(letters: str, phrase: str) -> list[Span]:
    if not phrase:
        return []
    pattern = re.escape(phrase[0])
    for before, letter, after in zip(phrase, phrase[1:], f"{phrase[2:]} ", strict=False):
        if letter == " ":
            pattern += " " if _joined(before, after) else " ?"
        else:
            pattern += ("" if before == " " or _joined(before, letter) else " ?") + re.escape(letter)
    return [match.span(1) for match in re.finditer(f"(?=({pattern}))", letters)]


def _whole(letters: str, span: Span) -> bool:
    start, end = span
    before, after = letters[max(0, start - 1) : start + 1], letters[end - 1 : end + 1]
    return not any(len(pair) == 2 and _joined(*pair) for pair in (before if start else "", after))


def _hyphened(letters: str, span: Span) -> bool:
    """Whether the letters are part of a hyphenated word."""
    before, after = letters[max(0, span[0] - 2) : span[0]], letters[span[1] : span[1] + 2]
    return (before[1:] == "-" and _is_word(before[0])) or (after[:1] == "-" and _is_word(after[1:] or " "))


def _joined(one: str, other: str) -> bool:
    """Whether two neighbouring letters belong to one word."""
    return _is_word(one) and _is_word(other) and not (UNSPACED.match(one) or UNSPACED.match(other))


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_" or unicodedata.category(letter)[0] == "M"


def hint(text: Text, phrase: str) -> str:
    """The reason why a phrase is not found, as a sentence; "" where the text has nothing like it."""
    wanted = read(phrase)
    inside = _matches(text.letters, wanted.letters)
    if inside:
        return f'It stands there only inside "{_word(text, inside[0])}". '
    bare, places = _bare(text.letters)
    found = [span for span in _matches(bare, _bare(wanted.letters)[0]) if _whole(bare, span)]
    if not found:
        return ""
    start, end = places[found[0][0]], places[found[0][1] - 1] + 1
    while start and text.letters[start - 1] in BRACKETS:
        start -= 1
    while end < len(text.letters) and text.letters[end] in BRACKETS:
        end += 1
    signs = [number for number in range(start, end) if text.letters[number] in BRACKETS]
    return _of_brackets(text, signs, wanted)


def closest(phrase: str, prompt: str) -> str | None:
    """The words of a prompt that are most like a missing phrase; None if none are like it.

    Likeness is that of the words that name things: “a panda” and “bear and a” share no more than small words.
    """
    words, length = re.findall(r"[\w'-]+", prompt), len(phrase.split())
    runs = [
        words[start : start + count]
        for count in range(max(1, length - 1), length + 2)
        for start in range(len(words) - count + 1)
    ]
    likeness = {
        " ".join(run): (_alike(_telling(phrase.split()), _telling(run)), _alike(phrase.split(), run))
        for run in runs
        if run[-1].lower() not in SMALL_WORDS and run[0].lower() not in SMALL_WORDS - ARTICLES
    }
    best = max(likeness, key=likeness.get, default=None)
    return best if best and likeness[best][0] > 0.5 else None  # at 0.5 "a" is like "cat"


def _telling(words: list[str]) -> list[str]:
    return [word for word in words if word.lower() not in SMALL_WORDS]


def _alike(words: list[str], others: list[str]) -> float:
    return SequenceMatcher(None, " ".join(words).lower(), " ".join(others).lower()).ratio()


def _of_brackets(text: Text, signs: list[int], wanted: Text) -> str:
    shown = {text.letters[number] for number in signs}
    if shown & set("[]{}"):
        return (
            f"The prompt has “{text.letters[signs[0]]}” there: square and curly brackets are no weights in ComfyUI, but signs "
            "that the text encoder reads. Take them out, and write (word:0.9) for less. "
        )
    if any(text.at[number][1] - text.at[number][0] == 1 for number in signs):
        return "The prompt has a parenthesis there without its other half, which is read as a sign. Close it, or take it out. "
    if shown:
        return "The prompt has parentheses there that are signs, “\\(” and “\\)”. Write them into the phrase as well. "
    return f"The phrase has brackets that the prompt has not: “{wanted.written}”. "


def _bare(letters: str) -> tuple[str, list[int]]:
    """Letters without brackets, and the index of each in `letters`."""
    kept = [number for number, letter in enumerate(letters) if letter not in BRACKETS]
    return "".join(letters[number] for number in kept), kept


def _word(text: Text, span: Span) -> str:
    """The whole words around some letters."""
    start, end = span
    while start and _joined(text.letters[start - 1], text.letters[start]):
        start -= 1
    while end < len(text.letters) and _joined(text.letters[end - 1], text.letters[end]):
        end += 1
    return text.alone((start, end))
