"""Latent cells and the pixels they show, 8×8 pixels a cell.

A picture whose sides are no multiple of 8 is fitted to whole cells around its centre: ComfyUI's VAE Encode cuts it;
“padded” of Load Video Frames, and Edit in Chunks, repeat its edge. Masks, motion and hints are fitted in the same way,
and an edit is put back at its place in the source. With d = (side - latent's side in pixels) // 2, pixel i of the
fitted picture is pixel i + d of the whole one: cut where d >= 0, padded where d < 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

CELL = 8  # pixels on each side of a cell


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
    """`on_cells` for frames (F, H, W, C)."""
    return on_cells(frames.movedim(-1, -3), cells).movedim(-3, -1).contiguous()


def padded(side: int) -> int:
    """Cells that cover a side of so many pixels; the last pixel is repeated to fill the last cell."""
    return -(-side // CELL)


def offset(side: int, latents: int) -> int:
    """d: the pixel of the whole picture at which the fitted one begins; below 0 where it is padded."""
    return (side - latents) // 2


def same_clip(source: tuple[int, int], edited: tuple[int, int]) -> bool:
    """Whether frames of size `edited` can be `source`'s after encoding and decoding; both (height, width)."""
    return edited == source or (
        all(side % CELL == 0 for side in edited) and fits(source, (edited[0] // CELL, edited[1] // CELL))
    )


def overlap(source: tuple[int, int], edited: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that both clips show, as (rows, columns) of the source and of the edit; sizes (height, width)."""
    there, here = [], []
    for side, other in zip(source, edited, strict=True):
        begin = offset(side, other)
        first, last = max(0, begin), min(side, begin + other)
        there.append(slice(first, last))
        here.append(slice(first - begin, last - begin))
    return (there[0], there[1]), (here[0], here[1])


def cut_like(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames (F, H, W, C) cut or padded to `size`, (height, width) in whole cells; unchanged where it does not fit."""
    there = tuple(frames.shape[1:3])
    if there == size or not same_clip(there, size):
        return frames
    return frames_on_cells(frames, (size[0] // CELL, size[1] // CELL))


def put_back(edited: Tensor, source: Tensor) -> Tensor:
    """Edited frames at the source's size: padding is cut off; pixels that encoding had cut are the source's.

    Args: edited (F, h, w, C), source (F, H, W, C or more), sizes as in `same_clip`. Returns (F, H, W, C); `edited`
    itself where the sizes are equal.
    """
    if edited.shape[1:3] == source.shape[1:3]:
        return edited
    (rows, columns), (own_rows, own_columns) = overlap(tuple(source.shape[1:3]), tuple(edited.shape[1:3]))
    whole = source[..., : edited.shape[-1]].to(edited, copy=True)
    whole[:, rows, columns] = edited[:, own_rows, own_columns]
    return whole
