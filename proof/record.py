"""proof.json: the machine, the settings and what each edit cost. tools/proof_tables.py makes tables of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from .clips import Clip
from .recipes import Settings

FORMAT = 1
CARD, PROCESS = "PyTorch's peak on the card, weights included", "the peak of the whole process"


class Run(NamedTuple):
    """One edit by one recipe. seconds: its own and what it shares with others, without loading the model and the clip.

    frames: (F, H, W, 3); None where it failed, and why.
    """

    recipe: str
    seconds: float = 0.0
    peak_mb: float = 0.0
    frames: Tensor | None = None
    failed: str = ""


def begun(machine: dict[str, Any], settings: Settings, rehearsal: bool) -> dict[str, Any]:
    """The record before the first clip."""
    about = {"format": FORMAT, "rehearsal": rehearsal, "machine": machine, "settings": settings._asdict()}
    return {**about, "memory": CARD if machine["gpu"] else PROCESS, "clips": [], "left_out": [], "bench": []}


def clip_row(clip: Clip, frames: Tensor, runs: list[Run]) -> dict[str, Any]:
    """One clip's row. frames: (F, H, W, 3)."""
    words = clip.words
    return {
        "file": clip.file,
        "source_prompt": words.source,
        "prompt": words.edited,
        "things": len(words.rows),
        "frames": frames.shape[0],
        "size": [frames.shape[2], frames.shape[1]],
        "runs": [_run_row(run) for run in runs],
    }


def _run_row(run: Run) -> dict[str, Any]:
    if run.failed:
        return {"recipe": run.recipe, "failed": run.failed}
    return {"recipe": run.recipe, "seconds": round(run.seconds, 2), "peak_mb": round(run.peak_mb)}
