"""Rows: numbers derived from the measurements. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

Row = dict[str, Any]

# Fields of every row, null where they do not apply; "tokens" in rows of attention, "frames" in all others.
FIELDS = ("bench", "device", "seconds", "ratio_to_sdpa", "dense_over_ours", "extra_memory", "peak_mb")
SDPA, OURS, FAST, GROUPED, DENSE = FORMS = (
    "plain full-frame SDPA", "ST-Layout", "ST-Layout, `fast`", "ST-Layout, grouped keys", "dense recipe",
)  # fmt: skip
FOLLOWED = DEMO, SD = ("demo model, 192×192 doubled", "SD 1.5 size, 512×512")
PER_FRAME, FULL_FRAME, ST_LAYOUT = MODES = ("per frame", "full frame", "ST-Layout")


def attention_rows(
    facts: Row, times: dict[str, list[float]], memory: dict[str, float], qkv_mb: float, fast_error: float | None = None
) -> list[Row]:
    """Rows of attention, one for each form.

    facts: what the rows share. times: seconds of each form. memory: MiB each form holds beyond its inputs.
    qkv_mb: MiB of q, k and v together. fast_error: relative, of FAST's result.
    """
    middle = {form: median(taken) for form, taken in times.items() if taken}
    rows = []
    for form, spent in middle.items():
        row = {"bench": "attention", **facts, "case": form, "seconds": spent, "ratio_to_sdpa": spent / middle[SDPA]}
        if form == OURS and DENSE in middle:
            row["dense_over_ours"] = middle[DENSE] / spent
        if form == FAST:
            row["error"] = fast_error
        if form in memory:
            row["peak_mb"] = memory[form]
            row["extra_memory"] = (memory[form] - memory[SDPA]) / qkv_mb
        rows.append(row)
    return rows


def network_rows(measured: Iterable[Row]) -> list[Row]:
    """Rows of network steps, each compared with the full-frame (plain SDPA) and the per-frame step of as many frames.

    measured: bench, case, frames, ..., several times each. A row is the median; "spread" is the range of its turns, as
    a share of the median.
    """
    turns: dict[tuple, list[Row]] = {}
    for row in measured:
        turns.setdefault((row["case"], row["frames"]), []).append(row)
    measured = [_middle(same) for same in turns.values()]
    base = {(row["case"], row["frames"]): row["seconds"] for row in measured}

    def ratios(row: Row) -> Row:
        names = {"ratio_to_sdpa": FULL_FRAME, "ratio_to_per_frame": PER_FRAME}
        found = {name: base.get((mode, row["frames"])) for name, mode in names.items()}
        return {name: row["seconds"] / seconds for name, seconds in found.items() if seconds}

    return [{**row, **ratios(row)} for row in measured]


def _middle(turns: list[Row]) -> Row:
    seconds, peaks = ([turn[name] for turn in turns] for name in ("seconds", "peak_mb"))
    spread = (max(seconds) - min(seconds)) / median(seconds)
    return {**turns[0], "seconds": median(seconds), "peak_mb": median(peaks), "turns": len(turns), "spread": spread}


def long_rows(measured: Iterable[Row]) -> list[Row]:
    """Edits of clips of several lengths, the first of them in one chunk: seconds a frame, and those ÷ the first's."""
    rows = [{**row, "seconds_per_frame": row["seconds"] / row["frames"]} for row in measured]
    return [{**row, "ratio_to_one_chunk": row["seconds_per_frame"] / rows[0]["seconds_per_frame"]} for row in rows]


def growth(rows: Iterable[Row], case: str) -> float | None:
    """Growth of memory with frames: MiB per frame over the upper half ÷ over the lower half; 1 is linear."""
    peaks = sorted((row["frames"], row["peak_mb"]) for row in rows if row["case"] == case)
    if len(peaks) < 3:
        return None
    (first, low), (middle, half), (last, high) = peaks[0], peaks[len(peaks) // 2], peaks[-1]
    return (high - half) / (last - middle) / ((half - low) / (middle - first))


def profile_rows(
    facts: Row, nodes: dict[str, float], steps: dict[str, int], parts: dict[tuple[str, str], float]
) -> list[Row]:
    """Rows of an edit's time by node and part; nodes below 1 % of it are one row.

    nodes: seconds of each node. steps: sampling steps of the nodes that sample. parts: seconds of (node, part); the
    rest is the node's own time.
    """
    total = sum(nodes.values())
    small = [node for node, spent in nodes.items() if spent < 0.01 * total]
    lines = {}  # (node, part) -> seconds
    for node, spent in nodes.items():
        inside = {part: seconds for (owner, part), seconds in parts.items() if owner == node}
        if inside:
            inside["everything else"] = spent - sum(inside.values())
        if node not in small:
            lines |= {(node, part): seconds for part, seconds in (inside or {"": spent}).items()}
    if small:
        lines[f"{len(small)} other nodes", ""] = sum(nodes[node] for node in small)
    return [
        {
            "bench": "toy",
            **facts,
            "case": f"{node}: {part}" if part else node,
            "seconds": seconds,
            "seconds_per_step": seconds / steps[node] if node in steps else None,
            "share": seconds / total,
        }
        for (node, part), seconds in lines.items()
    ]


def complete(row: Row, device: str) -> Row:
    """A row with every one of FIELDS, as measured on a device of this name."""
    return {**dict.fromkeys((*FIELDS, "tokens" if row["bench"] == "attention" else "frames")), **row, "device": device}


def merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """The old rows and the new ones, which replace old rows of the same benchmark and kind of device."""
    new = list(new)
    again = {(row["bench"], kind(row)) for row in new}
    return [row for row in old if (row["bench"], kind(row)) not in again] + new


def kind(row: Row) -> str:
    return "CPU" if "CPU" in row["device"] else "CUDA"
