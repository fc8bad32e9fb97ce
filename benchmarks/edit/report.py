"""Report on methods, from one row per edit: means over clips, 95 % intervals, paired differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite, nan
from typing import Any, NamedTuple

from ...videograin.toybox.tasks import TASKS
from .methods import METHODS
from .statistics import mean_interval, paired_interval

Row = dict[str, Any]
Best = dict[str, dict[str, Row]]  # method -> clip -> its row


class Metric(NamedTuple):
    name: str
    label: str
    form: str  # format of a number
    best: int  # 1: more is better, -1: less is, 0: neither


METRIC_LIST = (
    Metric("edit_acc", "Edit-Acc", "{:.1%}", 1),
    Metric("leak", "Leak", "{:.1%}", -1),
    Metric("kept", "Kept", "{:.1%}", 1),
    Metric("empty", "Empty", "{:.1%}", -1),
    Metric("background_psnr", "background PSNR (dB)", "{:.1f}", 1),
    Metric("background_lpips", "background LPIPS", "{:.3f}", -1),
    Metric("embed_f", "embed_f", "{:.3f}", 1),
    Metric("embed_pairs", "embed_pairs", "{:.3f}", 1),
    Metric("warp_err", "Warp-Err, masked", "{:.2f}", -1),
    Metric("warp_err_unmasked", "Warp-Err, all", "{:.2f}", -1),
    Metric("q_edit_acc", "Q-edit-acc", "{:.0f}", 1),
    Metric("attn_in_before", "Attn-in before", "{:.1%}", 0),
    Metric("attn_in", "Attn-in after", "{:.1%}", 1),
    Metric("seconds", "seconds", "{:.1f}", -1),
    Metric("peak_mb", "peak MB", "{:.0f}", -1),
)
OURS = "default"
LISTED = 12  # wrong words listed per method


# ---- statistics -------------------------------------------------------------------------------------------------------


def merit(row: Row) -> tuple[float, float, float, float]:
    """The order of two edits of a clip: more correct words, less leak, more kept, a better background."""
    return row["edit_acc"], -_number(row["leak"]), _number(row["kept"]), _number(row["background_psnr"])


def _number(value: float) -> float:
    return 0.0 if value != value else value


def best_wording(rows: Iterable[Row]) -> Best:
    """The best edit of each method and clip among the prompts tried."""
    best: Best = {}
    for row in rows:
        clips = best.setdefault(row["method"], {})
        if row["case"] not in clips or merit(row) > merit(clips[row["case"]]):
            clips[row["case"]] = row
    return best


def best_baseline(best: Best) -> dict[str, Row]:
    """The best baseline edit of each clip, from any baseline: no single baseline is as good."""
    found: dict[str, Row] = {}
    for name, clips in best.items():
        for case, row in clips.items() if METHODS[name].baseline else ():
            if case not in found or merit(row) > merit(found[case]):
                found[case] = row
    return found


def intervals(rows: Sequence[Row]) -> dict[str, tuple[float, float, float]]:
    """Intervals of every metric over clips: (mean, low, high)."""
    return {metric.name: mean_interval([row[metric.name] for row in rows]) for metric in METRIC_LIST}


def paired(best: Best) -> dict[str, tuple[float, float, float]]:
    """Our default minus the best baseline of each clip: (mean, low, high) of every metric."""
    theirs, ours = best_baseline(best), best.get(OURS, {})
    cases = sorted(theirs.keys() & ours.keys())
    return {
        metric.name: paired_interval([ours[c][metric.name] for c in cases], [theirs[c][metric.name] for c in cases])
        for metric in METRIC_LIST
    }


def differences(best: Best) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Each method minus the one it is `against`, over the clips that both have: (mean, low, high) of every metric."""
    found = {}
    for name in (name for name in METHODS if name in best):
        theirs, ours = best.get(METHODS[name].against, {}), best[name]
        if cases := sorted(theirs.keys() & ours.keys()):
            pairs = [(ours[case], theirs[case]) for case in cases]
            found[name] = {
                metric.name: paired_interval(*zip(*((a[metric.name], b[metric.name]) for a, b in pairs), strict=True))
                for metric in METRIC_LIST
            }
    return found


def confusion(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Confusion of words, over the areas that should change: word asked -> word seen -> number of frames."""
    counts: dict[str, Counter] = {}
    for row in rows:
        for (word, changes), words in zip(row["asked"], row["seen"], strict=True):
            if changes:
                counts.setdefault(word, Counter()).update(seen for seen in words if seen is not None)
    return {word: dict(counter.most_common()) for word, counter in sorted(counts.items())}


# ---- the JSON ---------------------------------------------------------------------------------------------------------


def as_json(main: Best, development: Best, setup: Row) -> Row:
    """The results as JSON: `methods` and `paired` are the headline, the rest is detail. Fractions 0…1, NaN is null."""
    found = _means(main) | {
        "paired": {name: _finite(values) for name, values in paired(main).items()},
        "best_baseline": {case: f"{row['method']}, {row['wording']}" for case, row in best_baseline(main).items()},
        "confusion": {name: confusion(clips.values()) for name, clips in main.items()},
    }
    return found | ({"development": _means(development)} if development else {}) | {"setup": setup}


def _means(best: Best) -> Row:
    spans = {name: intervals(list(clips.values())) for name, clips in best.items()}
    return {
        "methods": {name: {m: _finite(span)[0] for m, span in found.items()} for name, found in spans.items()},
        "intervals": {name: {m: _finite(span)[1:] for m, span in found.items()} for name, found in spans.items()},
        "differences": {
            name: {"against": METHODS[name].against} | {m: _finite(span) for m, span in found.items()}
            for name, found in differences(best).items()
        },
        "tasks": {name: _by_task(clips) for name, clips in best.items()},
    }


def _by_task(clips: dict[str, Row]) -> Row:
    kinds = {kind: [row for row in clips.values() if row["kind"] == kind] for kind in TASKS}
    return {
        kind: {name: _finite(span) for name, span in intervals(rows).items()} for kind, rows in kinds.items() if rows
    }


def _finite(values: Iterable[float]) -> list[float | None]:
    return [round(value, 6) if isfinite(value) else None for value in values]


# ---- the table --------------------------------------------------------------------------------------------------------


def as_markdown(title: str, main: Best, development: Best, notes: Sequence[str]) -> str:
    """The results as Markdown: means ± half the 95 % interval, paired differences, tasks, ablations, confused words."""
    count = len(next(iter(main.values()), {}))
    lines = [f"# {title}", "", *notes, "", f"## {count} clips", "", *_table(main), ""]
    lines += ["## Our default minus the best baseline of each clip", "", *_paired_lines(main), ""]
    lines += ["## Each task: Edit-Acc / Leak", "", *_task_lines(main), ""]
    if development:
        clips = len(next(iter(development.values())))
        lines += [f"## Ablations, {clips} development clips", "", *_table(development), ""]
    if changed := _difference_lines(development or main):
        lines += ["## Each row minus the one it changes, clip by clip", "", *changed, ""]
    return "\n".join([*lines, "## What the judge saw instead", "", *_confusion_lines(main), ""])


def _table(best: Best) -> list[str]:
    lines = ["| method | " + " | ".join(metric.label for metric in METRIC_LIST) + " |"]
    lines.append("|" + "---|" * (1 + len(METRIC_LIST)))
    for name in (name for name in METHODS if name in best):
        spans = intervals(list(best[name].values()))
        cells = [span_text(metric, *spans[metric.name]) for metric in METRIC_LIST]
        lines.append(f"| {METHODS[name].label} | " + " | ".join(cells) + " |")
    return lines


def span_text(metric: Metric, mean: float, low: float = nan, high: float = nan) -> str:
    if mean != mean:
        return "–"
    text = metric.form.format(mean)
    return text if low != low else f"{text} ± {metric.form.format((high - low) / 2)}"


def _paired_lines(best: Best) -> list[str]:
    lines = ["| metric | difference | 95 % interval | |", "|---|---|---|---|"]
    for metric, (mean, low, high) in zip(METRIC_LIST, paired(best).values(), strict=True):
        if mean == mean:
            better = metric.best and low == low and (low > 0 if metric.best > 0 else high < 0)
            span = "–" if low != low else f"{metric.form.format(low)} to {metric.form.format(high)}"
            lines.append(f"| {metric.label} | {metric.form.format(mean)} | {span} | {'better' if better else ''} |")
    chosen = Counter(f"{row['method']} ({row['wording']})" for row in best_baseline(best).values())
    return [*lines, "", f"Best baselines: {', '.join(f'{name} {n}×' for name, n in chosen.most_common())}."]


def _difference_lines(best: Best) -> list[str]:
    lines = ["| method | minus | " + " | ".join(metric.label for metric in METRIC_LIST) + " |"]
    lines.append("|" + "---|" * (2 + len(METRIC_LIST)))
    found = differences(best)
    for name, spans in found.items():
        cells = [span_text(metric, *spans[metric.name]) for metric in METRIC_LIST]
        lines.append(f"| {METHODS[name].label} | {METHODS[METHODS[name].against].label} | {' | '.join(cells)} |")
    return lines if found else []


def _task_lines(best: Best) -> list[str]:
    lines = ["| method | " + " | ".join(TASKS) + " |", "|" + "---|" * (1 + len(TASKS))]
    accuracy, leak = METRIC_LIST[:2]
    for name in (name for name in METHODS if name in best):
        cells = []
        for kind in TASKS:
            spans = intervals([row for row in best[name].values() if row["kind"] == kind])
            cells.append(f"{span_text(accuracy, spans['edit_acc'][0])} / {span_text(leak, spans['leak'][0])}")
        lines.append(f"| {METHODS[name].label} | " + " | ".join(cells) + " |")
    return lines


def _confusion_lines(best: Best) -> list[str]:
    lines = []
    for name in (name for name in METHODS if name in best):
        table = confusion(best[name].values())
        wrong = Counter({(word, seen): n for word, row in table.items() for seen, n in row.items() if seen != word})
        total, count = sum(sum(row.values()) for row in table.values()), sum(wrong.values())
        listed = ", ".join(f"{word} \u2192 {seen} {n}×" for (word, seen), n in wrong.most_common(LISTED))
        lines.append(f"- {METHODS[name].label}: {count} of {total} frames of changed areas wrong. {listed}")
    return lines
