"""The whole run: methods and clips, the edits, and the files of results."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from ...videograin.core import optical_flow
from ...videograin.jobs import demo_model
from ...videograin.metrics import measures
from ...videograin.toybox import judge as judging
from . import lpips, measure, pictures, report, suite
from .graph import Setup
from .plan import jobs, name_of, plan, setup_of
from .run import Runner, run_all
from .store import Store, checksum
from .suite import DEVELOPMENT, TEST, Case

SHOWN = 4  # clips on the contact sheet, of different tasks


def bench(options: argparse.Namespace, out: Path) -> int:
    """Runs the chosen benchmark and writes out/<name>.json, .md and .png; returns the exit code."""
    setup, chosen = setup_of(options), plan(options)
    name = name_of(options)
    painter = demo_model.FOLDER / demo_model.PAINTER
    if not painter.exists():
        tell(f"{painter} is not there: `python demo/train.py --export` writes what is trained so far")
        return 1
    weights = f"{checksum(painter)} on a {'GPU' if options.gpu else 'CPU'}"
    store = Store(out / "edit", weights, ruler(), options.fresh)
    runner = Runner(setup, store, judging.Judge.load(), lpips.Lpips.find())
    runner.host.stop_on_signals()
    todo = [job for cases, methods in chosen.values() for job in jobs(cases, methods)]
    tell(f"{len(todo)} edits on {sum(len(cases) for cases, _ in chosen.values())} clips")
    rows = list(run_all(runner, todo, tell))
    if len(rows) < len(todo):
        return 130
    best = {split: best_of(rows, cases) for split, (cases, _) in chosen.items()}
    main = TEST if TEST in best else DEVELOPMENT
    ablations = best.get(DEVELOPMENT, {}) if main == TEST else {}
    notes = notes_of(options, setup, runner)
    about = {**setup._asdict(), "weights": store.weights, "judge": store.ruler, "split": main}
    text = json.dumps(report.as_json(best[main], ablations, about), indent=1) + "\n"
    (out / f"{name}.json").write_text(text)
    (out / f"{name}.md").write_text(report.as_markdown("Edit quality on the demo world", best[main], ablations, notes))
    draw(chosen[main][0], best[main], store, setup, out, name)
    tell(f"Read {out / name}.md, look at {out / name}.png and {out / 'edit' / 'crops'}")
    return 0


def ruler() -> str:
    """Checksum of everything that measures: the judge's weights, the measures' code, and whether LPIPS is there."""
    files = [
        judging.WEIGHTS,
        *(Path(module.__file__) for module in (judging, measure, suite, lpips, measures, optical_flow)),
    ]
    parts = [*(checksum(file) for file in files), str(lpips.Lpips.find() is not None)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def best_of(rows: list[dict[str, Any]], cases: list[Case]) -> report.Best:
    names = {case.name for case in cases}
    return report.best_wording(row for row in rows if row["case"] in names)


def notes_of(options: argparse.Namespace, setup: Setup, runner: Runner) -> list[str]:
    import torch

    machine = torch.cuda.get_device_name() if options.gpu else f"CPU, {torch.get_num_threads()} threads"
    lines = [
        f"{setup.frames} frames; inversion {setup.steps} steps with {setup.refinements} refinement(s), edit {setup.steps} "
        f"steps, CFG {setup.cfg:g}; {machine}.",
        f"SDEdit has no inversion: {setup.steps} steps from {setup.denoise:g} of the schedule. Baselines count with the "
        "better of two prompts per clip: the target prompt as it is, and naming left and right.",
        "Means over clips ± half of the 95 % t interval. Regions are judged by the demo's own classifier inside the true "
        f"masks, on frames where at least {measure.VISIBLE:.0%} of an object shows; in a swap, an object that stays what it "
        "was counts as leaked. Attn-in over all cross-attention sites at the first, third and fifth step; Q-edit-acc is 100 · Edit-Acc ÷ "
        "Warp-Err, where the paper has CLIP-T. Seconds include the inversion, which is computed once per clip and key set.",
    ]
    return lines if runner.lpips else [*lines, lpips.MISSING]


def draw(cases: list[Case], best: report.Best, store: Store, setup: Setup, out: Path, name: str) -> None:
    """The contact sheet, and for each method a picture of crops."""
    examples = {case.name: suite.example(case, setup.frames) for case in cases}
    shown = list({case.kind: examples[case.name] for case in reversed(cases)}.values())[::-1][:SHOWN]
    pictures.contact_sheet(shown, best, lambda row: store.frames(row["key"])).save(out / f"{name}.png", optimize=True)
    folder = out / "edit" / "crops"
    folder.mkdir(parents=True, exist_ok=True)
    for method, clips in best.items():
        edits = [(examples[case], row, store.frames(row["key"])) for case, row in clips.items()]
        pictures.crops(edits).save(folder / f"{method}.png")


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
