"""The edit benchmark's graphs, measures, statistics and files. No ComfyUI."""

import argparse
import json
from dataclasses import replace
from itertools import pairwise
from math import isnan, nan

import numpy as np
import pytest
import torch

from pack.benchmarks.edit import graph, measure, methods, pictures, plan, report, suite
from pack.benchmarks.edit.graph import Setup, edit_graph
from pack.benchmarks.edit.lpips import Lpips
from pack.benchmarks.edit.method import CROSS, DEFAULT, PASTED, ST_LAYOUT, Method
from pack.benchmarks.edit.methods import ABLATIONS, METHODS
from pack.benchmarks.edit.neighbours import NEIGHBOURS
from pack.benchmarks.edit.store import Store
from pack.videograin.core import st_layout
from pack.videograin.toybox import tasks
from pack.videograin.toybox.judge import WORDS, Judge, Reading

SETUP = Setup(frames=2)


@pytest.fixture(scope="module")
def examples():
    cases = {case.kind: case for case in reversed(suite.cases(suite.DEVELOPMENT))}
    return {kind: suite.example(case, 2) for kind, case in cases.items()}


# ---- graphs -----------------------------------------------------------------------------------------------------------


def upstream(prompt, name):
    """The nodes that a node depends on, itself included."""
    found = {name: prompt[name]}
    for value in prompt[name]["inputs"].values():
        if isinstance(value, list):
            found |= upstream(prompt, value[0])
    return found


def classes(prompt):
    return {node["class_type"].removeprefix("VideoGrain") for node in prompt.values()}


@pytest.mark.parametrize("kind", ["part", "background"])
@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_every_graph_is_whole(examples, method, kind):
    for wording in method.wordings:
        prompt = edit_graph(examples[kind], method, wording, SETUP)
        assert json.loads(json.dumps(prompt)) == prompt
        assert prompt["collect"]["class_type"] == "BenchmarkCollect"
        assert upstream(prompt, "collect").keys() == prompt.keys()  # nothing hangs loose, and no link leads nowhere


def test_methods_share_an_inversion_exactly_where_the_same_is_live_in_it(examples):
    found = {}
    for method in METHODS.values():
        for wording in method.wordings:
            prompt = edit_graph(examples["instance"], method, wording, SETUP)
            if "invert" in prompt:
                found.setdefault(method.inverted_with, set()).add(graph.digest(upstream(prompt, "invert")))
    assert all(len(digests) == 1 for digests in found.values())
    # own, first + previous, middle and all frames; flow, clip-wide norm, anchors; own and all frames with ControlNet
    assert len(found) == len(set.union(*found.values())) == 9


def test_baselines_have_words_only_and_ours_has_everything(examples):
    one = examples["object"]
    for method in METHODS.values():
        if method.baseline:
            assert method.wordings == suite.WORDINGS
            prompts = [edit_graph(one, method, wording, SETUP) for wording in method.wordings]
            assert not any(classes(upstream(p, "positive")) & {"RegionPrompt", "BindRegionPrompts"} for p in prompts)
            assert not any(classes(prompt) & {"STLayoutAttention", "LatentBlend"} for prompt in prompts)
            assert prompts[0]["positive"]["inputs"]["text"] != prompts[1]["positive"]["inputs"]["text"]
    ours = edit_graph(one, DEFAULT, "plain", SETUP)
    assert {"FullFrameAttention", "DDIMInversion", "STLayoutAttention", "LatentBlend"} <= classes(ours)
    assert [ours[f"region {k}"]["inputs"]["phrase"] for k in range(2)] == list(one.task.phrases)
    assert ours["edit mask"]["inputs"]["areas"] == "0"  # the first object changes, the second is kept
    assert "region 1" not in edit_graph(one, METHODS["changed_only"], "plain", SETUP)
    assert edit_graph(one, CROSS, "plain", SETUP)["st-layout"]["inputs"]["self_strength"] == 0


def test_another_place_is_a_region_and_the_only_thing_to_change(examples):
    prompt = edit_graph(examples["background"], DEFAULT, "plain", SETUP)
    place = examples["background"].shot.masks.shape[0]
    assert prompt[f"region {place}"]["inputs"]["phrase"] == suite.areas(examples["background"])[place].phrase
    assert prompt["edit mask"]["inputs"]["areas"] == str(place)


def test_equal_settings_give_equal_graphs_and_other_settings_others(examples):
    one = examples["swap"]
    renamed = replace(METHODS["reference"], name="again", label="", st_layout=replace(st_layout.REFERENCE))
    rows = [METHODS["reference"], renamed, ST_LAYOUT, CROSS]
    digests = [graph.digest(edit_graph(one, row, "plain", SETUP)) for row in rows]
    assert digests[0] == digests[1] and len(set(digests)) == 3
    assert graph.digest(edit_graph(one, ST_LAYOUT, "plain", SETUP._replace(steps=21))) != digests[2]


# What each row has besides our default, and what it has not.
ADDED = {
    "flow": {"FlowGuidedAttention"},
    "inject": {"InjectSourceFeatures"},
    "flow_inject": {"FlowGuidedAttention", "InjectSourceFeatures"},
    "clip_norm": set(),
    "default_control": {"BenchmarkControl", "ControlNetApplyAdvanced"},
    "with_self": {"SelfAttentionFusion"},
    "with_cross": {"CrossAttentionFusion"},
    "with_both": {"SelfAttentionFusion", "CrossAttentionFusion"},
    "with_place": {"PlaceObjects"},
    "irjs_fresh": set(),
    "irjs_fixed": set(),
    "progressive": set(),
    "with_anchors": {"AnchorAttention"},
}
# What each system alone has of the nodes that direct an edit; regions of no use to it stand only before the watch.
SYSTEMS = {
    "fz_self": {"SelfAttentionFusion"},
    "fz_outside": {"SelfAttentionFusion"},
    "fz_cross": {"CrossAttentionFusion"},
    "fz_both": {"SelfAttentionFusion", "CrossAttentionFusion"},
    "fatezero": {"SelfAttentionFusion", "CrossAttentionFusion"},
    "place": {"PlaceObjects"},
    "reatco": {"PlaceObjects", "LatentBlend"},
    "via": {"AnchorAttention", "LatentBlend"},
}


def test_each_part_is_added_to_our_default_and_nothing_else_changes(examples):
    """The class task: two objects share their words, and are one to Place Objects."""
    one = examples["class"]
    default = edit_graph(one, DEFAULT, "plain", SETUP)
    graphs = {name: edit_graph(one, METHODS[name], "plain", SETUP) for name in ADDED}
    for name, added in ADDED.items():
        assert classes(graphs[name]) - classes(default) == added, name
        assert classes(default) - classes(graphs[name]) <= {"FullFrameAttention"}, name
        assert METHODS[name].against == "default"
    assert graphs["with_place"]["object 0"]["inputs"]["phrase"] == one.task.phrases[0]
    assert graphs["with_place"]["object mask 0"]["inputs"]["areas"] == "0,1"
    assert graphs["clip_norm"]["full frame"]["inputs"]["clip_norm"] is True
    assert "clip_norm" not in default["full frame"]["inputs"]
    assert graphs["with_anchors"]["own frame"]["inputs"]["key_set"] == "own"  # or ST-Layout would add all frames
    assert "full frame" not in graphs["with_anchors"]
    assert graphs["with_self"]["self fusion"]["inputs"]["where"] == "outside regions"


def test_blends_differ_in_mode_and_source_only(examples):
    names = ("default", "irjs_fresh", "irjs_fixed", "progressive")
    prompts = [edit_graph(examples["object"], METHODS[name], "plain", SETUP) for name in names]
    default, fresh, fixed, progressive = (prompt["blend"]["inputs"] for prompt in prompts)
    assert (fresh["mode"], fresh["noise"], fixed["noise"]) == ("irjs", "fresh", "fixed")
    assert fresh["source"] == ["encode", 0] and "inversion" not in fresh and {**fixed, "noise": "fresh"} == fresh
    assert progressive == {**default, "mode": "progressive"} and default["inversion"] == ["invert", 1]
    for prompt in prompts:  # all from the inverted noise
        assert prompt["sample"]["inputs"]["latent_image"] == ["invert", 0]
        assert prompt["sample"]["inputs"]["add_noise"] == "disable"


def test_other_systems_stand_alone(examples):
    one = examples["swap"]
    for name, parts in SYSTEMS.items():
        method = METHODS[name]
        prompt = edit_graph(one, method, method.wordings[-1], SETUP)
        found = classes(upstream(prompt, "sample"))
        assert not found & {"STLayoutAttention", "FlowGuidedAttention", "InjectSourceFeatures"}
        assert {c for c in found if c.endswith("Fusion")} | found & {
            "PlaceObjects",
            "LatentBlend",
            "AnchorAttention",
        } == parts
        assert method.wordings == (("plain",) if method.place else suite.WORDINGS) and not method.baseline
        assert ("BindRegionPrompts" in classes(upstream(prompt, prompt["sample"]["inputs"]["positive"][0]))) == (
            name == "fz_outside"
        )
    fatezero = edit_graph(one, METHODS["fatezero"], "sides", SETUP)
    assert fatezero["full frame"]["inputs"]["key_set"] == "middle"
    assert fatezero["self fusion"]["inputs"]["words"] == ", ".join(one.shot.names[:2])
    for name in ("self fusion", "cross fusion"):
        assert fatezero[name]["inputs"]["source_prompt"] == one.shot.caption
    assert fatezero["cross fusion"]["inputs"]["prompt"] == suite.wordings(one)["sides"]


def test_old_words_are_those_of_what_changes(examples):
    for kind, one in examples.items():
        prompt = edit_graph(one, METHODS["fatezero"], "plain", SETUP)
        words = prompt["self fusion"]["inputs"]["words"]
        assert all(word in one.shot.caption for word in words.split(", "))
        changed = [name for name in one.shot.names if name in words.split(", ")]
        assert len(changed) == {"background": 0, "part": 1, "object": 1}.get(kind, 2)


def test_the_controlnet_acts_in_the_inversion_and_on_both_prompts_of_the_edit(examples):
    for method in (row for row in NEIGHBOURS if row.control):
        prompt = edit_graph(examples["instance"], method, method.wordings[0], SETUP)
        sampler = prompt["sample"]["inputs"]
        assert (sampler["positive"], sampler["negative"]) == (["edit hints", 0], ["edit hints", 1])
        assert prompt["edit hints"]["inputs"]["negative"] == ["negative", 0]
        assert prompt["edit hints"]["inputs"]["image"] == ["control", 1]
        if "invert" in prompt:
            assert prompt["invert"]["inputs"]["conditioning"] == ["source hints", 0]
        without = edit_graph(examples["instance"], METHODS[method.against], method.wordings[0], SETUP)
        assert prompt.keys() - without.keys() <= {"control", "source hints", "edit hints"}


def test_every_row_is_compared_with_one_on_the_same_clips():
    for rows in (methods.OWN_CHOICES, methods.SYSTEMS):  # CROSS has its partner on the test clips
        names = {method.name for method in (*ABLATIONS, *rows)}
        assert {method.against for method in rows if method.against} <= names
    assert not any(method.against for method in methods.SYSTEMS if method.baseline)


def test_pasting_costs_no_second_sampling(examples):
    prompts = [edit_graph(examples["class"], method, "plain", SETUP) for method in (DEFAULT, PASTED)]
    assert upstream(prompts[0], "sample") == upstream(prompts[1], "sample")
    assert prompts[0].keys() < prompts[1].keys()


# ---- measures ---------------------------------------------------------------------------------------------------------


def area(word, changes=True, is_place=False):
    return suite.Area("", word, np.ones((2, 4, 4), bool), changes, is_place)


def test_accuracy_leak_and_kept_count_region_frames():
    areas = (area("tiger"), area("frog"), area("owl", changes=False))
    seen = [["tiger", "frog"], ["frog", "cow"], ["owl", "tiger"]]
    assert measure.judged_words(areas, seen) == {"edit_acc": 0.5, "leak": 2 / 6, "kept": 0.5, "empty": 0}
    hidden = [["tiger", None], [None, "frog"], ["owl", "owl"]]
    assert measure.judged_words(areas, hidden) == {"edit_acc": 1, "leak": 0, "kept": 1, "empty": 0}
    place = (area("cat", changes=False), area("sea", is_place=True))
    found = measure.judged_words(place, [["cat", "dog"], ["sea", "sand"]])
    assert found == {"edit_acc": 0.5, "leak": 0, "kept": 0.5, "empty": 0}
    assert isnan(measure.judged_words(areas[:2], seen[:2])["kept"])


def test_an_area_that_hardly_shows_anything_is_empty():
    cells = torch.zeros(2, len(WORDS), 1, 1)
    for frame, share in enumerate((0.2, 0.3)):
        cells[frame, WORDS.index("cat")], cells[frame, WORDS.index("snow")] = share, 1 - share
    seen = measure.words_seen((area("cat"),), Reading(cells, torch.zeros(2, 192)))
    assert seen == [[measure.NOTHING, "cat"]]
    assert measure.judged_words((area("cat"),), seen)["empty"] == 0.5


def test_true_flow_warps_the_source_onto_itself():
    one = suite.example(next(case for case in suite.cases(suite.TEST) if case.crossing), 4)
    frames = torch.from_numpy(one.shot.frames).float() / 255
    masked, unmasked = measure.warp_errors(one, frames)
    assert masked < 0.1 and unmasked > 3 * masked  # what is hidden cannot be pulled back
    assert measure.warp_errors(one, frames.flip(0))[0] > 10 * masked


def test_the_judge_s_verdict_on_the_source_and_on_the_ideal_edit(examples):
    judge, one = Judge.load(), examples["instance"]
    ideal = measure.measure(one, suite.ideal(one), judge, None)
    source = measure.measure(one, one.shot.frames, judge, None)
    assert ideal["edit_acc"] == 1 and ideal["leak"] == 0
    assert source["edit_acc"] == 0 and source["background_psnr"] == measure.FINITE
    assert ideal["q_edit_acc"] == pytest.approx(100 / ideal["warp_err"]) and isnan(ideal["background_lpips"])
    assert np.shape(ideal["seen"]) == (len(ideal["asked"]), 2)


def test_lpips_is_nothing_for_equal_pictures_and_grows_with_the_difference():
    shapes = [(8, 3, 3, 3), (6, 8, 3, 3)]
    generator = torch.Generator().manual_seed(0)
    trunk = [
        {"weight": torch.randn(s, generator=generator), "bias": torch.zeros(s[0]), "stride": 1, "padding": 1}
        for s in shapes
    ]
    lines = [torch.rand(1, s[0], 1, 1, generator=generator) for s in shapes]
    lpips = Lpips({"trunk": trunk, "lin": lines, "pool_before": [False, True]})
    a, noise = torch.rand(2, 16, 16, 3, generator=generator), torch.randn(2, 16, 16, 3, generator=generator)
    assert lpips(a, a) == 0
    assert 0 < lpips(a, a + 0.02 * noise) < lpips(a, a + 0.2 * noise) == pytest.approx(lpips(a + 0.2 * noise, a))


# ---- statistics -------------------------------------------------------------------------------------------------------


def row(method, case, acc, wording="plain", **more):
    values = dict.fromkeys((metric.name for metric in report.METRIC_LIST), 0.5)
    about = {"method": method, "case": case, "kind": "swap", "wording": wording, "key": method + case}
    seen = {"asked": [("cat", True), ("dog", False)], "seen": [["cat", "owl"], ["dog", None]]}
    return {**values, **about, **seen, "edit_acc": acc, **more}


ROWS = [
    row("per_frame", "a", 0.2), row("per_frame", "a", 0.4, "sides"), row("per_frame", "b", 0.5, leak=0.9),
    row("full_frame", "a", 0.3), row("full_frame", "b", 0.5, leak=0.1), row("default", "a", 0.9, kept=nan),
    row("default", "b", 0.8, leak=0.0),
]  # fmt: skip


def test_the_better_prompt_and_the_best_baseline_of_each_clip_count():
    best = report.best_wording(ROWS)
    assert best["per_frame"]["a"]["wording"] == "sides"
    baseline = report.best_baseline(best)
    assert baseline["a"]["edit_acc"] == 0.4 and baseline["b"]["method"] == "full_frame"  # less leak, equally right
    mean, low, high = report.paired(best)["edit_acc"]
    assert mean == pytest.approx((0.5 + 0.3) / 2) and low < mean < high
    assert report.paired(best)["leak"][0] == pytest.approx((0.0 - 0.1) / 2)


def test_rows_are_subtracted_from_the_one_they_change_clip_by_clip():
    rows = [row("default", "a", 0.5), row("default", "b", 0.7), row("flow", "a", 0.6), row("flow", "b", 0.6),
            row("flow", "c", 0.0), row("via", "a", 0.1)]  # fmt: skip
    best = report.best_wording(rows)
    found = report.differences(best)
    assert set(found) == {"flow"}  # the default's and VIA's own are not there
    assert found["flow"]["edit_acc"][0] == pytest.approx(0.0) and found["flow"]["peak_mb"][0] == 0
    mean, low, high = found["flow"]["edit_acc"]
    assert low < mean < high
    json_form = report.as_json(best, {}, {})["differences"]["flow"]
    assert json_form["against"] == "default" and {"seconds", "peak_mb", "warp_err"} <= json_form.keys()
    text = report.as_markdown("Title", best, {}, [])
    assert f"| {METHODS['flow'].label} | {METHODS['default'].label} |" in text


def test_the_json_has_the_promised_shape_and_is_valid():
    best = report.best_wording(ROWS)
    found = json.loads(json.dumps(report.as_json(best, best, {"steps": 3}), allow_nan=False))
    names = {"edit_acc", "leak", "kept", "background_psnr", "warp_err", "attn_in"}
    assert all(names <= found["methods"][name].keys() for name in ("default", "per_frame", "full_frame"))
    assert found["methods"]["default"]["edit_acc"] == pytest.approx(0.85)
    assert len(found["paired"]["edit_acc"]) == 3 and found["paired"]["kept"][1:] == [None, None]
    assert found["confusion"]["default"] == {"cat": {"cat": 2, "owl": 2}}
    assert found["development"]["methods"] == found["methods"] and found["setup"] == {"steps": 3}
    assert found["tasks"]["default"]["swap"]["edit_acc"][0] == pytest.approx(0.85)


def test_the_table_has_a_row_for_every_method_in_the_table_s_order():
    text = report.as_markdown("Title", report.best_wording(ROWS), {}, ["note"])
    table = [line for line in text.splitlines() if line.startswith("| ")]
    first = [line.split(" | ")[0].strip("| ") for line in table][1:4]
    assert first == [METHODS[name].label for name in ("per_frame", "full_frame", "default")]
    assert "85.0%" in text and "full_frame (plain) 1×" in text and "cat \u2192 owl 2×" in text


# ---- files ------------------------------------------------------------------------------------------------------------


def test_the_store_gives_back_what_it_kept_and_notices_every_change(examples, tmp_path):
    one, other = examples["instance"], examples["class"]
    prompt = edit_graph(one, DEFAULT, "plain", SETUP)
    store = Store(tmp_path / "edit", "model", "judge")
    key = store.key(one, prompt)
    assert key == store.key(one, json.loads(json.dumps(prompt)))
    changed = (store.key(other, prompt), store.key(one, {}), Store(tmp_path, "another", "judge").key(one, prompt))
    assert len({key, *changed}) == 4
    assert store.row(key) is None
    store.keep(key, {"seconds": 2.0, "measures": {"kept": nan}}, one.shot.frames)
    np.testing.assert_array_equal(store.frames(key), one.shot.frames)
    assert store.row(key)["seconds"] == 2 and isnan(store.row(key)["measures"]["kept"])
    judged_anew = Store(tmp_path / "edit", "model", "stricter").row(key)
    assert judged_anew["measures"] is None and judged_anew["seconds"] == 2
    assert not list((tmp_path / "edit").glob("*.part"))
    (tmp_path / "edit" / f"{key}.png").unlink()
    assert store.row(key) is None


@pytest.mark.parametrize("suffix", ["json", "png"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 99, b"{}", "half"])
def test_a_damaged_edit_is_made_again(examples, tmp_path, capsys, suffix, damage):
    store = Store(tmp_path, "model", "judge")
    store.keep("key", {"measures": {"kept": 1}}, examples["instance"].shot.frames)
    path = tmp_path / f"key.{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "half" else damage)
    assert store.row("key") is None and "is damaged" in capsys.readouterr().err


def test_a_fresh_run_counts_only_what_it_made_itself(examples, tmp_path):
    old, fresh = Store(tmp_path, "model", "judge"), Store(tmp_path, "model", "judge", fresh=True)
    frames = examples["instance"].shot.frames
    for key in ("one", "two"):
        old.keep(key, {"measures": {}}, frames)
    fresh.keep("one", {"measures": {}}, frames)
    assert fresh.row("one") is not None and fresh.row("two") is None and old.row("two") is not None


def test_pictures_show_every_headline_method_and_twenty_crops(examples):
    shown = [examples["instance"], examples["background"]]
    rows = [row("default", one.case.name, 1.0) for one in shown]
    best = report.best_wording(rows)
    frames = dict(zip((r["key"] for r in rows), (one.shot.frames for one in shown), strict=True))
    sheet = pictures.contact_sheet(shown, best, lambda r: frames[r["key"]])
    assert sheet.height > 3 * pictures.SIDE and sheet.width > 6 * pictures.SIDE
    seen = [[area.word] * 2 for area in suite.areas(shown[0])]
    picture = pictures.crops([(shown[0], {"seen": seen}, shown[0].shot.frames)] * 6)
    assert picture.size == (5 * (pictures.CROP + 4), 4 * (pictures.CROP + 20))


# ---- options ----------------------------------------------------------------------------------------------------------


def options(**changes):
    names = ("quick", "gpu", "frames", "steps", "refinements", "methods", "clips")
    return argparse.Namespace(**dict.fromkeys(names) | {"split": "both"} | changes)


def test_what_the_options_mean():
    whole, quick = plan.plan(options()), plan.plan(options(quick=True))
    assert {split: len(cases) for split, (cases, _) in whole.items()} == {"development": 12, "test": 24}
    systems = plan.plan(options(split="systems"))["development"]
    assert {*whole["test"][1], *whole["development"][1], *systems[1]} == set(METHODS.values())
    both = {m.name for m in whole["test"][1]} & {m.name for m in whole["development"][1]}
    assert both == {"cross", "st_layout", "default"}
    assert systems[0] == whole["development"][0][:6] and set(NEIGHBOURS) < set(systems[1])
    assert len({case.kind for case in systems[0]}) == 6  # every task once
    (cases, chosen), setup = quick["development"], plan.setup_of(options(quick=True))
    assert len(cases) == 4 and setup.steps == 12 and {m.name for m in chosen} > {"per_frame", "full_frame", "default"}
    assert plan.setup_of(options(gpu=True))[:2] == (16, 50) and plan.setup_of(options()) == Setup(8, 20, 1)
    assert plan.setup_of(options(split="systems")) == Setup(8, 10, 1)
    assert plan.setup_of(options(split="systems", gpu=True))[:2] == (16, 50)
    assert plan.name_of(options()) == "edit_quality"
    others = [options(quick=True), options(gpu=True), options(gpu=True, split="test"), options(split="test")]
    assert len({"edit_quality", *map(plan.name_of, others)}) == 5
    assert {plan.name_of(options(**{name: 0})) for name in ("refinements", "clips")} == {"edit_quality_partial"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": "magic"}, "there is no magic"),
        ({"methods": ""}, "there is no "),
        ({"methods": "sdedit", "split": "development"}, "none of sdedit belongs to these clips"),
        ({"clips": 0}, "--clips: 0 is too few; 1 or more"),
        ({"clips": -1}, "--clips: -1 is too few"),
        ({"refinements": -1}, "--refinements: -1 is too few; 0 or more"),
        ({"quick": True, "split": "test"}, "--quick has clips of its own"),
    ],
)
def test_options_that_make_no_sense_are_told(changes, message):
    with pytest.raises(SystemExit, match=message):
        plan.plan(options(**changes))


def test_jobs_go_clip_by_clip_and_the_paste_follows_its_edit():
    cases = suite.cases(suite.DEVELOPMENT)[:2]
    made = plan.jobs(cases, METHODS.values())
    assert [job.case.name for job in made] == sorted(job.case.name for job in made)
    first = [(job.method.name, job.wording) for job in made if job.case == cases[0]]
    assert first.index(("default", "plain")) < first.index(("pasted", "plain"))
    assert {("sdedit", "sides"), ("per_frame", "sides"), ("full_frame", "sides")} <= set(first)
    key_sets = [METHODS[name].key_set for name, _ in first]
    assert sum(a != b for a, b in pairwise(key_sets)) == len(set(key_sets)) - 1
    inversions = [METHODS[name].inverted_with for name, _ in first]
    assert sum(a != b for a, b in pairwise(inversions)) == len(set(inversions)) - 1
    assert all(isinstance(job.method, Method) and job.case.kind in tasks.TASKS for job in made)
