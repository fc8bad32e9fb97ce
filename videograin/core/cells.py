"""Pixels beside a latent, whose cells are 8×8 pixels each.

A picture whose sides are no multiple of 8 is brought to one around its centre: ComfyUI's VAE Encode cuts it, “padded” of
Load Video Frames and Edit in Chunks repeat its edge. All that lies beside such a latent, masks, motion, hints, is brought
there alike, and an edit is laid back where it came from. With d = (side - latent's side) // 2, pixel i of the latent's
picture is pixel i + d of the whole one, cut (d >= 0) or padded (d < 0).
"""

from __future__ import annotations

import torch
from torch import Tensor

CELL = 8  # pixels to a cell, a side


def fits(size: tuple[int, int], cells: tuple[int, int], pixels: int = CELL) -> bool:
    """Whether a picture of `size` pixels can be the one of a latent of `cells`, cut or padded; both (height, width)."""
    return all(side // pixels == cell or -(-side // pixels) == cell for side, cell in zip(size, cells, strict=True))


def on_cells(picture: Tensor, cells: tuple[int, int], pixels: int = CELL) -> Tensor:
    """What a latent shows of a picture of its clip, (..., H, W), by the centre: (..., 8·height, 8·width).

    cells: (height, width) of the latent, of so many pixels a side each. A picture of another clip's size is returned as it is, to be resized.
    """
    size = tuple(picture.shape[-2:])
    if not fits(size, cells, pixels) or size == (cells[0] * pixels, cells[1] * pixels):
        return picture
    rows, columns = (
        (torch.arange(cell * pixels, device=picture.device) + offset(side, cell * pixels)).clamp(0, side - 1)
        for side, cell in zip(size, cells, strict=True)
    )
    return picture[..., rows, :][..., columns]


def frames_on_cells(frames: Tensor, cells: tuple[int, int]) -> Tensor:
    """The same for frames, (F, H, W, C)."""
    return on_cells(frames.movedim(-1, -3), cells).movedim(-3, -1).contiguous()


def padded(side: int) -> int:
    """Cells of a side of so many pixels, the last one repeated."""
    return -(-side // CELL)


def offset(side: int, latents: int) -> int:
    """Where a latent's picture begins in the whole one, in pixels; below 0 where it begins outside."""
    return (side - latents) // 2


def same_clip(source: tuple[int, int], edited: tuple[int, int]) -> bool:
    """Whether frames of size `edited` can be those of `source`, encoded and decoded; both (height, width)."""
    return edited == source or (
        all(side % CELL == 0 for side in edited) and fits(source, (edited[0] // CELL, edited[1] // CELL))
    )


def overlap(source: tuple[int, int], edited: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that both have, as (rows, columns) of the source and of the edited frames; sizes are (height, width)."""
    there, here = [], []
    for side, other in zip(source, edited, strict=True):
        begin = offset(side, other)
        first, last = max(0, begin), min(side, begin + other)
        there.append(slice(first, last))
        here.append(slice(first - begin, last - begin))
    return (there[0], there[1]), (here[0], here[1])


def cut_like(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames (F, H, W, C) as a latent's picture of `size` (height, width) shows them; as they are if it is another clip's."""
    there = tuple(frames.shape[1:3])
    if there == size or not same_clip(there, size):
        return frames
    return frames_on_cells(frames, (size[0] // CELL, size[1] // CELL))


def laid_back(edited: Tensor, source: Tensor) -> Tensor:
    """Edited frames at their place in the source's, at its size: what was padded is cut, what was cut is the source's.

    Args: edited (F, h, w, C), source (F, H, W, C or more), sizes as in `same_clip`. Returns (F, H, W, C); edited itself
    where the sizes are equal.
    """
    if edited.shape[1:3] == source.shape[1:3]:
        return edited
    (rows, columns), (own_rows, own_columns) = overlap(tuple(source.shape[1:3]), tuple(edited.shape[1:3]))
    whole = source[..., : edited.shape[-1]].to(edited, copy=True)
    whole[:, rows, columns] = edited[:, own_rows, own_columns]
    return whole
