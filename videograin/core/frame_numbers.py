"""Numbers of frames in words."""

from __future__ import annotations


def runs(frames: list[int]) -> list[list[int]]:
    """[2, 3, 4, 7] -> [[2, 4], [7, 7]]."""
    found: list[list[int]] = []
    for frame in frames:
        if found and frame == found[-1][1] + 1:
            found[-1][1] = frame
        else:
            found.append([frame, frame])
    return found


def frames_text(found: list[list[int]]) -> str:
    """[[2, 4], [7, 7]] -> "frames 2 to 4, 7". Plain letters: the picture's font has few others."""
    text = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in found)
    return f"frame{'' if found[0][0] == found[-1][1] else 's'} {text}"
