"""Trajectories: motion paths drawn on their frames."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.flatten import paths, token_steps

SHOWN = 240  # paths, evenly chosen among those that move; more would hide the frame
TRAIL = 6  # frames
TOKEN = 8  # pixels: the finest attention level of a Stable Diffusion UNet


def draw_flow(frames: Tensor, flow: Tensor) -> Tensor:
    """Frames (F, H, W, 3) with the token paths of an optical flow (F - 1, H, W, 2). Returns the shape of `frames`."""
    height, width = (max(1, side // TOKEN) for side in frames.shape[1:3])
    return draw_paths(frames, paths(token_steps(flow, height, width)), height, width)


def draw_paths(frames: Tensor, paths: Tensor, height: int, width: int) -> Tensor:
    """Each frame, dimmed, with the last steps of the paths that move; a path keeps its colour.

    frames: (F, H, W, 3) in 0…1; paths (P, F) from `flatten.paths` on a grid of height × width tokens. Returns the shape
    of `frames`.
    """
    tall, wide = frames.shape[1] / height, frames.shape[2] / width
    points = [_points(path, width, wide, tall) for path in _moving(paths, width)]
    drawn = []
    for f, frame in enumerate(frames):
        picture = Image.fromarray((frame.cpu().float().clamp(0, 1) * 140).byte().numpy())
        pen = ImageDraw.Draw(picture)
        for number, path in enumerate(points):
            trail = [path[g] for g in range(max(0, f - TRAIL), f + 1) if g in path]
            if f not in path:
                continue
            hue = number * 0.618 % 1
            colour = tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.8, 1.0))
            pen.line(trail, colour, 1)
            x, y = path[f]
            pen.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), colour)
        drawn.append(torch.from_numpy(np.asarray(picture).copy()).float() / 255)
    return torch.stack(drawn)


def _moving(paths: Tensor, width: int) -> Tensor:
    there = paths >= 0
    spread = paths.new_zeros(len(paths))
    for axis in (paths // width, paths % width):
        spread += axis.masked_fill(~there, -1).amax(1) - axis.masked_fill(~there, 1 << 30).amin(1)
    moving = paths[spread > 0]
    return moving[torch.linspace(0, len(moving) - 1, min(SHOWN, len(moving))).long()] if len(moving) else moving


def _points(path: Tensor, width: int, wide: float, tall: float) -> dict[int, tuple[float, float]]:
    """The path as frame -> middle of its token in pixels."""
    return {
        f: ((token % width + 0.5) * wide, (token // width + 0.5) * tall)
        for f, token in enumerate(path.tolist())
        if token >= 0
    }
