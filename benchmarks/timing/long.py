"""Time and memory of Edit in Chunks per frame, by the length of the clip, on the demo model.

Import it after ComfyUI (tools/inprocess.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ...nodes.attention import STLayoutAttention
from ...nodes.chunks import EditInChunks
from ...nodes.regions import BindRegionPrompts, RegionPrompt
from ...videograin.core.chunking import windows
from ...videograin.jobs import demo_model
from ...videograin.toybox import clips, tasks
from . import machine
from .rows import Row

OVERLAP, ANCHORS = 4, 4


class Task(NamedTuple):
    """A clip of two objects that should become two others."""

    model: Any
    vae: Any
    frames: torch.Tensor  # (F, H, W, 3) float32, 0…1
    masks: torch.Tensor  # (objects, F, H, W) float32
    source: list
    positive: list
    negative: list


def task(frames: int) -> Task:
    model, clip, vae = demo_model.load()
    shot = clips.clip(("wolf", "pig"), "snow", frames, seed=3)
    wish = tasks.task("instance", shot, 3)
    masks, regions = torch.from_numpy(shot.masks).float(), ()
    for mask, phrase in zip(masks, wish.phrases, strict=True):
        (regions,) = RegionPrompt.execute(mask, phrase, regions=regions).args
    positive = BindRegionPrompts.execute(clip, wish.prompt, regions).args[0]
    source, negative = (clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (shot.caption, ""))
    model = STLayoutAttention.execute(model, "default", 0.6, 1.0, 1.0).args[0]
    return Task(model, vae, torch.from_numpy(shot.frames).float() / 255, masks, source, positive, negative)


def edit(asked: Task, steps: int, length: int) -> tuple[torch.Tensor, str]:
    """Edit in Chunks, with anchors and the path of the inversion outside the regions: (edited frames, report)."""
    with torch.inference_mode():
        return EditInChunks.execute(
            asked.model, asked.vae, asked.frames, asked.source, asked.positive, asked.negative, steps, 5.0, "euler",
            "ddim_uniform", 0, length, OVERLAP, ANCHORS, "inversion", grow=1, refinements=1,
        ).args  # fmt: skip


def chunks(frames: int, steps: int, length: int, device: torch.device) -> Row:
    """Seconds of one edit, and its peak memory beyond the clip and the result."""
    asked = task(frames)
    edit(task(OVERLAP), 1, length)  # weights in place, kernels compiled
    spent: list[float] = []
    _, beyond = machine.peak_mb(
        lambda: spent.append(machine.seconds(lambda: edit(asked, steps, length), device)), device
    )
    count, result = len(windows(frames, length, OVERLAP)), asked.frames.nbytes / 2**20
    case = "one chunk" if count == 1 else f"{count} chunks"
    return {"bench": "long", "case": case, "frames": frames, "seconds": spent[0], "peak_mb": beyond - result}
