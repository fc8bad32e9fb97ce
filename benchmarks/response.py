"""Response time of the pack's views while a clip of 32 frames is edited, measured by the browser.

    python benchmarks/response.py            # runs the browser tests that measure it, a few minutes
    python benchmarks/response.py --collect  # takes the numbers of their last run

Writes benchmarks/response.json and RESPONSE.md. Run it with the interpreter of the development host
(`python3 tools/provision.py --print-python`); needs Debian's Chromium.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TESTS = ("tests/browser/test_cluster_picker.py", "tests/browser/test_player.py")
PAGE = """# How fast the views answer

A clip of 32 frames at 512×512 (64×64 clusters in the picker), worked on in headless Chromium without a graphics card:
moved over, clicked, stepped through, zoomed and played. A long task is one that keeps the page from answering for more than
50 ms; an action's time runs from the key or click to the picture that shows it, counted from 16 ms on.

{machine}. `python benchmarks/response.py` renews this page.

| view | renderer | actions | long tasks | longest | slowest action |
|---|---|---|---|---|---|
{rows}
"""


def measure() -> None:
    command = [sys.executable, "-m", "pytest", "-q", *TESTS, "-k", "responsive"]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise SystemExit("The measuring tests failed.")


def collected() -> list[dict]:
    files = sorted((ROOT / "tests" / "browser" / "out").glob("*_long_tasks_*.json"))
    if not files:
        raise SystemExit("There are no numbers yet: run this without --collect.")
    return [json.loads(file.read_text()) for file in files]


def row(found: dict) -> str:
    tasks = found["long_tasks_ms"]
    longest = f"{max(tasks)} ms" if tasks else "–"
    slowest = f"{found['slowest_event_ms']} ms" if found["slowest_event_ms"] else "under 16 ms"
    return f"| {found['view']} | {found['renderer']} | {found['actions']} | {len(tasks)} | {longest} | {slowest} |"


def machine() -> str:
    load = os.getloadavg()[1]
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), {load:.1f} processes waiting for them on average"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--collect", action="store_true", help="do not measure, take the last numbers")
    if not parser.parse_args().collect:
        measure()
    found = collected()
    (HERE / "response.json").write_text(json.dumps({"machine": machine(), "views": found}, indent=1) + "\n")
    (HERE / "RESPONSE.md").write_text(PAGE.format(machine=machine(), rows="\n".join(map(row, found))))


if __name__ == "__main__":
    main()
