"""Rows of the benchmark on lively clips: recipes of stock nodes, and our default, in a real executor. It resumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...proof.host import Host
from ..edit.bench_nodes import Outcome, nodes
from ..edit.graph import Prompt, Setup, edit_graph
from ..edit.method import PASTED
from ..edit.store import Store
from ..edit.suite import PLAIN, Example
from . import stock

OURS = "our default"
ROWS = (*stock.RECIPES, OURS)
UNTIMED = ("loader", "clip", "watch")


def graph_of(row: str, one: Example, setup: Setup) -> Prompt:
    return edit_graph(one, PASTED, PLAIN, setup) if row == OURS else stock.stock_graph(one, row, setup)


class Runner:
    """The host, the clip at hand, and the finished edits of a folder."""

    def __init__(self, setup: Setup, folder: Path, weights: str):
        self.setup, self.store = setup, Store(folder, weights, "")
        self.examples: dict[str, Example] = {}  # the clip at hand only
        self.outcome = Outcome()
        self.host = Host(nodes(self.examples.__getitem__, self.outcome))

    def edits(self, one: Example, rows: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray, float]]:
        """Each row's frames, (F, H, W, 3) uint8, and its seconds; from disk where they are."""
        self.examples.clear()
        self.examples[one.case.name] = one
        for row in rows:
            prompt = graph_of(row, one, self.setup)
            key = self.store.key(one, prompt)
            kept = self.store.row(key)
            if kept is None:
                spent = self.host.run(prompt).seconds
                kept = {"seconds": sum(seconds for node, seconds in spent.items() if node not in UNTIMED)}
                self.store.keep(key, kept, self.outcome.frames)
            yield row, self.store.frames(key), kept["seconds"]
