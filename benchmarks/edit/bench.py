"""The whole run: every row on the clips of a split, scored against the drawn truth; and the papers' claims."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...proof.host import Stopped
from ...videograin.jobs import demo_model
from ...videograin.toybox.judge import Judge
from ..ruler import blind, suite
from ..ruler.gate import autoencoder
from ..ruler.judges import Judges
from ..ruler.score import Standard, score, standard
from . import claims, pictures, report
from .claims import CLAIMS
from .parts import Setup
from .pictures import Edited
from .rows import HEADLINE, OURS, ROWS
from .run import Runner
from .store import checksum

QUICK = {"clips": 4, "frames": 2, "steps": 8, "rows": "draw-paste-0.4,draw-paste,default"}
Scores = dict[str, Any]


class Bench:
    """What all clips share: the runner, the judges, the autoencoder."""

    def __init__(self, setup: Setup, out: Path):
        self.setup = setup
        self.runner = Runner(setup, out / "edit", checksum(demo_model.FOLDER / demo_model.PAINTER))
        self.runner.host.stop_on_signals()
        self.judges, self.detector, self.restored = Judges.load(), Judge.load(), autoencoder()

    def held(self, case: suite.Case, frames: int) -> tuple[suite.Example, Standard]:
        one = suite.example(case, frames)
        return one, standard(one.shot, one.task, self.restored, case.seed)

    def scored(self, case: suite.Case, rows: Iterable[str], noises: int) -> tuple[list[Scores], dict[str, Edited]]:
        """The score of every row on a clip, the mean over noises where there are several; and the edits."""
        one, held = self.held(case, self.setup.frames)
        found, shown = [], {}
        for row in rows:
            edits = [self.runner.edit(one, row, noise) for noise in range(noises)]
            numbers = [{**score(held, edit.frames, self.judges), **edit.cost} for edit in edits]
            mean = {name: float(np.mean([number[name] for number in numbers])) for name in numbers[0]}
            found.append({"case": case.name, "kind": case.kind, "row": row, **mean})
            shown[row] = held, edits[0].frames
            print(f"{case.name:20} {row:16} strict {mean['strict']:4.0%}  word {mean['word']:4.0%}", flush=True)
        return found, shown

    def claimed(self, name: str, clips: int | None, seed: int | None) -> list[tuple[float, float]]:
        """A claim's measure of its row, and of the one that it is against, clip by clip."""
        claim = CLAIMS[name]
        pairs = []
        for case in suite.cases("claims", seed, claim.kinds)[:clips]:
            one, held = self.held(case, claim.frames or self.setup.frames)
            with_it = self.measured(claim.measure, one, held, claim.row)
            without = self.measured(claim.before or claim.measure, one, held, claim.against)
            pairs.append((with_it, without))
            print(f"{name:20} {case.name:22} {with_it:8.3f} against {without:8.3f}", flush=True)
        return pairs

    def measured(self, measure: str, one: suite.Example, held: Standard, row: str) -> float:
        edit = self.runner.edit(one, row)
        if measure == "relation":
            return claims.relation(held, edit.frames, self.detector)
        if measure == "drift":
            return claims.drift(held, edit.frames)
        return edit.cost[measure] if measure in edit.cost else score(held, edit.frames, self.judges)[measure]


def bench(chosen: argparse.Namespace, out: Path) -> int:
    """Runs what the options say; returns the exit code."""
    if chosen.quick:
        vars(chosen).update(QUICK)
    setup = Setup(frames=chosen.frames, steps=chosen.steps)
    try:
        return _claims(chosen, setup, out) if chosen.claims else _rows(chosen, setup, out)
    except Stopped:
        print("Stopped. Run it again to go on from there.")
        return 130


def _rows(chosen: argparse.Namespace, setup: Setup, out: Path) -> int:
    rows = named(chosen.rows, ROWS, "--rows") if chosen.rows else tuple(HEADLINE)
    cases = suite.cases(chosen.split, chosen.seed)[: chosen.clips]
    opponent = None if chosen.split == "development" or OURS not in rows else report.opponent(out)
    whole = Bench(setup, out)
    clips = [whole.scored(case, rows, chosen.noises) for case in cases]
    about = {"split": chosen.split, "first_seed": cases[0].seed, "noises": chosen.noises, **setup._asdict()}
    changed = chosen.quick or chosen.clips or chosen.rows or chosen.seed is not None
    path = out / f"edit_quality_{'partial' if changed else chosen.split}"
    report.write(path, [one for found, _ in clips for one in found], about, opponent)
    for row in rows:
        pictures.crops([shown[row] for _, shown in clips], whole.judges).save(out / "edit" / f"crops_{row}.png")
    few = clips[: pictures.CLIPS]
    titles = [f"{found[0]['case']}: {next(iter(shown.values()))[0].task.prompt}" for found, shown in few]
    sheet = {ROWS[row].label: [shown[row][1] for _, shown in few] for row in rows}
    pictures.sheet(sheet, titles).save(path.with_suffix(".png"), optimize=True)
    if chosen.blind:
        crops = [
            picture
            for _, shown in clips
            for edit in shown.values()
            for picture, *_ in pictures.chosen([edit], len(rows))
        ]
        crops = blind.drawn(np.stack(crops))
        blind.atlas(crops).save(out / "blind.png", optimize=True)
        blind.sheet(crops).save(out / "blind_sheet.png")
    print(path.with_suffix(".md").read_text())
    return 0


def _claims(chosen: argparse.Namespace, setup: Setup, out: Path) -> int:
    names = tuple(CLAIMS) if chosen.claims == "all" else named(chosen.claims, CLAIMS, "--claims")
    whole = Bench(setup, out)
    for name in names:
        report.write_claim(out / "edit_claims", name, whole.claimed(name, chosen.clips, chosen.seed), setup)
    print((out / "edit_claims.md").read_text())
    return 0


def named(text: str, known: dict, option: str) -> tuple[str, ...]:
    """The names in a text with commas, in the order of `known`. Raises SystemExit for one that is not there."""
    wanted = [name.strip() for name in text.split(",")]
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"{option}: there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(name for name in known if name in wanted)
