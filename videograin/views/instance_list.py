"""List of instances: the things of a mask in colour, as portraits, and as lines of text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .palette import shades


def coloured(things: Tensor) -> Tensor:
    """Things (K, F, H, W) bool, each in its colour: (F, H, W, 3) float32."""
    colours = torch.tensor(shades(len(things))).float() / 255
    return torch.einsum("kfhw,kc->fhwc", things.float(), colours)


def portrait(thing: Tensor, frames: Tensor | None) -> Tensor:
    """A thing cut out of the frame that shows most of it, its surroundings dimmed: (1, h, w, 3) float32.

    Args: thing (F, H, W) bool, not empty; frames (F, H, W, 3 or more), None for its mask alone.
    """
    frame = int(thing.sum((1, 2)).argmax())
    rows, columns = (thing[frame].any(axis).nonzero().flatten() for axis in (1, 0))
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    inside = thing[frame][box][..., None].float()
    return (inside if frames is None else frames[frame][box][..., :3].cpu() * (0.3 + 0.7 * inside)).expand(-1, -1, 3)[
        None
    ]


def titles(names: str, count: int) -> list[str]:
    """Titles of `count` things: the names from a text with commas, then numbers."""
    found = [name.strip() for name in names.split(",") if name.strip()][:count]
    return found + [f"thing {number}" for number in range(len(found) + 1, count + 1)]


def areas(things: Tensor) -> list[list[float]]:
    """The share of every frame that each thing covers, 0 to 1; things (K, F, H, W) bool."""
    return things.float().mean((2, 3)).tolist()


def report(things: Tensor, titles: list[str]) -> str:
    """A line for each thing: number, title, least and largest share of a frame."""
    lines = zip(titles, areas(things), strict=True)
    return "\n".join(f"{n}: {title}, {min(a):.1%} to {max(a):.1%}" for n, (title, a) in enumerate(lines, 1))


def rows(things: Tensor, titles: list[str]) -> list[dict[str, Any]]:
    """The data of each thing that the list shows beside its portrait."""
    entries = zip(titles, shades(len(things)), areas(things), strict=True)
    return [{"name": title, "colour": colour, "area": area} for title, colour, area in entries]


def over(things: Tensor, frames: Tensor, share: float = 0.5) -> Tensor:
    """Things (K, F, H, W) bool in colour over their frames (F, H, W, 3 or more): (F, H, W, 3) float32."""
    covered = share * things.any(0)[..., None].float()
    return frames[..., :3].cpu() * (1 - covered) + coloured(things).clamp(max=1) * covered
