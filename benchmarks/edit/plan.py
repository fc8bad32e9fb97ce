"""What a run does, by its options: which edits of which clips, how long, and what its files are called."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import NamedTuple

from . import suite
from .graph import Setup
from .method import HEADLINE, Method
from .methods import ABLATIONS, METHODS, QUICK
from .suite import DEVELOPMENT, TEST, Case

QUICK_CLIPS, QUICK_STEPS = 4, 12
GPU_FRAMES, GPU_STEPS = 16, 50

Plan = dict[str, tuple[list[Case], tuple[Method, ...]]]  # split → clips, methods


class Job(NamedTuple):
    """One edit to be made."""

    case: Case
    method: Method
    wording: str

    def __str__(self) -> str:
        return f"{self.case.name} {self.case.kind:10} {self.method.name} ({self.wording})"


def jobs(cases: Iterable[Case], methods: Iterable[Method]) -> list[Job]:
    """Clip by clip, and within a clip by inversion, so that what the host remembers is used."""
    ordered = sorted(methods, key=lambda method: (method.inverted_with, method.paste))
    return [Job(case, method, wording) for case in cases for method in ordered for wording in method.wordings]


def setup_of(options: argparse.Namespace) -> Setup:
    given = {name: getattr(options, name) for name in ("frames", "steps", "refinements")}
    form = {"steps": QUICK_STEPS} if options.quick else {}
    if options.gpu:
        form = {"frames": GPU_FRAMES, "steps": GPU_STEPS}
    return Setup(**form | {name: value for name, value in given.items() if value is not None})


def plan(options: argparse.Namespace) -> Plan:
    """Settings are chosen on the development clips; the test clips see the headline only."""
    chosen: Plan = {
        DEVELOPMENT: (suite.cases(DEVELOPMENT), ABLATIONS),
        TEST: (suite.cases(TEST), HEADLINE),
    }
    if options.quick:
        chosen = {DEVELOPMENT: (suite.cases(DEVELOPMENT)[:QUICK_CLIPS], QUICK)}
    elif options.split != "both":
        chosen = {options.split: chosen[options.split]}
    wanted = options.methods.split(",") if options.methods else list(METHODS)
    unknown = [name for name in wanted if name not in METHODS]
    if unknown:
        raise SystemExit(f"--methods: there is no {', '.join(unknown)}; there are {', '.join(METHODS)}")
    return {
        split: (cases[: options.clips], tuple(method for method in methods if method.name in wanted))
        for split, (cases, methods) in chosen.items()
    }


def name_of(options: argparse.Namespace) -> str:
    """Only a whole run writes the files that are kept under version control."""
    if any((options.frames, options.steps, options.refinements, options.methods, options.clips)):
        return "edit_quality_partial"
    if options.quick or options.gpu:
        return "edit_quality_quick" if options.quick else "edit_quality_gpu"
    return "edit_quality" if options.split == "both" else f"edit_quality_{options.split}"
