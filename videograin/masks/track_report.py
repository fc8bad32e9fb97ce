"""Report on followed regions, in words: where each is not sure or not seen, and which mark would help most."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..core.frame_numbers import frames_text, runs
from ..core.label_propagation import SURE

SURE_OF_ALL = "sure in every frame"


def unsure(masks: Tensor, confidence: Tensor, marked: Sequence[int]) -> list[int]:
    """Frames of one region that are probably wrong. masks (F, H, W) bool; confidence (F,)."""
    seen = masks.flatten(1).any(1)
    return [f for f in range(len(masks)) if f not in marked and seen[f] and float(confidence[f]) < SURE]


def report(masks: Tensor, confidence: Tensor, marked: Sequence[int], numbers: Sequence[int]) -> str:
    """A line for each region. masks (K, F, H, W) bool; confidence (K, F); numbers of the regions, to name them."""
    return "\n".join(
        f"region {number}: {_line(*given, marked)}"
        for number, given in zip(numbers, zip(masks, confidence, strict=True), strict=True)
    )


def remark(name: str, masks: Tensor, confidence: Tensor, marked: Sequence[int]) -> str:
    """One region's line for the node that has marks, where they are made; empty if there is nothing to look at."""
    line = _line(masks, confidence, marked)
    if line == SURE_OF_ALL:
        return ""
    doubted = unsure(masks, confidence, marked)
    place = f" (“{best_frame(doubted, confidence) + 1} / {len(masks)}” below the picture)" if doubted else ""
    return f"{name}: {line}{place}."


def _line(masks: Tensor, confidence: Tensor, marked: Sequence[int]) -> str:
    doubted = unsure(masks, confidence, marked)
    hidden = [f for f, seen in enumerate(masks.flatten(1).any(1).tolist()) if not seen]
    parts = [f"not sure in {frames_text(runs(doubted))}"] if doubted else []
    if hidden:
        parts.append(f"not seen in {frames_text(runs(hidden))} (right if it is out of sight)")
    if doubted:
        parts.append(f"a mark in frame {best_frame(doubted, confidence)} would help most")
    return "; ".join(parts) or SURE_OF_ALL


def best_frame(doubted: list[int], confidence: Tensor) -> int:
    """The frame to mark: of the longest run of doubtful frames, the least sure one."""
    first, last = max(runs(doubted), key=lambda run: run[1] - run[0])
    return min(range(first, last + 1), key=lambda frame: float(confidence[frame]))
