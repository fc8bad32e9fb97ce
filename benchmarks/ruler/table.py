"""The lively benchmark: every row on the clips of a split, scored against the drawn truth. See ../lively.py."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ...proof.host import Stopped
from ...videograin.jobs import demo_model
from ..edit.graph import Setup
from ..edit.statistics import mean_interval, paired_interval
from ..edit.store import checksum
from ..edit.suite import Example
from . import suite
from .gate import autoencoder
from .judges import Judges
from .run import OURS, ROWS, Runner
from .score import score, standard

SHOWN = ("strict", "union", "word", "near", "kept", "leak", "empty", "cia", "background", "ring", "flicker", "seconds")


def scored(cases: list[suite.Case], rows: tuple[str, ...], setup: Setup, folder: Path) -> list[dict[str, Any]]:
    """The score of every row of every clip."""
    restored, judges, found = autoencoder(), Judges.load(), []
    runner = Runner(setup, folder, checksum(demo_model.FOLDER / demo_model.PAINTER))
    runner.host.stop_on_signals()
    for case in cases:
        one = Example(case, *suite.example(case, setup.frames))
        held = standard(one.shot, one.task, restored, case.seed)
        for row, frames, seconds in runner.edits(one, rows):
            about = {"case": case.name, "kind": case.kind, "row": row}
            found.append({**about, **score(held, frames, judges), "seconds": seconds})
            print(f"{case.name} {case.kind:10} {row:38} strict {found[-1]['strict']:4.0%}", flush=True)
    return found


def table(found: list[dict[str, Any]]) -> list[str]:
    """Means over clips, in Markdown, and our default minus each row in strict union with its 95 % interval."""
    lines = ["| row | " + " | ".join(SHOWN) + " | union: ours minus it |", "|---" * (len(SHOWN) + 2) + "|"]
    by_row = {row: [one for one in found if one["row"] == row] for row in dict.fromkeys(one["row"] for one in found)}
    ours = [one["union"] for one in by_row.get(OURS, [])]
    for row, scores in by_row.items():
        cells = [f"{mean_interval([one[name] for one in scores])[0]:.3g}" for name in SHOWN]
        gap = "–"
        if row != OURS and len(ours) == len(scores):
            mean, low, high = paired_interval(ours, [one["union"] for one in scores])
            gap = f"{mean:+.1%} ({low:+.1%} to {high:+.1%})"
        lines.append(f"| {row} | {' | '.join(cells)} | {gap} |")
    return lines


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, required=True, help="ComfyUI's folder")
    parser.add_argument("--split", choices=list(suite.SPLITS), default="development")
    parser.add_argument("--seed", type=int, help="of the first clip, for clips that nobody has seen")
    parser.add_argument("--clips", type=int, help="only the first so many")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rows", help=f"only these, with semicolons: {'; '.join(ROWS)}")
    return parser.parse_args()


def chosen_rows(text: str) -> tuple[str, ...]:
    wanted = [row.strip() for row in text.split(";")]
    if unknown := [row for row in wanted if row not in ROWS]:
        raise SystemExit(f"--rows: there is no {'; '.join(unknown)}; there are {'; '.join(ROWS)}")
    return tuple(row for row in ROWS if row in wanted)


def bench(chosen: argparse.Namespace, out: Path) -> int:
    rows = ROWS if chosen.rows is None else chosen_rows(chosen.rows)
    cases = suite.cases(chosen.split, chosen.seed)[: chosen.clips]
    setup = Setup(frames=chosen.frames, steps=chosen.steps)
    try:
        found = scored(cases, rows, setup, out / "lively")
    except Stopped:
        print("Stopped. Run it again to go on from there.")
        return 130
    lines = table(found)
    name = f"lively_{chosen.split}"
    (out / f"{name}.json").write_text(json.dumps({"setup": setup._asdict(), "rows": found}, indent=1) + "\n")
    (out / f"{name}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0
