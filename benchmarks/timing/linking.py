"""Cost of Flow-Guided Attention before sampling: the optical flow of a clip, and the links of its tokens into paths."""

from __future__ import annotations

from itertools import pairwise

import torch

from ...videograin.core.flatten import paths, token_steps
from ...videograin.core.optical_flow import dis_flow
from .machine import seconds
from .rows import Row


def linking(frames: int, size: int, device: torch.device) -> list[Row]:
    """A random picture that moves over a clip of size × size pixels, at the finest level of its latent."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, size // 8, size // 8, generator=generator)
    picture = (
        torch.nn.functional.interpolate(coarse, (2 * size, 2 * size), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)
    )
    clip = [picture[3 * f : size + 3 * f, 5 * f : size + 5 * f] for f in range(frames)]
    flow = torch.stack([dis_flow(now, after) for now, after in pairwise(clip)])
    grid = size // 8
    spent = {
        "optical flow (OpenCV DIS)": seconds(lambda: [dis_flow(now, after) for now, after in pairwise(clip)], device),
        "linking tokens into paths": seconds(lambda: paths(token_steps(flow, grid, grid)), device),
    }
    whole = spent["optical flow (OpenCV DIS)"]
    facts = {"bench": "paths", "frames": frames, "size": size}
    return [{**facts, "case": case, "seconds": took, "ratio_to_flow": took / whole} for case, took in spent.items()]
