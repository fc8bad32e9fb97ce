"""Report on an edit: its measurements as numbers, as a Markdown table that explains them, and as curves over frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from math import isinf, isnan, nan
from typing import NamedTuple

from torch import Tensor

from ..views import line_chart
from . import measures

ODD = 5.0  # a CLIP-T below it is suspect: even a wrong text is nearer to a picture embedded by the same CLIP


class Need(Enum):
    """The need of a number: an input, or a condition on the inputs."""

    CLIP_VISION = "clip_vision"
    CLIP = "clip"
    TARGET = "target text"
    SOURCE = "source text"
    REGIONS = "regions"
    PAIR = "pair of frames"
    BACKGROUND = "background"
    DETECTIONS = "detections"
    RELATIONS = "relations"


Names = Mapping[Need, str]  # the user's name of each need


class Measured(NamedTuple):
    """Raw measurements of an edited clip of F frames; None where a need is missing.

    given: the needs that are met.
    pictures (F, dim), target and source (dim,): CLIP embeddings of the edit's frames and of the two texts.
    visible, everywhere, squared: Warp-Err masked and unmasked, and Pixel-MSE, one per pair of frames, (F - 1,).
    floor: masked Warp-Err of the source itself, (F - 1,).
    whole, background: PSNR in dB, of each frame (F floats) and of the clip.
    backbone, flow: names of the CLIP model and of the optical flow.
    visor: of the detections. unseen: the things that were asked for and never detected, in words.
    """

    given: frozenset[Need]
    frames: int
    height: int
    width: int
    pictures: Tensor | None
    target: Tensor | None
    source: Tensor | None
    visible: Tensor
    everywhere: Tensor
    squared: Tensor
    floor: Tensor
    whole: tuple[list[float], float]
    background: tuple[list[float], float] | None
    backbone: str
    flow: str
    visor: measures.Visor | None = None
    unseen: Sequence[str] = ()


class Row(NamedTuple):
    """One number of the report: its form and explanation. digits: after the decimal point."""

    name: str
    digits: int
    needs: tuple[Need, ...]
    form: str


SEEN, SPOKEN = (Need.CLIP_VISION, Need.PAIR), (Need.CLIP_VISION, Need.CLIP, Need.TARGET)
DETECTED = (Need.DETECTIONS, Need.RELATIONS)
ROWS = {
    "clip_f": Row("CLIP-F", 4, SEEN, "mean cosine of consecutive frames (papers: × 100)"),
    "frame_consistency": Row("Frame consistency", 4, SEEN, "mean cosine of all pairs of frames; never compare to CLIP-F"),
    "clip_t": Row("CLIP-T", 2, SPOKEN, "100 × mean cosine of frame and target text"),
    "frame_acc": Row("Frame-Acc", 3, (*SPOKEN, Need.SOURCE), "share of frames no nearer to the source text than to the target's"),
    "warp_err": Row("Warp-Err", 3, (Need.PAIR,), "100 × mean squared error along the source's flow, where visible"),
    "warp_err_all": Row("Warp-Err, unmasked", 3, (Need.PAIR,), "the same over all pixels, hidden ones too"),
    "warp_err_source": Row("Warp-Err of the source", 3, (Need.PAIR,), "Warp-Err of the source itself: what this flow cannot explain"),
    "pixel_mse": Row("Pixel-MSE", 5, (Need.PAIR,), "squared error along the source's flow, 0 where hidden, mean of all pixels"),
    "q_edit": Row("Q-edit", 2, (*SPOKEN, Need.PAIR), "CLIP-T / Warp-Err"),
    "background_psnr": Row("Background PSNR", 2, (Need.REGIONS, Need.BACKGROUND), "dB against the source, outside all regions"),
    "visor": Row("VISOR", 1, DETECTED, "% of frames that show everything, related as asked (unconditional)"),
    "visor_cond": Row("VISOR, conditional", 1, DETECTED, "the same in % of the frames that show everything"),
    "visor_oa": Row("Object accuracy", 1, DETECTED, "% of frames that show everything; VISOR = conditional × this / 100"),
    "psnr": Row("PSNR", 2, (), "dB against the source, the whole picture: how much the edit changed"),
}  # fmt: skip
BY_FLOW = {"warp_err", "warp_err_all", "warp_err_source", "pixel_mse", "q_edit"}


def numbers(found: Measured) -> dict[str, float]:
    """All numbers by short name, in the form that their row states; NaN where a need is missing."""
    pictures, target, source = found.pictures, found.target, found.source

    def measured(name: str, metric, *embeddings: Tensor | None) -> float:
        return metric(*embeddings) if found.given.issuperset(ROWS[name].needs) else nan

    clip_t, warp_err = measured("clip_t", measures.clip_t, pictures, target), _mean(found.visible)
    return {
        "clip_f": measured("clip_f", measures.clip_f, pictures),
        "frame_consistency": measured("frame_consistency", measures.frame_consistency, pictures),
        "clip_t": clip_t,
        "frame_acc": measured("frame_acc", measures.frame_acc, pictures, target, source),
        "warp_err": warp_err,
        "warp_err_all": _mean(found.everywhere),
        "warp_err_source": _mean(found.floor),
        "pixel_mse": _mean(found.squared),
        "q_edit": measures.q_edit(clip_t, warp_err),
        "background_psnr": found.background[1] if found.background else nan,
        "visor": found.visor.uncond if found.visor else nan,
        "visor_cond": found.visor.cond if found.visor else nan,
        "visor_oa": found.visor.oa if found.visor else nan,
        "psnr": found.whole[1],
    }


def _mean(pairs: Tensor) -> float:
    """Mean of the pairs that have a value; NaN if none has."""
    return float(pairs.double().nanmean()) if len(pairs) else nan


def table(found: Measured, names: Names) -> str:
    """The numbers as a Markdown table: value, form, and what was used to measure, or what is missing."""
    plural = "s" if found.frames > 1 else ""
    heading = f"{found.frames} frame{plural} of {found.width}×{found.height}, pixels 0 to 1"
    lines = [heading, "", "| number | value | form | measured with |", "|---|---|---|---|"]
    for key, value in numbers(found).items():
        row = ROWS[key]
        lines.append(
            f"| {row.name} | {written(value, row.digits)} | {row.form} | {_measured_with(found, key, value, names)} |"
        )
    return "\n".join(lines)


def written(value: float, digits: int) -> str:
    if isnan(value):
        return "–"
    if isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    return f"{value:.{digits}f}"


def _measured_with(found: Measured, key: str, value: float, names: Names) -> str:
    row = ROWS[key]
    missing = [names[need] for need in row.needs if need not in found.given]
    if missing:
        return "needs " + " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    if row.needs == DETECTED:
        return _detected(found.unseen, value)
    if isnan(value):
        return "not defined here: no pixel to compare"
    means = [found.backbone] * (Need.CLIP_VISION in row.needs) + [f"{found.flow}, on the source"] * (key in BY_FLOW)
    if key == "clip_t" and value < ODD:
        halves = f"{names[Need.CLIP]} and {names[Need.CLIP_VISION]}"
        means.append(f"**so low that {halves} are hardly two halves of one CLIP**")
    return "; ".join(means) or "the pixels"


def _detected(unseen: Sequence[str], value: float) -> str:
    means = ["the detections given"]
    if isnan(value):
        means.append("not defined here: no frame shows everything")
    if unseen:
        means.append("**never detected: " + ", ".join(unseen).replace("|", "\\|") + "**")
    return "; ".join(means)


def plot(found: Measured) -> Tensor:
    """The per-frame curves as a picture, (1, H, W, 3) float32; values of a pair stand between its frames."""
    frames = [float(frame) for frame in range(found.frames)]
    between = [frame + 0.5 for frame in frames[:-1]]
    panels = []
    if found.given.issuperset(SEEN):
        cosines = measures.consecutive_cosines(found.pictures).tolist()
        panels.append(
            line_chart.Panel(
                "Consecutive frames (CLIP-F)", [line_chart.Line("edit", line_chart.ORANGE, between, cosines)]
            )
        )
    if found.given.issuperset(SPOKEN):
        texts = {"target text": (line_chart.ORANGE, found.target), "source text": (line_chart.GREY, found.source)}
        lines = [
            line_chart.Line(name, colour, frames, measures.text_scores(found.pictures, text).tolist())
            for name, (colour, text) in texts.items()
            if text is not None
        ]
        panels.append(line_chart.Panel("Likeness to the text (CLIP-T)", lines))
    if between:
        lines = [
            line_chart.Line("edit", line_chart.ORANGE, between, found.visible.tolist()),
            line_chart.Line("edit, unmasked", line_chart.BLUE, between, found.everywhere.tolist()),
            line_chart.Line("source itself", line_chart.GREY, between, found.floor.tolist()),
        ]
        panels.append(line_chart.Panel("Warp-Err along the source's flow", lines, least=0.0))
    lines = (
        [line_chart.Line("outside the regions", line_chart.GREEN, frames, found.background[0])]
        if found.background
        else []
    )
    lines.append(line_chart.Line("whole picture", line_chart.GREY, frames, found.whole[0]))
    same = "infinite: every frame equals the source's"
    panels.append(line_chart.Panel("PSNR against the source, dB", lines, same))
    return line_chart.chart(panels, found.frames)
