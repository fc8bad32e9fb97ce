"""The report: means over clips, our default against one opponent that was named before, all other rows corrected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ..ruler.statistics import bootstrapped, holm, mean_interval
from .claims import CLAIMS
from .parts import Setup
from .rows import OURS, ROWS, STOCK

SHOWN = {  # number -> its label and form
    "union": ("strict union", "{:.1%}"), "strict": ("strict", "{:.1%}"), "word": ("word", "{:.1%}"),
    "near": ("near", "{:.1%}"), "gap": ("gap", "{:.2f}"), "kept": ("Kept", "{:.1%}"), "leak": ("Leak", "{:.1%}"), "empty": ("empty", "{:.1%}"),
    "ia": ("IA", "{:.2f}"), "cia": ("CIA", "{:.2f}"), "background": ("background (dB)", "{:.1f}"),
    "ring": ("ring", "{:.1f}"), "uncovered": ("uncovered", "{:.1f}"), "flicker": ("flicker", "{:.2f}"),
    "cpu_seconds": ("CPU-s", "{:.1f}"), "calls": ("calls a frame", "{:.0f}"),
}  # fmt: skip
ENDPOINT = "union"
Scores = dict[str, Any]


def write(path: Path, found: list[Scores], about: dict[str, Any], against: str | None) -> None:
    """Writes path.json and path.md. against: the opponent; None to take the best of this run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = summary(found, about, against)
    path.with_suffix(".json").write_text(json.dumps(result) + "\n")
    path.with_suffix(".md").write_text("\n".join(table(result)) + "\n")


def opponent(out: Path) -> str:
    """The opponent that the development clips chose. Raises SystemExit where they have not run."""
    path = out / "edit_quality_development.json"
    if not path.exists():
        raise SystemExit(f"{path} is not there: the opponent is chosen on the development clips; run those first")
    return str(json.loads(path.read_text())["primary"]["against"])


def summary(found: list[Scores], about: dict[str, Any], against: str | None) -> dict[str, Any]:
    """All that the run says, ready for JSON; NaN is null."""
    by_row = {row: [one for one in found if one["row"] == row] for row in dict.fromkeys(one["row"] for one in found)}
    means = {row: {name: _finite(mean_interval(_column(ones, name))) for name in SHOWN} for row, ones in by_row.items()}
    tasks = {row: {kind: _finite(mean_interval(_column(ones, ENDPOINT, kind)))[0] for kind in _kinds(ones)}
             for row, ones in by_row.items()}  # fmt: skip
    result = {"about": about, "rows": means, "tasks": tasks, "clips": [_clean(one) for one in found]}
    if OURS not in by_row:
        return result
    against = against or max(
        (row for row in by_row if row in STOCK),
        key=lambda row: (means[row][ENDPOINT][0], means[row]["word"][0]),
        default=None,
    )
    ours = _column(by_row[OURS], ENDPOINT)
    gaps = {
        row: bootstrapped([a - b for a, b in zip(ours, _column(ones, ENDPOINT), strict=True)])
        for row, ones in by_row.items()
        if row != OURS
    }
    if against in gaps:
        mean, low, high, _ = gaps[against]
        result["primary"] = {"against": against, "mean": _finite([mean])[0], "interval": _finite([low, high])}
    others = [row for row in gaps if row != against]
    corrected = holm([gaps[row][3] for row in others])
    result["others"] = {
        row: {"mean": _finite(gaps[row])[0], "interval": _finite(gaps[row])[1:3], "p_holm": _finite([p])[0]}
        for row, p in zip(others, corrected, strict=True)
    }
    return result


def _column(ones: Iterable[Scores], name: str, kind: str = "") -> list[float]:
    return [one[name] for one in ones if not kind or one["kind"] == kind]


def _kinds(ones: Iterable[Scores]) -> list[str]:
    return list(dict.fromkeys(one["kind"] for one in ones))


def _clean(one: Scores) -> Scores:
    return {name: _finite([value])[0] if isinstance(value, float) else value for name, value in one.items()}


def _finite(values: Sequence[float]) -> list[float | None]:
    return [round(float(value), 5) if isfinite(value) else None for value in values]


def table(result: dict[str, Any]) -> list[str]:
    """The run in Markdown."""
    lines = ["| row | " + " | ".join(label for label, _ in SHOWN.values()) + " | union: ours minus it |"]
    lines.append("|---" * (len(SHOWN) + 2) + "|")
    primary = result.get("primary")
    gaps = result.get("others", {}) | ({primary["against"]: primary} if primary else {})
    for row, means in result["rows"].items():
        cells = [_cell(means[name], form) for name, (_, form) in SHOWN.items()]
        lines.append(f"| {ROWS[row].label} | {' | '.join(cells)} | {_gap(gaps.get(row))} |")
    if primary:
        lines += [
            "",
            f"Primary: our default against *{ROWS[primary['against']].label}*: {_gap(primary)} points of strict union.",
        ]
    kinds = list(next(iter(result["tasks"].values())))
    lines += ["", "| strict union by task | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for row, by_task in result["tasks"].items():
        lines.append(f"| {ROWS[row].label} | " + " | ".join(_percent(by_task[kind]) for kind in kinds) + " |")
    return lines


def _cell(span: list[float | None], form: str) -> str:
    mean, low, high = span
    if mean is None:
        return "–"
    return form.format(mean) if low is None else f"{form.format(mean)} ± {form.format((high - low) / 2)}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _gap(gap: dict[str, Any] | None) -> str:
    if gap is None or gap["mean"] is None:
        return "–"
    text, (low, high) = f"{100 * gap['mean']:+.1f}", gap["interval"]
    text += f" ({100 * low:+.1f} to {100 * high:+.1f})" if low is not None else ""
    return text + (f", p {gap['p_holm']:.2g}" if gap.get("p_holm") is not None else "")


def write_claim(path: Path, name: str, pairs: list[tuple[float, float]], setup: Setup) -> None:
    """Adds a claim's result to path.json, and writes path.md anew. pairs: with it and without it, clip by clip."""
    kept = json.loads(path.with_suffix(".json").read_text()) if path.with_suffix(".json").exists() else {}
    claim = CLAIMS[name]
    mean, low, high, _ = bootstrapped([a - b for a, b in pairs])
    frames = claim.frames or setup.frames
    kept[name] = {
        "clips": len(pairs), "frames": frames, "steps": setup.steps, "measure": claim.measure, "sign": claim.sign,
        "with": _finite(mean_interval([a for a, _ in pairs]))[0], "without": _finite(mean_interval([b for _, b in pairs]))[0],
        "mean": _finite([mean])[0], "interval": _finite([low, high]),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n")
    lines = ["| claim | clips | measure | with it | without | difference (95 %) | |", "|---" * 7 + "|"]
    lines += [_claim_line(CLAIMS[key].says, kept[key]) for key in CLAIMS if key in kept]
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")


def _claim_line(says: str, one: dict[str, Any]) -> str:
    low, high = (value if value is not None else 0.0 for value in one["interval"])
    reached = low > 0 if one["sign"] > 0 else high < 0
    opposite = high < 0 if one["sign"] > 0 else low > 0
    verdict = "reproduced" if reached else "**the other way round**" if opposite else "not told from chance"
    span = f"{one['mean']:+.3g} ({low:+.3g} to {high:+.3g})"
    sides = f"{one['with']:.3g} | {one['without']:.3g}"
    return f"| {says} | {one['clips']} of {one['frames']} frames | {one['measure']} | {sides} | {span} | {verdict} |"
