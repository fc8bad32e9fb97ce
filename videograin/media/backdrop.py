"""The colour that shows through the transparent parts of a picture."""

from __future__ import annotations

import numpy as np
from torch import Tensor

Colour = tuple[int, int, int]  # red, green, blue, 0…255
WHITE: Colour = (255, 255, 255)


def over(rgba: np.ndarray, colour: Colour) -> np.ndarray:
    """A picture (H, W, 4) uint8 with straight alpha on a colour: (H, W, 3) uint8."""
    picture, alpha = rgba[..., :3].astype(np.uint16), rgba[..., 3:].astype(np.uint16)
    ground = np.array(colour, np.uint16)
    return ((picture * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def frame_over(frame: Tensor, colour: Colour) -> Tensor:
    """A frame (H, W, 3 or 4) float in 0…1 on a colour: (H, W, 3); without alpha the same bits."""
    if frame.shape[-1] == 3:
        return frame
    return frame.new_tensor(colour).div_(255).lerp(frame[..., :3], frame[..., 3:])
