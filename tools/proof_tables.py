"""Tables of README.md and benchmarks/SPEED.md, from the proof.json that people with a GPU sent (see proof/README.md).

    make proof-tables FILE="one/proof.json another/proof.json"

All that are given make the tables together: what stood there before goes. A proof without a GPU's name is refused.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- proof: begin -->", "<!-- proof: end -->"
PART = re.compile(f"{BEGIN}\n(.*?){END}", re.S)
NOBODY = "*Nobody has sent one yet.*\n"
Record = dict[str, Any]


class Refused(Exception):
    """A file that makes no table; the message says why."""


def marked(text: str) -> str:
    """A part of a page that proofs fill in."""
    return f"{BEGIN}\n{text}{END}"


def filled(page: str, text: str) -> str:
    """The page with another marked part. Raises Refused where it has none."""
    if not PART.search(page):
        raise Refused(f"the page has lost its marks {BEGIN} and {END}")
    return PART.sub(lambda _: marked(text), page, count=1)


def kept(page: str, old: str) -> str:
    """A page that was made again, with the marked part of the old one."""
    found = PART.search(old)
    return filled(page, found[1]) if found else page


def read(file: Path) -> Record:
    """A proof with a GPU and at least one edit. Raises Refused."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        gpu, clips, rehearsal = record["machine"]["gpu"], record["clips"], record["rehearsal"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{file} is no proof.json ({error})") from None
    if rehearsal or not gpu:
        raise Refused(f"{file} names no GPU: it is a rehearsal, and its numbers say nothing")
    if not any("seconds" in run for row in clips for run in row["runs"]):
        raise Refused(f"{file} has no finished edit")
    return record


def recipes(record: Record) -> list[str]:
    return [run["recipe"] for run in record["clips"][0]["runs"]]


def cost(runs: list[Record]) -> str:
    """Time and memory of one recipe, in the middle of these edits; failed ones are counted beside it."""
    good = [run for run in runs if "seconds" in run]
    if not good:
        return "failed"
    seconds, memory = median(run["seconds"] for run in good), median(run["peak_mb"] for run in good)
    failed = f" ({len(runs) - len(good)} failed)" if len(good) < len(runs) else ""
    return f"{seconds:.0f} s, {memory / 1000:.1f} GB{failed}"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def size(row: Record) -> str:
    return f"{row['frames']} frames of {row['size'][0]}×{row['size'][1]}"


def card(record: Record) -> str:
    return f"{record['machine']['gpu']}, {record['machine']['vram_mb'] / 1024:.0f} GB"


def readme_part(records: list[Record]) -> str:
    """A row for each card: what one edit took."""
    names = recipes(records[0])
    rows = []
    for record in records:
        clips = record["clips"]
        about = f"{' or '.join(dict.fromkeys(map(size, clips)))}, {record['settings']['steps']} steps"
        costs = [cost([run for row in clips for run in row["runs"] if run["recipe"] == name]) for name in names]
        rows.append([card(record), about, str(len(clips)), *costs])
    lead = "\nMeasured with a checkpoint's own weights, by people who ran [proof/](proof/README.md): time and memory of an edit, "
    return (
        lead + "weights included, in the middle of so many clips.\n\n" + table(["Card", "Clip", "Clips", *names], rows)
    )


def speed_part(records: list[Record]) -> str:
    """A row for each clip on each card."""
    parts = []
    for record in records:
        machine, settings = record["machine"], record["settings"]
        versions = ", ".join(f"{name} {machine[name]}" for name in ("torch", "comfyui", "videograin", "system"))
        names = recipes(record)
        rows = [
            [row["prompt"], str(row["things"]), size(row), *(cost([run]) for run in row["runs"])]
            for row in record["clips"]
        ]
        about = f"**{card(record)}**: {settings['checkpoint']}, {settings['steps']} steps; {versions}\n\n"
        parts.append(about + table(["edit", "things", "clip", *names], rows))
    return "\n".join(parts)


def write(records: list[Record]) -> None:
    """Fills in both pages, and puts the benchmark's rows among the measured ones."""
    from pack.benchmarks.timing.page import page
    from pack.benchmarks.timing.rows import merged

    readme, speed, measured = ROOT / "README.md", ROOT / "benchmarks" / "SPEED.md", ROOT / "benchmarks/out/speed.json"
    rows = json.loads(measured.read_text(encoding="utf-8"))
    for record in records:
        rows = merged(rows, record["bench"])
    pages = {
        readme: filled(readme.read_text(encoding="utf-8"), readme_part(records)),
        speed: filled(page(rows), speed_part(records)),
        measured: json.dumps(rows, indent=1) + "\n",
    }
    for file, text in pages.items():
        file.write_text(text, encoding="utf-8")


def main() -> None:
    if not sys.argv[1:]:
        sys.exit('error: name the files: make proof-tables FILE="one/proof.json another/proof.json".')
    from inprocess import import_pack

    import_pack()
    try:
        write([read(Path(name)) for name in sys.argv[1:]])
    except Refused as error:
        sys.exit(f"error: {error}.")


if __name__ == "__main__":
    main()
