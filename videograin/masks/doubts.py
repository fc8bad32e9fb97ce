"""Frames whose mask of a followed thing is probably wrong, in words, and the frame where another mark helps most."""

from __future__ import annotations

import numpy as np

EMPTY, LARGER, SMALLER, UNSURE = "empty", "larger", "smaller", "unsure"
WORDS = {
    EMPTY: "the mask is empty (right if the thing is out of sight)",
    LARGER: "much larger than where it is marked, it may have leaked",
    SMALLER: "much smaller than where it is marked, a part may be missing",
    UNSURE: "the motion is unclear, it may have slipped off",
}
SHOWN = 6  # runs of frames in a message
BOUND = 1.5  # times the marked frame's area, or its inverse
UNCLEAR = 0.5  # share of the mask where the flow there and back does not return


def doubts(masks: np.ndarray, marked: list[int], unclear: dict[int, float]) -> dict[int, tuple[str, float]]:
    """What is doubtful, and how much of it: {frame: (EMPTY, LARGER, SMALLER or UNSURE, 1 at the bound)}.

    The area is held against the marked frames': between two, against what lies evenly between theirs.
    Args: masks (F, H, W) bool; marked, the frames with marks; unclear, the share of a carried mask whose flow from the
    frame before does not return.
    """
    areas = masks.reshape(len(masks), -1).sum(1)
    known = [frame for frame in marked if areas[frame]]
    expected = np.interp(np.arange(len(masks)), known, areas[known]) if known else np.ones(len(masks))
    found = {}
    for frame, area in enumerate(areas):
        ratio = float(max(area, 1) / expected[frame])
        if not area:
            found[frame] = EMPTY, float("inf")
        elif frame not in marked and max(ratio, 1 / ratio) > BOUND:
            found[frame] = LARGER if ratio > 1 else SMALLER, max(ratio, 1 / ratio) / BOUND
        elif unclear.get(frame, 0) > UNCLEAR:
            found[frame] = UNSURE, unclear[frame] / UNCLEAR
    return found


def best_frame(found: dict[int, tuple[str, float]]) -> int:
    """The frame to mark: the middle of the longest run of doubtful frames, or the worst of lone ones."""
    runs = _runs(list(found))
    longest = max(runs, key=lambda run: (len(run), found[run[0]][1]))
    return longest[len(longest) // 2]


def told(found: dict[int, tuple[str, float]], count: int, name: str) -> str:
    """A warning of all that was `found`, in a clip of `count` frames. name: of what was marked."""
    parts = []
    for kind, words in WORDS.items():
        runs = _runs([frame for frame, (what, _) in found.items() if what == kind])
        if runs:
            spans = ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:SHOWN])
            more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
            parts.append(f"{spans}{more}: {words}.")
    best = best_frame(found)
    return (
        f"{name}: look at these frames. {' '.join(parts)} Another mark helps most in frame {best} "
        f"(“{best + 1} / {count}” below the picture)."
    )


def _runs(frames: list[int]) -> list[list[int]]:
    """Frames in rising order, cut where one is missing."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and runs[-1][-1] == frame - 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs
