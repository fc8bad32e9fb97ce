"""Progress and warnings of the node at work: its bar, its phase and step as text on the node; and cancel."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import comfy.model_management
import comfy.utils
import latent_preview
from comfy.model_patcher import ModelPatcher
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ..core.samplers import keeps_levels
from ..core.time_left import TimeLeft, step_at
from ..features.engine import Start
from .validate import logger


def tell(text: str) -> None:
    """Shows a text on the node at work, for work of several phases or minutes: the node grows a line.

    Raises InterruptProcessingException if the user has cancelled.
    """
    comfy.model_management.throw_exception_if_processing_interrupted()
    context, page = get_executing_context(), web_page()
    if context is not None and page is not None:
        page.send_progress_text(text, context.node_id, page.client_id)


class Notes:
    """Warnings of one node's work: each is logged once, and they stand on the node, above its phase, until it runs again."""

    def __init__(self):
        self._lines: dict[str, str] = {}  # by what each is about

    @property
    def lines(self) -> list[str]:
        return list(self._lines.values())

    def add(self, line: str, about: str | None = None) -> None:
        """about: what a line tells of, where its words differ from one time to the next."""
        if (about or line) not in self._lines:
            logger.warning(line)
            self._lines[about or line] = line
            self.tell()

    def tell(self, *phase: str) -> None:
        """Shows all warnings, and what the node does now. Raises as `tell`."""
        tell("\n".join([*self.lines, *phase]))


def warn(line: str) -> None:
    """A single warning, in the log and on the node at work. Raises as `tell`."""
    Notes().add(line)


def web_page() -> Any:
    """ComfyUI's server, which tells browsers; None where there is none."""
    server = sys.modules.get("server")  # not loaded where there is no web page
    return getattr(getattr(server, "PromptServer", None), "instance", None)


def watcher() -> Callable[[float], None]:
    """Moves the node's progress bar, 0 to 1; ends the work when the user cancels."""
    bar = comfy.utils.ProgressBar(100)
    shown = 0

    def watch(done: float) -> None:
        nonlocal shown
        comfy.model_management.throw_exception_if_processing_interrupted()
        if int(done * 100) > shown:
            shown = int(done * 100)
            bar.update_absolute(shown)

    return watch


class Editing:
    """The step and the time left of a sampler's run, on the sampler's node; nothing where its levels are not known."""

    def __init__(self, start: Start, notes: Notes):
        self.levels, self.notes = start.sigmas, notes
        self.steps = len(self.levels) - 1
        falling = all(high > low for high, low in pairwise(self.levels))
        self.known = self.steps > 0 and falling and keeps_levels(start.sampler)
        self.shown = -1
        self.left = TimeLeft(self.steps)

    def reach(self, sigma: float) -> None:
        """The network is about to be called at a noise level; only the first time in a step is told. Raises as `tell`."""
        step = step_at(sigma, self.levels) if self.known else self.shown
        if step > self.shown:
            self.shown = step
            self.notes.tell(f"Editing: step {step + 1} of {self.steps}{self.left.words(step)}")

    def end(self) -> None:
        """The run is over: what stays on the node speaks of no time left. Raises as `tell`."""
        if self.shown >= 0:
            self.notes.tell(f"Editing: step {self.steps} of {self.steps}")


def counter(total: int) -> Callable[..., None]:
    """Counts steps of `total`, one by one or several at once, and shows as `watcher` how far they are."""
    watch, done = watcher(), 0

    def advance(count: int = 1) -> None:
        nonlocal done
        done += count
        watch(min(1.0, done / max(total, 1)))

    return advance


class SeedProgress:
    """Progress of previews: one bar over all of them, the seed and its step as text, pictures on the way.

    looks: whether they are looked at when all are made, which counts as one more.
    """

    def __init__(self, model: ModelPatcher, seeds: Sequence[int], steps: int, looks: bool, notes: Notes):
        self.previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
        self.seeds, self.steps, self.notes = seeds, steps, notes
        self.bar = comfy.utils.ProgressBar((len(seeds) + looks) * steps)
        self.left = TimeLeft(len(seeds) * steps)

    def of(self, number: int) -> Callable:
        """A callback for the preview of this number, as core's samplers call it."""

        def on_step(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
            done = number * self.steps + min(step + 1, self.steps)
            where = f"Seed {self.seeds[number]} ({number + 1} of {len(self.seeds)}): step {step + 1} of {total}"
            self.notes.tell(where + self.left.words(done))
            preview = self.previewer.decode_latent_to_preview_image("JPEG", denoised) if self.previewer else None
            self.bar.update_absolute(done, preview=preview)

        return on_step

    def looking(self, share: float) -> None:
        self.bar.update_absolute(round((len(self.seeds) + share) * self.steps))


class ClipProgress:
    """Progress of an edit in chunks: one bar over the whole clip, the chunk and its step as text, previews.

    shown: the frame of the batch that previews show.
    """

    def __init__(self, model: ModelPatcher, chunks: int, steps: int, notes: Notes):
        self.previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
        self.bar = comfy.utils.ProgressBar(chunks * steps)
        self.chunks, self.steps, self.chunk, self.shown = chunks, steps, 0, 0
        self.notes, self.left = notes, TimeLeft(chunks * steps)

    def begin(self, chunk: int) -> None:
        self.chunk = chunk
        self.bar.update_absolute(chunk * self.steps)

    def phase(self, name: str) -> Callable:
        """A callback for one of a chunk's two halves, "inverting" and "editing", as core's samplers call it."""
        before = self.chunk * self.steps + (self.steps // 2 if name == "editing" else 0)

        def on_step(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
            done = before + min(step + 1, self.steps // 2)
            where = f"Chunk {self.chunk + 1} of {self.chunks}, {name}: step {step + 1} of {total}"
            self.notes.tell(where + self.left.words(done))
            first = denoised[self.shown : self.shown + 1]
            preview = self.previewer.decode_latent_to_preview_image("JPEG", first) if self.previewer else None
            self.bar.update_absolute(done, preview=preview)

        return on_step
