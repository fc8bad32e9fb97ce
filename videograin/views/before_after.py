"""Source and edit in one clip: side by side, one above the other, or with a wipe."""

from __future__ import annotations

import logging
from math import cos, pi

from torch import Tensor

from ..core.cells import put_back, same_clip
from ..media.resize import resized

logger = logging.getLogger("videograin")

SIDE_BY_SIDE, TOP_AND_BOTTOM = "side by side", "top and bottom"
MOVING_WIPE, FIXED_WIPE = "wipe, moving line", "wipe, fixed line"
MODES = (SIDE_BY_SIDE, TOP_AND_BOTTOM, MOVING_WIPE, FIXED_WIPE)
COLOURS = {"white": 1.0, "grey": 0.5, "black": 0.0}


def before_after(
    source: Tensor,
    edited: Tensor,
    mode: str = SIDE_BY_SIDE,
    position: float = 0.5,
    line: int = 4,
    colour: str = "white",
) -> Tensor:
    """A source and its edit in one clip.

    Args: source, edited (F, H, W, 3 or 4) float in 0…1; a single frame is repeated. mode, one of MODES. position 0…1,
    of a fixed line. line, width in pixels of the line or gap. colour, of COLOURS. The source is left of the line, or
    first. A moving line goes to the right end and back once.

    Returns (F, H', W', 3) float32. An edit that was cut to whole latent cells is put at its place on the source;
    another size is resized, with a warning. Raises ValueError for clips of different lengths.
    """
    counts = {len(source), len(edited)} - {1}
    if len(counts) > 1:
        raise ValueError(
            f"Before/After Video: `source` has {len(source)} frames and `edited` has {len(edited)}. Connect clips of the "
            "same length, or a single frame to one of them."
        )
    height, width = source.shape[1:3]
    alike = same_clip((height, width), tuple(edited.shape[1:3]))
    if not alike:
        found = f"{edited.shape[2]}×{edited.shape[1]}"
        logger.warning("Before/After Video: `edited` is %s and was resized to `source`'s %d×%d.", found, width, height)
    frames = max(len(source), len(edited))
    tall, wide = size(height, width, mode, line)
    out = source.new_full((frames, tall, wide, 3), COLOURS[colour])
    for index in range(frames):
        before, after = source[index % len(source), ..., :3], edited[index % len(edited), ..., :3]
        after = put_back(after[None], before[None])[0] if alike else resized(after, height, width)
        if mode == SIDE_BY_SIDE:
            out[index, :, :width], out[index, :, width + line :] = before, after
        elif mode == TOP_AND_BOTTOM:
            out[index, :height], out[index, height + line :] = before, after
        else:
            at = position if mode == FIXED_WIPE else 0.5 - 0.5 * cos(2 * pi * index / frames)
            wipe(out[index], before, after, round(at * width), line)
    return out


def size(height: int, width: int, mode: str, line: int) -> tuple[int, int]:
    """The (height, width) of the result."""
    if mode == SIDE_BY_SIDE:
        return height, 2 * width + line
    return (2 * height + line, width) if mode == TOP_AND_BOTTOM else (height, width)


def wipe(target: Tensor, before: Tensor, after: Tensor, column: int, line: int) -> None:
    """Draws `before` left and `after` right of a line around `column`, into a frame (H, W, 3) of the line's colour."""
    left, right = max(column - line // 2, 0), column + line - line // 2
    target[:, :left], target[:, right:] = before[:, :left], after[:, right:]
