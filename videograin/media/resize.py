"""The size of a clip's frames, and the fit of a picture into a frame of that size."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .clip import NODE

KEEP, EXACT = "keep", "exact"
# Modes that snap a size: (multiple in pixels, True to add pixels instead of cutting them).
SNAPS = {
    "multiple of 8, cropped": (8, False),
    "multiple of 64, cropped": (64, False),
    "multiple of 8, padded": (8, True),
    "multiple of 64, padded": (64, True),
}
MODES = (KEEP, *SNAPS, EXACT)


class Fit(NamedTuple):
    """The size that is asked for. mode: one of MODES. width, height: pixels, used by EXACT only."""

    mode: str = KEEP
    width: int = 512
    height: int = 512

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The frame's (height, width) for a picture's. Raises ValueError if no pixel would be left."""
        if self.mode == EXACT:
            return self.height, self.width
        if self.mode == KEEP:
            return height, width
        unit, pad = SNAPS[self.mode]
        snapped = [(side + (unit - 1) * pad) // unit * unit for side in (height, width)]
        if not all(snapped):
            raise ValueError(
                f"{NODE}' `size` is “{self.mode}”, but the clip is {width}×{height}, under {unit} pixels on a side. "
                f"Choose a padded size, or “{EXACT}”."
            )
        return snapped[0], snapped[1]

    def place(self, picture: Tensor, target: Tensor) -> None:
        """Writes a picture (H, W, 3) uint8, or float in 0…1, into a frame (h, w, 3) float32 of the size from `size`."""
        height, width = target.shape[:2]
        if self.mode == EXACT:
            picture = resized(picture, height, width)
        elif picture.shape != target.shape:
            picture = picture[centred(picture.shape[0], height)][:, centred(picture.shape[1], width)]
        target.copy_(picture)
        if picture.dtype == torch.uint8:
            target.div_(255)


def centred(have: int, want: int) -> Tensor:
    """Indices that cut or pad `have` pixels to `want`, equally on both sides; the edge pixel is repeated."""
    return (torch.arange(want) + (have - want) // 2).clamp(0, have - 1)


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """Cuts a picture (H, W, 3) to the aspect width:height around its centre and resizes it (bicubic, antialiased)."""
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(picture.shape[0] / height, picture.shape[1] / width)
    rows, columns = (max(1, round(side * scale)) for side in (height, width))
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    cut = picture[top : top + rows, left : left + columns].permute(2, 0, 1)[None]  # (1, 3, H, W)
    cut = cut.float() / 255 if picture.dtype == torch.uint8 else cut.float()
    small = F.interpolate(cut, size=(height, width), mode="bicubic", antialias=True, align_corners=False)
    return small[0].permute(1, 2, 0).clamp(0, 1)
