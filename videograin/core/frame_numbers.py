"""Frame numbers, read from text and written as text."""

from __future__ import annotations

import re


def parse_frames(text: str, whose: str, most: int) -> tuple[int, ...]:
    """Frame numbers from text, ascending, each once. whose: the input's name, for messages.

    Raises ValueError for a word that is no whole number, and for more than `most` numbers.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise ValueError(
            f"{whose} has “{wrong[0]}”, which is no frame number. Write whole numbers from 0 with commas, as in “0, 40, 95”, "
            "or leave it empty."
        )
    chosen = tuple(sorted({int(word) for word in words}))
    if len(chosen) > most:
        raise ValueError(
            f"{whose} names {len(chosen)} frames, and every frame would see them all. Name at most {most}."
        )
    return chosen


def runs(frames: list[int]) -> list[list[int]]:
    """Runs of neighbouring frames as [first, last]: [2, 3, 4, 7] -> [[2, 4], [7, 7]]. frames: ascending."""
    found: list[list[int]] = []
    for frame in frames:
        if found and frame == found[-1][1] + 1:
            found[-1][1] = frame
        else:
            found.append([frame, frame])
    return found


def frames_text(found: list[list[int]]) -> str:
    """Runs of frames as text: [[2, 4], [7, 7]] -> "frames 2 to 4, 7". ASCII: the picture's font has little more."""
    text = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in found)
    return f"frame{'' if found[0][0] == found[-1][1] else 's'} {text}"
