"""The edits of a run, made and measured one after the other, with an estimate of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import nan
from typing import Any

from ...proof.host import Host, Stopped
from ...videograin.toybox.judge import Judge
from .bench_nodes import Outcome, nodes
from .graph import Prompt, Setup, edit_graph
from .lpips import Lpips
from .measure import measure
from .plan import Job
from .store import Store
from .suite import Case, Example, example

UNTIMED = ("loader", "clip")


class Runner:
    """The runner of edits: the host, the judge, and the current clip."""

    def __init__(self, setup: Setup, store: Store, judge: Judge, lpips: Lpips | None):
        self.setup, self.store, self.judge, self.lpips = setup, store, judge, lpips
        self.examples: dict[str, Example] = {}  # the current clip only
        self.outcome = Outcome()
        self.host = Host(nodes(self.examples.__getitem__, self.outcome))
        self.inversions: dict[tuple, float] = {}  # (clip, inverted_with) -> seconds of the inversion
        self.shares: dict[str, tuple[float, float]] = {}  # a watch's ticket -> shares of attention

    def run(self, job: Job) -> tuple[dict[str, Any], float]:
        """The row of an edit, from disk if stored; and the seconds that this call spent on the edit."""
        one, began = self.at_hand(job.case), time.perf_counter()
        prompt = edit_graph(one, job.method, job.wording, self.setup)
        key = self.store.key(one, prompt)
        row = self.store.row(key)
        if row is not None and row["measures"] is not None:
            return _named(row, job, key), 0.0
        if row is not None:
            row["measures"] = self.measures(one, self.store.frames(key))
            self.store.keep(key, row)
            return _named(row, job, key), 0.0
        row = self.edit(job, prompt)
        row["measures"] = self.measures(one, self.outcome.frames)
        self.store.keep(key, row, self.outcome.frames)
        return _named(row, job, key), time.perf_counter() - began

    def at_hand(self, case: Case) -> Example:
        if case.name not in self.examples:
            self.examples.clear()
            self.examples[case.name] = example(case, self.setup.frames)
        return self.examples[case.name]

    def edit(self, job: Job, prompt: Prompt) -> dict[str, Any]:
        """Runs the graph; returns its cost and the shares of attention."""
        cost = self.host.run(prompt)
        seconds = {node: spent for node, spent in cost.seconds.items() if node not in UNTIMED}
        clip = job.case.name, job.method.inverted_with
        if "invert" in seconds:
            self.inversions[clip] = seconds.pop("invert")
        inverted = self.inversions[clip] if "invert" in prompt else 0.0
        ticket = prompt["watch"]["inputs"]["ticket"] if "watch" in prompt else ""
        watch = self.outcome.watches.pop(ticket, None)
        if watch is not None:
            self.shares[ticket] = _mean(watch.before), _mean(watch.after)
        before, after = self.shares.get(ticket, (nan, nan))
        shared = job.method.paste or (
            "sample" in prompt and "sample" not in cost.seconds
        )  # another edit has paid for it
        return {
            "seconds": sum(seconds.values()) + inverted if not shared else nan,
            "inversion_seconds": inverted,
            "peak_mb": cost.peak_mb if not shared else nan,
            "attn_in_before": before,
            "attn_in": after,
        }

    def measures(self, one: Example, frames: Any) -> dict[str, Any]:
        return measure(one, frames, self.judge, self.lpips)


def _named(row: dict[str, Any], job: Job, key: str) -> dict[str, Any]:
    about = {"case": job.case.name, "kind": job.case.kind, "method": job.method.name, "wording": job.wording}
    costs = {name: value for name, value in row.items() if name not in ("measures", "ruler")}
    return {**about, "key": key, **costs, **row["measures"]}


def _mean(values: list[float]) -> float:
    values = [value for value in values if value == value]
    return sum(values) / len(values) if values else nan


def run_all(runner: Runner, todo: list[Job], tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rows of all jobs, one by one. Ends early when the user stops the run."""
    spent = cost = 0.0
    left = sum(job.method.cost for job in todo)
    for number, job in enumerate(todo, 1):
        try:
            row, seconds = runner.run(job)
        except Stopped:
            tell(f"Stopped after {number - 1} of {len(todo)} edits. Run it again to go on from there.")
            return
        left -= job.method.cost
        if seconds:
            spent, cost = spent + seconds, cost + job.method.cost
            scores = f"Edit-Acc {row['edit_acc']:4.0%}  Leak {row['leak']:4.0%}"
            rest = _duration(left * spent / cost)
            tell(f"[{number:3}/{len(todo)}] {job!s:52} {seconds:5.1f} s  {scores}  about {rest} left")
        yield row


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
