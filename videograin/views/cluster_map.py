"""Clusters of a clip in colour: as pictures, and as data for the picker in the browser."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from zlib import compress

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.attention_clusters import ClusterLayout
from .centre import centre
from .palette import shades


def picture(layout: ClusterLayout) -> Tensor:
    """The clusters in colour, each with its number at its middle. Returns (frames, height, width, 3) float32."""
    colours = torch.tensor(shades(len(layout.names)), dtype=torch.uint8)
    frames = []
    for labels in layout.labels:
        size = (layout.width, layout.height)
        frame = Image.fromarray(colours[labels].numpy()).resize(size, Image.Resampling.NEAREST)
        draw = ImageDraw.Draw(frame)
        for number in labels.unique().tolist():
            y, x = centre(labels == number)
            place = ((x + 0.5) * size[0] / labels.shape[1], (y + 0.5) * size[1] / labels.shape[0])
            draw.text(place, str(number), fill="black", stroke_fill="white", stroke_width=1, anchor="mm")
        frames.append(torch.from_numpy(np.array(frame)))
    return torch.stack(frames).float().div_(255)


def picker(layout: ClusterLayout, choice: str, invert: bool) -> dict[str, Any]:
    """The picker's data. labels: one byte per token, frame after frame, deflated."""
    return {
        "labels": b64encode(compress(layout.labels.to(torch.uint8).numpy().tobytes())).decode(),
        "shape": list(layout.labels.shape),
        "size": [layout.width, layout.height],
        "names": layout.names,
        "colours": shades(len(layout.names)),
        "choice": choice,
        "invert": invert,
    }
