"""The table and the plot of Evaluate Edit, from measurements made up for the purpose."""

from itertools import pairwise
from math import inf, isnan, nan, nextafter

import pytest
import torch

from pack.videograin.metrics import measures, report
from pack.videograin.metrics.report import Measured, Need
from pack.videograin.views import line_chart

ALL, NAMES = frozenset(Need), {need: f"`{need.value}`" for need in Need}
PAPER = Measured(
    given=ALL,
    frames=3,
    height=64,
    width=96,
    pictures=torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]]),
    target=torch.tensor([0.28, 0.96]),
    source=torch.tensor([1.0, 0.0]),
    visible=torch.tensor([1.0, 2.0]),
    everywhere=torch.tensor([3.0, 4.0]),
    squared=torch.tensor([0.009, 0.018]),
    floor=torch.tensor([0.5, 0.5]),
    whole=([10.0, 11.0, 12.0], 11.0),
    background=([40.0, inf, 41.0], 42.0),
    backbone="CLIP ViT-L/14, 224 px",
    flow="RAFT large",
    visor=measures.Visor(30.0, 60.0, 50.0),
)


def rows(found: Measured) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in report.table(found, NAMES).splitlines()[4:]]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_every_number():
    clip_t = 100 * (0.28 + 0.28 + 0.28 * 0.6 + 0.96 * 0.8) / 3
    expected = {
        "clip_f": 0.8,
        "frame_consistency": (1 + 0.6 + 0.6) / 3,
        "clip_t": clip_t,
        "frame_acc": 1 / 3,
        "warp_err": 1.5,
        "warp_err_all": 3.5,
        "warp_err_source": 0.5,
        "pixel_mse": 0.0135,
        "q_edit": clip_t / 1.5,
        "background_psnr": 42.0,
        "visor": 30.0,
        "visor_cond": 60.0,
        "visor_oa": 50.0,
        "psnr": 11.0,
    }
    assert report.numbers(PAPER) == pytest.approx(expected)
    assert rows(PAPER)["Q-edit"] == [f"{clip_t / 1.5:.2f}", "CLIP-T / Warp-Err", "CLIP ViT-L/14, 224 px; RAFT large, on the source"]  # fmt: skip
    assert report.table(PAPER, NAMES).startswith("3 frames of 96×64")


@pytest.mark.parametrize(
    "absent, without",
    [
        ({Need.TARGET}, {"CLIP-T", "Frame-Acc", "Q-edit"}),
        ({Need.SOURCE}, {"Frame-Acc"}),
        ({Need.CLIP, Need.CLIP_VISION}, {"CLIP-F", "Frame consistency", "CLIP-T", "Frame-Acc", "Q-edit"}),
        ({Need.BACKGROUND}, {"Background PSNR"}),
        ({Need.RELATIONS}, {"VISOR", "VISOR, conditional", "Object accuracy"}),
    ],
)
def test_what_is_missing_is_named_and_nothing_else_is(absent, without):
    found = PAPER._replace(
        given=ALL - absent,
        pictures=None if Need.CLIP_VISION in absent else PAPER.pictures,
        target=None if {Need.TARGET, Need.CLIP} & absent else PAPER.target,
        source=None if {Need.SOURCE, Need.CLIP} & absent else PAPER.source,
        background=([nan] * 3, nan) if Need.BACKGROUND in absent else PAPER.background,
        visor=None if Need.RELATIONS in absent else PAPER.visor,
    )
    table = rows(found)
    assert {name for name, cells in table.items() if cells[0] == "–"} == without
    for name in without:
        assert table[name][2].startswith("needs ") and any(NAMES[need] in table[name][2] for need in absent)
    assert report.plot(found).shape[1] in (240 * 3, 240 * 4, 240 * 2)


def test_pairs_that_are_all_hidden_are_left_out_of_the_mean():
    found = PAPER._replace(visible=torch.tensor([nan, 2.0]))
    assert report.numbers(found)["warp_err"] == 2
    hidden = PAPER._replace(visible=torch.tensor([nan, nan]))
    assert isnan(report.numbers(hidden)["q_edit"])
    assert rows(hidden)["Warp-Err"][2] == rows(hidden)["Q-edit"][2] == "not defined here: no pixel to compare"


def test_infinite_numbers_keep_their_sign():
    worst = PAPER._replace(whole=([-inf] * 3, -inf), visible=torch.zeros(2), target=torch.tensor([0.0, -1.0]))
    assert rows(worst)["PSNR"][0] == rows(worst)["Q-edit"][0] == "\u2212\u221e"
    assert rows(PAPER._replace(whole=([inf] * 3, inf)))["PSNR"][0] == "\u221e"


def test_the_table_names_what_was_never_detected():
    assert "never" not in rows(PAPER)["VISOR"][2]
    found = PAPER._replace(visor=measures.Visor(0.0, nan, 0.0), unseen=["“cat|hat”", "2 × “car”"])
    line = next(line for line in report.table(found, NAMES).splitlines() if line.startswith("| VISOR |"))
    assert line.endswith(r"the detections given; **never detected: “cat\|hat”, 2 × “car”** |")
    found = found._replace(unseen=["“cat”"])
    assert "no frame shows everything; **never detected: “cat”**" in rows(found)["VISOR, conditional"][2]


def test_halves_of_different_clips_are_doubted():
    assert "hardly two halves" not in rows(PAPER)["CLIP-T"][2]
    stranger = PAPER._replace(target=torch.tensor([0.0, -1.0]))
    assert "hardly two halves of one CLIP" in rows(stranger)["CLIP-T"][2]


@pytest.mark.parametrize(
    "low, high", [(0.0, 1.0), (0.9999, 1.0001), (14.0, 15.9), (1e-5, 3e-5), (-3.0, 120.0), (7.0, 7.1)]
)
def test_ticks_span_the_values_in_round_steps(low, high):
    marks = line_chart.ticks(low, high)
    steps = {round(b - a, 12) for a, b in pairwise(marks)}
    assert marks[0] <= low + 1e-12 and marks[-1] >= high - 1e-12 and 3 <= len(marks) <= 8
    assert len(steps) == 1 and f"{steps.pop():.0e}"[0] in "125"


@pytest.mark.parametrize(
    "values",
    [
        [40.0, nextafter(40.0, inf)],
        [0.99999994, 1.0],
        [1e300, -1e299],
        [1e299, 2.0, nan, inf],
        [1e-320, 0.0],
        [3e-12, 1e-11],
        [-inf, nan],
        [0.0, 0.0],
        [1e308, -1e308],
    ],
)
def test_any_values_can_be_drawn(values):
    line = line_chart.Line("a", line_chart.BLUE, [float(frame) for frame in range(len(values))], values)
    picture = line_chart.chart([line_chart.Panel("t", [line])], len(values))
    assert (len(coloured(picture, line_chart.BLUE)) > 0) == any(abs(value) < 1e301 for value in values)


def test_values_that_differ_by_rounding_are_one_flat_line():
    low, high = line_chart.scale([40.0, nextafter(40.0, inf)])
    assert low == pytest.approx(38) and high == pytest.approx(42)
    low, high = line_chart.scale([40.0, 40.01])
    assert high - low == pytest.approx(0.011)


def test_an_axis_of_what_cannot_be_negative_starts_at_zero():
    assert line_chart.scale([0.1, 8.0]) == (pytest.approx(-0.295), pytest.approx(8.395))
    assert line_chart.scale([0.1, 8.0], least=0.0)[0] == 0 and line_chart.scale([0.0, 0.0], least=0.0) == (0, 1)
    assert line_chart.scale([4.0, 5.0], least=0.0)[0] == pytest.approx(3.95)
    assert line_chart.scale([-2.0, 5.0], least=0.0)[0] == -2  # never above a value


def test_warp_err_is_drawn_from_zero_up(monkeypatch):
    panels = {}
    monkeypatch.setattr(line_chart, "chart", lambda made, frames: panels.update({panel.title: panel for panel in made}))
    report.plot(PAPER)
    assert panels["Warp-Err along the source's flow"].least == 0
    assert panels["Likeness to the text (CLIP-T)"].least == panels["PSNR against the source, dB"].least == -inf


def coloured(picture: torch.Tensor, colour: tuple[int, int, int]) -> torch.Tensor:
    """(y, x) of the pixels that have a colour, below the legend."""
    wanted = torch.tensor(colour) / 255
    found = ((picture[0] - wanted).abs().amax(-1) < 0.02).nonzero()
    return found[found[:, 0] > line_chart.TOP - 2]


def test_a_curve_is_drawn_where_its_values_lie():
    line = line_chart.Line("a", line_chart.BLUE, [0.0, 1.0, 2.0], [0.0, 1.0, 0.0])
    found = coloured(line_chart.chart([line_chart.Panel("t", [line])], 3), line_chart.BLUE)
    left, right = line_chart.LEFT, line_chart.WIDTH - line_chart.RIGHT
    assert abs(found[:, 1].min() - left) <= 4 and abs(found[:, 1].max() - right) <= 4
    top = found[found[:, 0].argmin()]
    assert abs(top[1] - (left + right) / 2) <= 4  # the peak is at frame 1


def test_a_missing_value_is_a_gap():
    line = line_chart.Line("a", line_chart.GREEN, [0.0, 1.0, 2.0, 3.0], [5.0, 5.0, inf, 5.0])
    found = coloured(line_chart.chart([line_chart.Panel("t", [line])], 4), line_chart.GREEN)
    third = (line_chart.WIDTH - line_chart.RIGHT - line_chart.LEFT) / 3
    between = (found[:, 1] > line_chart.LEFT + third + 8) & (found[:, 1] < line_chart.LEFT + 3 * third - 8)
    assert not between.any() and (found[:, 1] > line_chart.LEFT + 3 * third - 5).any()


def test_nothing_finite_says_so():
    def panel(text):
        return line_chart.chart([line_chart.Panel("t", [line_chart.Line("a", line_chart.BLUE, [0.0], [inf])], text)], 1)

    assert len(coloured(panel("equal"), line_chart.BLUE)) == 0
    assert not torch.equal(panel("equal"), panel(""))
