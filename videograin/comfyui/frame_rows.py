"""Which frames the rows of a model call show.

ComfyUI batches (prompt, frame) and says which prompts; a pack that shows the network tiles, or batches of its own, changes
that and says nothing. So rows are counted, and compared with what ComfyUI's batching was given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ROUNDING = 1e-2  # of the highest value: bfloat16 keeps 4e-3
TOLERANCE = 1e-4  # of a part's mean square: what finding its place leaves


def in_order(rows: Tensor, frames: Tensor) -> bool:
    """Whether no row shows another frame than its own; (f, c, h, w) both.

    A row may show what is no frame at all, as a reference picture's pass does. Frames are told apart by the highest and
    lowest values of their channels, which stay where a pack rolls the picture, and nearly where it rounds it.
    """
    shown, own = (torch.cat([x.amax((-2, -1)), x.amin((-2, -1))], 1).float() for x in (rows, frames))
    near = ROUNDING * own.abs().amax()
    shows = ((shown[:, None] - own).abs() <= near).all(-1)  # (row, frame)
    return bool((shows.diagonal() | ~shows.any(1)).all())


def one_part(rows: Tensor, frames: Tensor) -> bool:
    """Whether the rows are one part of the picture, frame by frame.

    rows: (f, c, h, w). frames: (f, c, H, W), whose edges may meet, as where a pack rolls the picture before it cuts it.
    """
    high, wide = rows.shape[-2:]
    if high > frames.shape[-2] or wide > frames.shape[-1]:
        return False
    y, x = _place(rows[0].cpu().double(), frames[0].cpu().double())
    part = frames.roll((-y, -x), (-2, -1))[..., :high, :wide]
    error, size = ((t.float().square().flatten(1).mean(1)) for t in (rows - part, part))
    return bool((error <= TOLERANCE * size).all())


def _place(part: Tensor, frame: Tensor) -> tuple[int, int]:
    """(y, x) where a part (c, h, w) is most like a frame (c, H, W), by least squares over all places."""
    size = frame.shape[-2:]
    there = frame.new_ones(part.shape[-2:])

    def correlated(a: Tensor, b: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(a, s=size) * torch.fft.rfft2(b, s=size).conj(), s=size)

    error = correlated(frame.square().sum(0), there) - 2 * correlated(frame, part).sum(0)
    return divmod(int(error.argmin()), size[1])


def claimed_frames(options: dict[str, Any], total: int) -> tuple[int, ...]:
    """The clip's frames that a call is said to hold: all of them, or those of a context window."""
    window, animatediff = options.get("context_window"), options.get("ad_params") or {}
    if window is not None:  # get_tensor and not index_list: only the former has the window's anchor frame
        return tuple(window.get_tensor(torch.arange(total), dim=0).tolist())
    return tuple(int(i) for i in animatediff.get("sub_idxs") or range(total))
