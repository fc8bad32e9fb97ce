"""The edits of a run, in a real executor, with what each costs. It resumes: finished edits are taken from disk."""

from __future__ import annotations

import hashlib
import json
from math import nan
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...proof.graph import Prompt
from ...proof.host import Host
from ..ruler.suite import Example
from .nodes import Outcome, nodes
from .parts import Setup
from .rows import ROWS
from .store import Store

MORE = ("nodes_custom_sampler.py", "nodes_images.py", "nodes_train.py")  # of stock nodes
UNTIMED = ("loader", "clip", "control")  # the same for every row: files and the clip itself


class Price(NamedTuple):
    """What a node costs. calls: pictures that the network was given."""

    seconds: float
    cpu_seconds: float
    calls: int


class Edit(NamedTuple):
    """frames: (F, H, W, 3) uint8. cost: by name, of the whole graph with its drawings and inversions."""

    frames: np.ndarray
    cost: dict[str, float]


class Runner:
    """The host, the clip at hand, and the finished edits of a folder."""

    def __init__(self, setup: Setup, folder: Path, weights: str):
        self.setup, self.store = setup, Store(folder, weights)
        self.examples: dict[str, Example] = {}  # the clip at hand only
        self.outcome = Outcome()
        self.host = Host(nodes(self.examples.__getitem__, self.outcome), MORE)
        self.prices: dict[str, Price] = {}  # of what this process has run, by node and all that it depends on

    def edit(self, one: Example, row: str, noise: int = 0) -> Edit:
        """A row's edit of a clip, from disk if it is there. noise: its number. Raises Stopped after a signal."""
        prompt = ROWS[row].graph(one, self.setup._replace(noise=noise))
        key = self.store.key(one, prompt)
        kept = self.store.row(key)
        if kept is None:
            self.examples.clear()
            self.examples[one.case.name] = one
            kept = self.run(prompt)
            self.store.keep(key, kept, self.outcome.frames)
        return Edit(self.store.frames(key), kept)

    def run(self, prompt: Prompt) -> dict[str, float]:
        """Runs a graph; the frames are in the outcome. Returns its cost."""
        self.outcome.calls.clear()
        spent = self.host.run(prompt)
        for node, (begun, ended) in spent.spans.items():
            calls = sum(count for when, count in self.outcome.calls if begun <= when < ended)
            self.prices[signature(prompt, node)] = Price(spent.seconds[node], spent.cpu_seconds[node], calls)
        paid = [self.prices[signature(prompt, node)] for node in prompt if node not in UNTIMED]
        frames = len(self.outcome.frames)
        inside = [self.outcome.watches.pop(prompt[node]["inputs"]["ticket"]) for node in prompt if node == "watch"]
        return {
            "seconds": sum(price.seconds for price in paid),
            "cpu_seconds": sum(price.cpu_seconds for price in paid),
            "calls": sum(price.calls for price in paid) / frames,
            "attn_in_before": _mean([share for watch in inside for share in watch.before]),
            "attn_in": _mean([share for watch in inside for share in watch.after]),
        }


def signature(prompt: Prompt, node: str) -> str:
    """A node's class with its inputs and all that comes before it, whatever the nodes are called."""
    inputs = {
        name: [signature(prompt, value[0]), value[1]] if isinstance(value, list) else value
        for name, value in prompt[node]["inputs"].items()
    }
    text = json.dumps([prompt[node]["class_type"], inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _mean(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else nan
