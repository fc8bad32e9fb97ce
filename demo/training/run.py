"""What every training stage shares: a folder with checkpoints, a clock that survives restarts, a learning-rate curve."""

import json
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

log = logging.getLogger("videograin.training")

SAVE_EVERY = 120.0  # seconds


class Stage:
    """One stage of training in its own folder: `state.pt`, overwritten whole, and `log.jsonl`.

    A stage ends after `steps` steps, or when `stop_at` (seconds since 1970) is reached; it can be continued either way.
    """

    def __init__(self, folder: Path, steps: int, stop_at: float = math.inf):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.steps, self.stop_at = folder, steps, stop_at
        self.step, self.first, self.seconds, self.parts = 0, 0, 0.0, {}
        self._saved = self._tick = time.monotonic()

    def keep(self, **parts: Any) -> None:
        """Names what a checkpoint holds: anything with state_dict and load_state_dict. Restores it if there is one."""
        self.parts = parts
        file = self.folder / "state.pt"
        if file.exists():
            state = torch.load(file, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            self.step, self.seconds = state["step"], state["seconds"]
            self.first = self.step
            log.info("%s: continuing at step %d of %d", self.folder.name, self.step, self.steps)

    def __iter__(self) -> Iterator[int]:
        """The steps still to do; saves every two minutes and at the end."""
        self._tick = time.monotonic()
        while self.step < self.steps and time.time() < self.stop_at:
            yield self.step
            self.step += 1
            self._time()
            if self._tick - self._saved > SAVE_EVERY:
                self.save()
        self.save()

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def save(self) -> None:
        self._time()
        state = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({**state, "step": self.step, "seconds": self.seconds}, self.folder / "state.tmp")
        os.replace(self.folder / "state.tmp", self.folder / "state.pt")
        self._saved = time.monotonic()

    def note(self, **values: float) -> None:
        """Adds a line to the log, and shows it."""
        line = {"step": self.step, "seconds": round(self.seconds), **{k: round(float(v), 5) for k, v in values.items()}}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        log.info("%s %s", self.folder.name, json.dumps(line))

    def _time(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._tick
        self._tick = now


def rate(step: int, steps: int, warmup: int = 200, fall: float = 0.2) -> float:
    """Share of the full learning rate: a linear rise, a plateau, and a linear fall over the last share `fall`."""
    return min(1.0, (step + 1) / warmup, max(0.01, (steps - step) / (fall * steps)))


def initialise(module: nn.Module) -> None:
    """Gives the host's layers torch's usual initial weights, which they leave out: they are made to be loaded."""
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


def averaged(network: nn.Module, folder: Path) -> tuple[nn.Module, int]:
    """The network with a stage's averaged weights, and the stage's steps so far."""
    state = torch.load(folder / "state.pt", weights_only=True)
    for p, value in zip(network.parameters(), state["average"]["values"], strict=True):
        p.data = value
    return network.eval().requires_grad_(False), state["step"]
