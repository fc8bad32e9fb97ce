"""Rows of the benchmark on lively clips: recipes of stock nodes, and our default, in a real executor. It resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...proof.host import Host
from ..edit.bench_nodes import Outcome, nodes
from ..edit.graph import Prompt, Setup, digest, edit_graph
from ..edit.method import PASTED
from ..edit.suite import PLAIN, Example
from . import stock, suite

OURS = "our default"
ROWS = (*stock.RECIPES, OURS)
UNTIMED = ("loader", "clip", "watch")


def graph_of(row: str, one: Example, setup: Setup) -> Prompt:
    return edit_graph(one, PASTED, PLAIN, setup) if row == OURS else stock.stock_graph(one, row, setup)


class Runner:
    """The host, the clip at hand, and the finished edits in a folder: a strip of frames and a JSON each."""

    def __init__(self, setup: Setup, folder: Path, weights: str):
        self.setup, self.folder, self.weights = setup, folder, weights
        self.examples: dict[str, Example] = {}  # the clip at hand only
        self.outcome = Outcome()
        self.host = Host(nodes(self.examples.__getitem__, self.outcome))
        folder.mkdir(parents=True, exist_ok=True)

    def edits(self, case: suite.Case, rows: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
        """Each row's frames, (F, H, W, 3) uint8, and its cost; from disk where they are."""
        one = Example(case, *suite.example(case, self.setup.frames))
        self.examples.clear()
        self.examples[case.name] = one
        for row in rows:
            prompt = graph_of(row, one, self.setup)
            key = f"{case.name}-{digest({'prompt': prompt, 'seed': case.seed, 'weights': self.weights})}"
            yield row, *self._kept(key, lambda prompt=prompt: self._made(prompt))

    def _made(self, prompt: Prompt) -> tuple[np.ndarray, dict[str, Any]]:
        cost = self.host.run(prompt)
        return self.outcome.frames, {"seconds": sum(s for node, s in cost.seconds.items() if node not in UNTIMED)}

    def _kept(
        self, key: str, make: Callable[[], tuple[np.ndarray, dict[str, Any]]]
    ) -> tuple[np.ndarray, dict[str, Any]]:
        strip, facts = self.folder / f"{key}.png", self.folder / f"{key}.json"
        if not (strip.exists() and facts.exists()):
            frames, cost = make()
            Image.fromarray(np.concatenate(list(frames), 1)).save(part := strip.with_suffix(".part"), "png")
            os.replace(part, strip)
            facts.write_text(json.dumps(cost))
        whole = np.asarray(Image.open(strip))
        return np.stack(np.split(whole, whole.shape[1] // whole.shape[0], 1)), json.loads(facts.read_text())
