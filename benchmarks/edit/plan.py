"""The plan of a run, from its options: edits, clips, number of steps, and file names."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import NamedTuple

from . import suite
from .graph import Setup
from .method import HEADLINE, Method
from .methods import ABLATIONS, METHODS, QUICK, SYSTEMS
from .suite import DEVELOPMENT, TEST, Case

QUICK_CLIPS, QUICK_STEPS = 4, 12
# These are many methods, so one clip of each task and half the steps, also for the methods they are compared with.
SYSTEMS_CLIPS, SYSTEMS_STEPS = 6, 10
GPU_FRAMES, GPU_STEPS = 16, 50

Plan = dict[str, tuple[list[Case], tuple[Method, ...]]]  # split -> clips, methods


class Job(NamedTuple):
    """One edit of the plan."""

    case: Case
    method: Method
    wording: str

    def __str__(self) -> str:
        return f"{self.case.name} {self.case.kind:10} {self.method.name} ({self.wording})"


def jobs(cases: Iterable[Case], methods: Iterable[Method]) -> list[Job]:
    """The edits, sorted by clip and then by inversion, so that the host's cache is used."""
    ordered = sorted(methods, key=lambda method: (method.inverted_with, method.paste))
    return [Job(case, method, wording) for case in cases for method in ordered for wording in method.wordings]


def setup_of(options: argparse.Namespace) -> Setup:
    given = {name: getattr(options, name) for name in ("frames", "steps", "refinements")}
    form = {"steps": QUICK_STEPS} if options.quick else {}
    if options.split == "systems":
        form = {"steps": SYSTEMS_STEPS}
    if options.gpu:
        form = {"frames": GPU_FRAMES, "steps": GPU_STEPS}
    return Setup(**form | {name: value for name, value in given.items() if value is not None})


def plan(options: argparse.Namespace) -> Plan:
    """The plan: settings are chosen on the development clips; on the test clips only the headline methods run.

    Raises SystemExit for options that contradict each other or leave nothing to do.
    """
    least = {"frames": 2, "steps": 1, "refinements": 0, "clips": 1}
    for name, value in least.items():
        if getattr(options, name) is not None and getattr(options, name) < value:
            raise SystemExit(f"--{name}: {getattr(options, name)} is too few; {value} or more")
    if options.quick and options.split != "both":
        raise SystemExit("--quick has clips of its own; leave --split out")
    chosen: Plan = {
        DEVELOPMENT: (suite.cases(DEVELOPMENT), ABLATIONS),
        TEST: (suite.cases(TEST), HEADLINE),
    }
    if options.quick:
        chosen = {DEVELOPMENT: (suite.cases(DEVELOPMENT)[:QUICK_CLIPS], QUICK)}
    elif options.split == "systems":
        chosen = {DEVELOPMENT: (suite.cases(DEVELOPMENT)[:SYSTEMS_CLIPS], SYSTEMS)}
    elif options.split != "both":
        chosen = {options.split: chosen[options.split]}
    wanted = list(METHODS) if options.methods is None else options.methods.split(",")
    unknown = [name for name in wanted if name not in METHODS]
    if unknown:
        raise SystemExit(f"--methods: there is no {', '.join(unknown)}; there are {', '.join(METHODS)}")
    made = {
        split: tuple(method for method in methods if method.name in wanted) for split, (_, methods) in chosen.items()
    }
    if not any(made.values()):
        raise SystemExit(f"--methods: none of {', '.join(wanted)} belongs to these clips; see edit/methods.py")
    return {split: (chosen[split][0][: options.clips], methods) for split, methods in made.items() if methods}


def name_of(options: argparse.Namespace) -> str:
    """The name of a run's files; only a whole run has the names under version control."""
    changed = (options.frames, options.steps, options.refinements, options.methods, options.clips)
    if any(option is not None for option in changed):
        return "edit_quality_partial"
    if options.quick:
        return "edit_quality_quick"
    form = "edit_quality_gpu" if options.gpu else "edit_quality"
    return form if options.split == "both" else f"{form}_{options.split}"
