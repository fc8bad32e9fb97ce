"""The rows for a GPU of `make bench`, from benchmarks/ in a clone of the repository, in the time that is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LEAST = 2  # minutes: in less, nothing would come of it


def script(pack: Path) -> Path | None:
    """The benchmark; None where the pack was installed without it."""
    found = pack / "benchmarks" / "speed.py"
    return found if found.is_file() else None


def rows(speed: Path, tree: Path, out: Path, minutes: float) -> list[dict[str, Any]]:
    """The rows of all benchmarks that end in time, measured in processes of their own; its files stay in `out`."""
    if minutes < LEAST:
        print("No time is left for the speed benchmark. Give more with --minutes.")
        return []
    print(f"The speed benchmark, for at most {minutes:.0f} min.")
    command = [sys.executable, str(speed), "--tree", str(tree), "--device", "cuda", "--small-card", "--out", str(out)]
    try:
        ended = subprocess.run(command, timeout=60 * minutes).returncode
        if ended:
            print(f"The benchmark ended with an error ({ended}); what it had measured is kept.")
    except subprocess.TimeoutExpired:
        print("The benchmark took longer than the time that was left; what it had measured is kept.")
    found = out / "speed.json"
    return json.loads(found.read_text(encoding="utf-8")) if found.exists() else []
