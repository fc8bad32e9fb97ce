"""The speed benchmark's arithmetic, its page, and that what it times computes the same thing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pack.benchmarks.timing import attention, machine, page, rows
from pack.benchmarks.timing.rows import DENSE, GROUPED, OURS, SDPA

CPU, CARD = "x86_64 CPU, 2 cores", "NVIDIA H200"
CELL = torch.device("cpu")


def test_attention_rows_are_medians_ratios_and_shares():
    times = {SDPA: [1.0, 9.0, 1.2], OURS: [1.8, 1.5, 30.0], DENSE: [6.0, 9.0, 12.0]}
    found = {r["case"]: r for r in rows.attention_rows({"tokens": 4096}, times, {SDPA: 40, OURS: 58, DENSE: 840}, 120)}
    assert found[OURS]["seconds"] == 1.8 and found[OURS]["ratio_to_sdpa"] == pytest.approx(1.5)
    assert found[OURS]["dense_over_ours"] == 5.0 and found[OURS]["extra_memory"] == pytest.approx(0.15)
    assert found[SDPA]["extra_memory"] == 0 and "dense_over_ours" not in found[SDPA]


def test_attention_rows_without_the_dense_recipe():
    found = rows.attention_rows({}, {SDPA: [1.0], OURS: [2.0]}, {SDPA: 1, OURS: 2}, 10)
    assert [r["case"] for r in found] == [SDPA, OURS] and "dense_over_ours" not in found[1]


def steps(peaks):
    return [
        {"bench": "network", "device": CPU, "case": mode, "frames": frames, "seconds": frames * cost, "peak_mb": peak}
        for mode, cost in zip(rows.MODES, (1.0, 1.2, 1.5), strict=True)
        for frames, peak in peaks.items()
    ]


def test_network_rows_compare_with_steps_of_as_many_frames():
    last = rows.network_rows(steps({4: 100, 8: 140}))[-1]
    assert last["ratio_to_sdpa"] == pytest.approx(1.25) and last["ratio_to_per_frame"] == pytest.approx(1.5)


def test_long_clips_are_compared_by_seconds_a_frame_with_one_chunk():
    clip = {"bench": "long", "peak_mb": 1.0}
    found = rows.long_rows([{**clip, "frames": 16, "seconds": 8.0}, {**clip, "frames": 40, "seconds": 30.0}])
    assert [row["seconds_per_frame"] for row in found] == [0.5, 0.75]
    assert [row["ratio_to_one_chunk"] for row in found] == [1.0, 1.5]


def test_a_step_measured_several_times_is_its_middle_one():
    one = {"bench": "network", "case": rows.FULL_FRAME, "frames": 4}
    turns = [{**one, "seconds": seconds, "peak_mb": peak} for seconds, peak in ((2.0, 100), (9.0, 130), (3.0, 110))]
    (row,) = rows.network_rows(turns)
    assert (row["seconds"], row["peak_mb"], row["turns"]) == (3.0, 110, 3) and row["spread"] == pytest.approx(7 / 3)


@pytest.mark.parametrize(
    "peaks,rate", [({4: 100, 8: 140, 16: 220}, 1.0), ({4: 100, 8: 140, 16: 300}, 2.0), ({4: 1}, None)]
)
def test_growth_is_one_where_memory_grows_linearly(peaks, rate):
    assert rows.growth(steps(peaks), rows.ST_LAYOUT) == (None if rate is None else pytest.approx(rate))


def test_profile_shares_sum_to_one_and_parts_to_their_node():
    nodes = {"load": 1.0, "tiny": 0.001, "edit": 9.0}
    found = rows.profile_rows({}, nodes, {"edit": 3}, {("edit", "attention"): 6.0, ("edit", "network"): 2.0})
    assert sum(r["share"] for r in found) == pytest.approx(1)
    edit = {r["case"]: r for r in found if r["case"].startswith("edit")}
    assert edit["edit: everything else"]["seconds"] == pytest.approx(1.0)
    assert edit["edit: attention"]["seconds_per_step"] == pytest.approx(2.0)
    assert any(r["case"] == "1 other nodes" for r in found)


def test_rows_measured_again_replace_those_of_their_device_only():
    old = [{"bench": "toy", "device": CPU, "case": "old"}, {"bench": "attention", "device": CARD, "case": "card"}]
    new = [{"bench": "toy", "device": CPU, "case": "new"}]
    assert [r["case"] for r in rows.merged(old, new)] == ["card", "new"]


def test_every_row_has_the_same_fields():
    found = [
        *rows.attention_rows({"tokens": 4096, "d": 80}, {SDPA: [1.0], OURS: [2.0]}, {SDPA: 1, OURS: 2}, 10),
        *rows.network_rows(steps({4: 100})),
        *rows.profile_rows({"frames": 8, "peak_mb": 9.0}, {"edit": 1.0}, {"edit": 3}, {}),
    ]
    named = {"bench", "device", "seconds", "ratio_to_sdpa", "dense_over_ours", "extra_memory", "peak_mb"}
    for row in (rows.complete(row, CPU) for row in found):
        assert named <= set(row) and row["device"] == CPU and row["seconds"] > 0
        assert ("tokens" in row) == (row["bench"] == "attention") != ("frames" in row)
    assert rows.complete(found[1], CPU)["ratio_to_sdpa"] == 2 and rows.complete(found[-1], CPU)["extra_memory"] is None


def test_the_page_says_what_is_unmeasured():
    row = {"bench": "attention", "device": CPU, "tokens": 16384, "case": OURS, "seconds": 1.5, "ratio_to_sdpa": 1.7}
    text = page.page([row, *rows.network_rows(steps({4: 100, 8: 140, 16: 220}))])
    assert text.count(page.UNMEASURED) == 4  # attention, network, whole edit, following
    assert "| 16,384 | – | – | ST-Layout | 1.70 | – | – | – |" in text
    assert "ST-Layout 1.00" in text and "nan" not in text
    assert json.loads(json.dumps(row)) == row
    everywhere = [{**row, "bench": bench, "device": CARD, "frames": 8, "peak_mb": 1.0} for bench in page.SECTIONS]
    assert page.UNMEASURED not in page.page(everywhere)


def test_what_is_timed_computes_the_same():
    found = attention.forms(attention.problem(240, 80, torch.float32, CELL), CELL)
    ours, grouped, dense, plain = (found[form]() for form in (OURS, GROUPED, DENSE, SDPA))
    assert torch.allclose(ours, dense, atol=2e-5) and not torch.allclose(ours, plain, atol=1e-2)
    assert torch.allclose(grouped, dense, atol=2e-5)


def test_times_has_a_time_for_every_turn():
    times = attention.times(128, 40, "float32", 2, CELL)
    assert {form: len(taken) for form, taken in times.items()} == dict.fromkeys(rows.FORMS, 2)


@pytest.mark.skipif(not machine.FORGET.exists(), reason="peaks of a CPU process need Linux")
def test_peak_sees_what_a_call_held_and_gave_back():
    _, extra = machine.peak_mb(lambda: torch.ones(64 * 2**18).sum(), CELL)
    assert 60 < extra < 90  # 64 MiB


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "options,told",
    [
        ((), "name ComfyUI's folder"),
        (("--tree", "{folder}"), "is no folder of ComfyUI's"),
        (("--tree", "{tree}", "--only", "end to end", "--device", "cpu"), "measures nothing on cpu"),
        (("--tree", "{tree}", "--device", "cpu"), "is damaged"),
    ],
)
def test_what_cannot_be_measured_is_said_before_it_is_tried(tmp_path, options, told):
    """In a copy of the script's folder, so that no result of anyone's is touched."""
    (tmp_path / "tree" / "comfy").mkdir(parents=True)
    ours, bench = tmp_path / "pack", tmp_path / "pack" / "benchmarks"
    bench.mkdir(parents=True)
    for part in {*ROOT.iterdir(), *(ROOT / "benchmarks").iterdir()} - {ROOT / "benchmarks"}:
        if part.name not in ("out", "speed.py"):
            (ours / part.relative_to(ROOT)).symlink_to(part)
    script = Path(shutil.copy(ROOT / "benchmarks" / "speed.py", bench))
    (bench / "out").mkdir()
    (bench / "out" / "speed.json").write_text("[]" if "--only" in options else '[{"bench": "att')
    given = [text.format(folder=tmp_path, tree=tmp_path / "tree") for text in options]
    clean = {name: value for name, value in os.environ.items() if name != "VIDEOGRAIN_COMFYUI_TREE"}
    done = subprocess.run([sys.executable, script, *given], capture_output=True, text=True, env=clean)
    assert done.returncode and told in done.stderr and "Traceback" not in done.stderr
