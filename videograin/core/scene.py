"""Source and edited prompt of an edit, from its rows: what each thing is, and what it becomes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from .phrase_search import closest, hint, occurrences, places
from .spelling import Span, read

FIELDS = ("is", "becomes", "marks")  # of a row, as the view on the node writes them


class Row(NamedTuple):
    """One thing of the clip. number: from 1, as the node shows it. becomes: empty for free to change."""

    number: int
    thing: str
    becomes: str = ""
    marks: str = ""

    @property
    def blank(self) -> bool:
        return not (self.thing or self.becomes or self.marks)

    @property
    def phrase(self) -> str:
        """The words of the edited prompt that belong to the thing."""
        return self.becomes or self.thing


class Scene(NamedTuple):
    """Both prompts. rows: in an order in which each one's phrase is found where it belongs."""

    source: str
    edited: str
    rows: tuple[Row, ...]


def read_rows(text: str) -> list[Row]:
    """Rows from JSON such as [{"is": "a wolf", "becomes": "a bear", "marks": "310, 200, 0"}]; "" has none.

    Raises ValueError for anything that is no list of rows.
    """
    try:
        found = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if not isinstance(found, list):
        raise ValueError(f"it is {_shown(found)}")
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(field, ""), str) for field in FIELDS):
            raise ValueError(f"entry {number} is {_shown(entry)}")
    return [Row(number, *(entry.get(field, "").strip() for field in FIELDS)) for number, entry in enumerate(found, 1)]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]


def told(scene: str, rows: Sequence[Row]) -> Scene:
    """The prompts of a scene, or of the rows alone where the scene is empty.

    In the scene each row's `is` gives way to its `becomes`, once; the longest are looked for first, so that “a wolf” does
    not take words of “a wolf cub”. Raises ValueError, with the row, where words are missing or cannot be told apart.
    """
    for row in rows:
        _require_words(row)
    source, spans = (scene, _found(scene, rows)) if scene.strip() else _listed(rows)
    edited, inside = _replaced(source, spans, rows)
    # The search gives each phrase its first free place. In the order of the text, all places before it are taken.
    for numbers in (range(len(rows)), sorted(range(len(rows)), key=lambda number: spans[number])):
        order = [rows[number] for number in numbers]
        lost = _misplaced(edited, order, [inside[number] for number in numbers])
        if lost is None:
            return Scene(source, edited, tuple(order))
    raise ValueError(
        f'Row {lost.number}: "{lost.phrase}" cannot be told from other words of the edited prompt "{edited}". Write it another '
        "way there or here, such as “a big bear”."
    )


def _require_words(row: Row) -> None:
    if not read(row.thing).letters:
        raise ValueError(
            f"Row {row.number}: `is` is empty. Write what the thing is, such as “a wolf”, or remove the row."
        )
    if row.becomes and not read(row.becomes).letters:
        raise ValueError(f"Row {row.number}: `becomes` has no words. Write what the thing becomes, or empty it.")
    for field, words in (("is", row.thing), ("becomes", row.becomes)):
        if read(words).loose:
            raise ValueError(
                f'Row {row.number}: `{field}` "{words}" has a bracket without its other half. Close it, or take it out.'
            )


def _listed(rows: Sequence[Row]) -> tuple[str, list[Span]]:
    """“a wolf, a pig and a cat”, and where each one stands."""
    text, spans = "", []
    for number, row in enumerate(rows):
        text += "" if not number else " and " if number == len(rows) - 1 else ", "
        spans.append((len(text), len(text) + len(row.thing)))
        text += row.thing
    return text, spans


def _found(scene: str, rows: Sequence[Row]) -> list[Span]:
    """Where in the scene each row's `is` stands."""
    text = read(scene)
    longest = sorted(rows, key=lambda row: -len(read(row.thing).letters))
    spans = {}
    for row, span in zip(longest, places(text, [row.thing for row in longest]), strict=True):
        if span is None:
            raise ValueError(f'Row {row.number}: "{row.thing}" {_reason(scene, row.thing)}')
        start, end = spans[row.number] = text.source(span)
        if read(scene[start:end]).loose:
            raise ValueError(
                f"Row {row.number}: a bracket of `scene` begins or ends inside “{scene[start:end]}”. Put brackets around the "
                "whole of it, or around none."
            )
    return [spans[row.number] for row in rows]


def _reason(scene: str, thing: str) -> str:
    text = read(scene)
    if occurrences(text, thing):
        return f'stands in `scene` "{scene}" only where another row has it. Write it there once for each row.'
    near = closest(thing, scene)
    why = hint(text, thing) or (f'The closest there is "{near}". ' if near else "")
    return f'does not stand in `scene` "{scene}". {why}Write it there, change the row, or empty `scene`.'


def _replaced(source: str, spans: list[Span], rows: Sequence[Row]) -> tuple[str, list[Span]]:
    """The text with each row's `becomes` in its place, and where each row stands now."""
    edited, done, inside = "", 0, [(0, 0)] * len(rows)
    for number in sorted(range(len(rows)), key=lambda number: spans[number]):
        start, end = spans[number]
        edited += source[done:start]
        words = rows[number].becomes or source[start:end]
        inside[number] = len(edited), len(edited) + len(words)
        edited, done = edited + words, end
    return edited + source[done:], inside


def _misplaced(edited: str, rows: Sequence[Row], inside: list[Span]) -> Row | None:
    """The first row whose phrase is not found inside its own place; None if all are."""
    text = read(edited)
    for row, span, (start, end) in zip(rows, places(text, [row.phrase for row in rows]), inside, strict=True):
        if span is None or not (start <= text.source(span)[0] and text.source(span)[1] <= end):
            return row
    return None
