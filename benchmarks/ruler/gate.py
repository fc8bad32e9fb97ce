"""The gate: what the score says of edits that are known to be wrong or right, before any method is tuned with it.

    make bench-gate                    the development clips; minutes on a CPU
    make bench-gate ARGS="--seed 7"    clips that nobody has seen

Pasted drawings may be right in at most a quarter, the unedited source in at most one of twenty; the drawn truth after the
autoencoder must be right in 19 of 20. If not, the world or the score is not done. Writes benchmarks/ruler/gate.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...videograin.toybox import model
from . import suite
from .judges import Judges
from .score import score, standard
from .statistics import mean_interval
from .stickers import pasted

FRAMES = 6
BARS = {"unedited": (0.0, 0.05), "pasted": (0.0, 0.25), "truth": (0.95, 1.0)}  # of "strict"
FILE = Path(__file__).with_name("gate.json")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=list(suite.SPLITS), default="development")
    parser.add_argument("--seed", type=int, help="of the first clip; nothing is written")
    parser.add_argument("--clips", type=int, help="only the first so many; nothing is written")
    parser.add_argument(
        "--frames", type=int, default=FRAMES, help=f"of each clip (default: {FRAMES}); nothing is written"
    )
    return parser.parse_args()


def autoencoder() -> Callable[[np.ndarray], np.ndarray]:
    """Frames (F, H, W, 3) uint8 after the demo model's autoencoder."""
    vae = model.shipped_autoencoder()

    @torch.inference_mode()
    def restored(frames: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return model.to_bytes(torch.cat([vae.decode(vae.encode(part)) for part in x.split(8)]))

    return restored


def rows(cases: list[suite.Case], frames: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The score of each known edit of each clip."""
    restored, judges, found = autoencoder(), Judges.load(), []
    for case in cases:
        _, shot, task = suite.example(case, frames)
        held = standard(shot, task, restored, case.seed)
        edits = {"unedited": shot.frames, "pasted": pasted(shot, task), "truth": held.truth.frames}
        for name, edited in edits.items():
            found.append({"case": case.name, "kind": case.kind, "row": name, **score(held, restored(edited), judges)})
        tell(f"{case.name} {case.kind:10} " + "  ".join(f"{one['row']} {one['strict']:.0%}" for one in found[-3:]))
    return found


def summary(found: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Means of every number with their 95 % intervals, by row."""
    numbers = [name for name, value in found[0].items() if isinstance(value, float)]
    return {
        row: {
            name: [round(v, 4) for v in mean_interval([one[name] for one in found if one["row"] == row])]
            for name in numbers
        }
        for row in BARS
    }


def main() -> int:
    chosen = arguments()
    cases = suite.cases(chosen.split, chosen.seed)[: chosen.clips]
    means = summary(rows(cases, chosen.frames, lambda line: print(line, flush=True)))
    passed = True
    for row, (low, high) in BARS.items():
        value, *_ = means[row]["strict"]
        passed &= low <= value <= high
        print(
            f"{row:10} strict {value:6.1%}   asked {low:.0%} to {high:.0%}   {'' if low <= value <= high else 'NOT MET'}"
        )
    if chosen.seed is None and chosen.clips is None and chosen.frames == FRAMES:
        FILE.write_text(
            json.dumps({"split": chosen.split, "frames": FRAMES, "passed": passed, "rows": means}, indent=1) + "\n"
        )
    return 0 if passed else 1
