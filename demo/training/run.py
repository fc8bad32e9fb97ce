"""Shared parts of the training stages: a folder with checkpoints, steps across restarts, a learning-rate curve."""

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .files import TrainingError, checksum, read, write

log = logging.getLogger("videograin.training")

SAVE_EVERY = 120.0  # seconds
NEEDS = {"vae": (), "judge": ("vae",), "diffusion": ("vae",), "control": ("vae", "diffusion")}  # stage -> earlier ones
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision() -> torch.autocast:
    return torch.autocast(DEVICE.type, torch.bfloat16)


class Stage:
    """One stage of training in its own folder: `state.pt`, overwritten whole, and `log.jsonl`.

    A stage ends after `steps` steps, or at `stop_at` (seconds since 1970). Either way it can be continued, as long as
    the stages it was trained on are still the same: `made_from` is their checksum.
    """

    def __init__(self, root: Path, name: str, steps: int, stop_at: float = math.inf):
        self.name, self.folder, self.steps, self.stop_at = name, root / name, steps, stop_at
        self.folder.mkdir(parents=True, exist_ok=True)
        self.made_from = made_from(root, name)
        self.step, self.first, self.seconds, self.parts = 0, 0, 0.0, {}
        self._saved = self._tick = time.monotonic()

    def keep(self, **parts: Any) -> None:
        """Sets the parts of the checkpoint (with state_dict and load_state_dict), and restores them if there is one."""
        self.parts = parts
        if (self.folder / "state.pt").exists():
            state = read_state(self.folder)
            require_made_from(self.folder, state, self.made_from)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            self.step, self.seconds = state["step"], state["seconds"]
            self.first = self.step
            log.info("%s: %s at step %d of %d", self.name, "done" if self.done else "continuing", self.step, self.steps)

    def randomness(self, seed: int, number: int) -> np.random.Generator:
        """Seeds torch and returns a generator; after each continuation the random numbers are new."""
        torch.manual_seed(seed + self.step)
        return np.random.default_rng([seed, number, self.step])

    def __iter__(self) -> Iterator[int]:
        """The steps still to do; saves every two minutes and at the end, also after Ctrl-C or an error."""
        self._tick = time.monotonic()
        try:
            while not self.over:
                yield self.step
                self.step += 1
                self._time()
                if self._tick - self._saved > SAVE_EVERY:
                    self.save()
        finally:  # an exception in the loop drops this iterator, which closes it
            self.save()

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    @property
    def over(self) -> bool:
        """Whether no step or no time is left."""
        return self.done or time.time() >= self.stop_at

    def save(self) -> None:
        self._time()
        state = {name: part.state_dict() for name, part in self.parts.items()}
        facts = {"step": self.step, "seconds": self.seconds, "made_from": self.made_from}
        write({**state, **facts}, self.folder / "state.pt")
        self._saved = time.monotonic()

    def note(self, **values: float) -> None:
        """Adds a line to the log, and shows it."""
        line = {"step": self.step, "seconds": round(self.seconds), **{k: round(float(v), 5) for k, v in values.items()}}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        log.info("%s %s", self.name, json.dumps(line))

    def _time(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._tick
        self._tick = now


# ---- one stage and the next -----------------------------------------------------------------------------------------


def read_state(folder: Path, whole: bool = True) -> dict[str, Any]:
    """A stage's checkpoint, in memory or (not whole) mapped from the file. Raises TrainingError if it is damaged."""
    try:
        return read(folder / "state.pt", mapped=not whole)
    except TrainingError as error:
        raise TrainingError(f"{error}. Delete the folder {folder} to train this stage again from its start.") from error


def require_done(root: Path, stages: tuple[str, ...], steps: dict[str, int], purpose: str) -> None:
    """Check that each of these stages is finished; raises TrainingError."""
    done = {
        name: read_state(root / name, False)["step"] if (root / name / "state.pt").exists() else 0 for name in stages
    }
    missing = [name for name in stages if done[name] < steps[name]]
    if missing:
        told = ", ".join(f"{name} ({done[name]} of {steps[name]} steps)" for name in missing)
        raise TrainingError(
            f"{purpose} needs these stages done first: {told}. To train them: python demo/train.py {' '.join(missing)}"
        )


def made_from(root: Path, name: str) -> str:
    """The checksum of the averaged weights that a stage is trained on."""
    needed = [read_state(root / earlier, False)["average"]["values"] for earlier in NEEDS.get(name, ())]
    return checksum(value for values in needed for value in values)


def require_made_from(folder: Path, state: dict[str, Any], expected: str) -> None:
    """Check that a checkpoint was trained on the earlier stages' present weights; raises TrainingError."""
    if state.get("made_from", expected) != expected:
        raise TrainingError(
            f"{folder / 'state.pt'} was trained on an earlier state of: {', '.join(NEEDS[folder.name])}, which has changed "
            f"since. Delete the folder {folder} to train this stage again."
        )


def averaged(network: nn.Module, folder: Path) -> tuple[nn.Module, int]:
    """The network with a stage's averaged weights, on DEVICE, and the stage's steps so far."""
    state = read_state(folder)
    for p, value in zip(network.parameters(), state["average"]["values"], strict=True):
        p.data = value
    return network.to(DEVICE).eval().requires_grad_(False), state["step"]


# ---- networks -------------------------------------------------------------------------------------------------------


def rate(step: int, steps: int, warmup: int = 200, fall: float = 0.2) -> float:
    """Share of the full learning rate: a linear rise, a plateau, and a linear fall over the last share `fall`."""
    return min(1.0, (step + 1) / warmup, max(0.01, (steps - step) / (fall * steps)))


def initialise(module: nn.Module) -> None:
    """Gives the host's layers torch's usual initial weights; they have none, because they expect a file."""
    for layer in module.modules():
        for kind in (nn.Conv2d, nn.Linear, nn.GroupNorm, nn.LayerNorm, nn.Embedding):
            if isinstance(layer, kind):
                kind.reset_parameters(layer)


class Average:
    """Exponential moving average of a module's parameters, with a shorter memory in the first steps."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay, self.count = module, decay, 0
        self.values = [p.detach().clone() for p in module.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(self.values, list(self.module.parameters()), 1 - decay)

    @torch.no_grad()
    def include(self, values: list[Tensor]) -> None:
        """Counts a set of parameters in; all sets that are included count alike."""
        self.count += 1
        torch._foreach_lerp_(self.values, values, 1 / self.count)

    def state_dict(self) -> dict[str, Any]:
        return {"values": self.values, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]
        for mine, saved in zip(self.values, state["values"], strict=True):
            mine.copy_(saved)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The module has the averaged parameters inside this context."""
        own = [p.detach().clone() for p in self.module.parameters()]
        self._set(self.values)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for p, value in zip(self.module.parameters(), values, strict=True):
            p.copy_(value)
