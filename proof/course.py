"""The course of a proof: clip after clip, each by three recipes, with what each cost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import comfy.model_management
from torch import Tensor

from . import laying, recipes
from .clips import Clip
from .graph import Prompt
from .host import Cost, Host
from .own_nodes import complete, defaults, own_nodes
from .recipes import DRAW, INPAINT, OURS, RECIPES, UNCOUNTED, Settings
from .record import Run

WARM, TRIED = 1, 2  # steps of the two trials before the estimate: the first loads weights and compiles kernels
SAMPLING = ("invert", "sample")
REST = 2  # all three recipes' work outside the UNet, in shares of the first one's


class Course:
    """ComfyUI's executor, and what it has learned about time."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.held: dict[str, Any] = {}
        self.host = Host(own_nodes(self.held))
        self.host.stop_on_signals()
        self.paid: dict[Path, dict[str, float]] = {}  # seconds of each clip's nodes, which the cache may answer later

    def estimate(self, clips: list[Clip]) -> list[float]:
        """Seconds for each clip, from two short runs of our default, which sees most frames at once and so costs most."""
        first = self._run(clips[0], recipes.ours(clips[0], self.settings._replace(steps=WARM)))
        rest = sum(spent for node, spent in first.seconds.items() if node not in (*SAMPLING, "model"))
        tried = self.settings._replace(steps=TRIED)
        cost = self._run(clips[0], recipes.ours(clips[0], tried))
        refinements = defaults("VideoGrainInvertClip", "optional")["refinements"]
        one = sum(cost.seconds[node] for node in SAMPLING) / recipes.calls(OURS, 1, tried, refinements)

        things = [len(clip.words.rows) for clip in clips]
        calls = [
            sum(recipes.calls(recipe, count, self.settings, refinements) for recipe in RECIPES) for count in things
        ]
        return [one * count + REST * rest for count in calls]

    def begin(self, clip: Clip) -> tuple[Tensor, tuple]:
        """The clip's frames (F, H, W, 3), and its regions. Raises RuntimeError where they cannot be made."""
        self._run(clip, recipes.look(clip, self.settings))
        return self.held.pop(recipes.SOURCE), self.held.pop(recipes.REGIONS)

    def edit(self, clip: Clip, recipe: str) -> Run:
        """One edit of the clip that was begun."""
        try:
            if recipe == DRAW:
                return self._drawn(clip)
            graph = {OURS: recipes.ours, INPAINT: recipes.inpaint}[recipe]
            return self._result(clip, recipe, graph(clip, self.settings))
        except RuntimeError as error:
            return Run(recipe, failed=str(error).splitlines()[0])

    def leave(self) -> None:
        """Frees the card for what comes next."""
        self.host.executor.reset()
        comfy.model_management.unload_all_models()
        comfy.model_management.soft_empty_cache()

    def _drawn(self, clip: Clip) -> Run:
        prompt = recipes.draw(clip, self.settings)
        cost = self._run(clip, prompt)
        drawings = [self.held.pop(f"{recipes.DRAWN} {row}")[0] for row in range(len(clip.words.rows))]
        frames, regions = self.begin(clip)
        begun, edge = time.perf_counter(), defaults("VideoGrainPasteEdit", "optional")
        masks = [region.mask for region in regions]
        self.held[recipes.LAID] = laying.lay(frames, masks, drawings, edge["grow"], edge["feather"])
        spent = time.perf_counter() - begun + self._seconds(clip, prompt)
        run = self._result(clip, DRAW, recipes.settle(clip, self.settings))
        return run._replace(seconds=run.seconds + spent, peak_mb=max(run.peak_mb, cost.peak_mb))

    def _result(self, clip: Clip, recipe: str, prompt: Prompt) -> Run:
        cost = self._run(clip, prompt)
        return Run(recipe, self._seconds(clip, prompt), cost.peak_mb, self.held.pop(recipes.RESULT).cpu())

    def _run(self, clip: Clip, prompt: Prompt) -> Cost:
        cost = self.host.run(complete(prompt))
        self.paid.setdefault(clip.path, {}).update(cost.seconds)
        return cost

    def _seconds(self, clip: Clip, prompt: Prompt) -> float:
        """What the graph's nodes cost, also those that the cache answered this time."""
        paid = self.paid[clip.path]
        return sum(paid.get(name, 0.0) for name in prompt if name not in UNCOUNTED)
