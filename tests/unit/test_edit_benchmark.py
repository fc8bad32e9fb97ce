"""The edit benchmark's rows, costs, claims, report and files. No ComfyUI."""

import json
from math import isnan, nan

import numpy as np
import pytest

from pack.benchmarks.edit import claims, pictures, report
from pack.benchmarks.edit.areas import areas, sides_named
from pack.benchmarks.edit.parts import Setup
from pack.benchmarks.edit.rows import HEADLINE, ROWS, STOCK, WORDS_ONLY
from pack.benchmarks.edit.store import Store
from pack.benchmarks.ruler import suite
from pack.benchmarks.ruler.judges import Judges
from pack.benchmarks.ruler.score import standard
from pack.videograin.toybox import tasks
from pack.videograin.toybox.judge import Judge

SETUP = Setup(frames=2)


@pytest.fixture(scope="module")
def examples():
    return {case.kind: suite.example(case, 2) for case in reversed(suite.cases("development"))}


# ---- rows -------------------------------------------------------------------------------------------------------------


def upstream(prompt, name):
    """The names of the nodes that a node depends on, itself included."""
    links = [value[0] for value in prompt[name]["inputs"].values() if isinstance(value, list)]
    return {name}.union(*(upstream(prompt, link) for link in links))


def classes(prompt):
    return {node["class_type"].removeprefix("VideoGrain") for node in prompt.values()}


@pytest.mark.parametrize("kind", tasks.ALL_TASKS)
@pytest.mark.parametrize("row", ROWS)
def test_the_graph_of_every_row_is_whole(examples, row, kind):
    prompt = ROWS[row].graph(examples[kind], SETUP)
    assert json.loads(json.dumps(prompt)) == prompt
    unused = {"negative"} if kind in ("remove", "background", "style") else set()  # of stickers: nothing to draw
    assert prompt.keys() - upstream(prompt, "collect") <= {"loader", *unused}
    ours = classes(prompt) & {"PasteEdit", "STLayoutAttention", "DDIMInversion", "LatentBlend"}
    if row in STOCK:
        assert ours == {"PasteEdit"}
    if row in WORDS_ONLY:
        assert not any("Mask" in name for name in classes(prompt))


def test_drawings_are_made_of_every_new_thing(examples):
    for kind in ("instance", "object", "swap"):
        prompt = STOCK["draw-paste-0.4"].graph(examples[kind], SETUP)
        assert sum(name.startswith("draw ") for name in prompt) == len(examples[kind].task.wishes)


def test_words_alone_name_sides_where_two_things_change(examples):
    assert "on the left" in sides_named(examples["swap"]) and "on the right" in sides_named(examples["instance"])
    assert sides_named(examples["object"]) == examples["object"].task.prompt


def test_one_region_after_the_other_begins_where_the_last_one_ended(examples):
    one = examples["instance"]
    prompt = ROWS["passes"].graph(one, SETUP)
    assert prompt["2 encode"]["inputs"]["pixels"] == ["1 decode", 0]
    assert prompt["1 source prompt"]["inputs"]["text"] == one.shot.caption
    between = prompt["1 bind"]["inputs"]["prompt"]
    assert between == prompt["2 source prompt"]["inputs"]["text"] not in (one.shot.caption, one.task.prompt)
    assert prompt["2 bind"]["inputs"]["prompt"] == one.task.prompt
    assert [prompt[f"{n} blend"]["inputs"]["mask"][0] for n in (1, 2)] == ["mask 0", "mask 1"]
    assert "2 encode" not in ROWS["passes"].graph(examples["object"], SETUP)


def test_noises_change_seeds_and_nothing_else(examples):
    for row in (*STOCK, "default"):
        a, b = (ROWS[row].graph(examples["swap"], SETUP._replace(noise=noise)) for noise in (0, 1))
        changed = {key for node in a for key, value in a[node]["inputs"].items() if value != b[node]["inputs"][key]}
        assert changed <= {"seed", "noise_seed"}


def test_areas_say_what_each_part_is_to_show(examples):
    first, second, *_ = areas(examples["object"])
    assert first.changes and not second.changes and first.word == examples["object"].task.wishes[0].name
    *things, place = areas(examples["background"])
    assert place.is_place and place.changes and not any(area.changes for area in things)
    assert not (place.mask & np.any([area.mask for area in things], 0)).any()


# ---- files ------------------------------------------------------------------------------------------------------------


def test_the_store_gives_back_what_it_kept_and_notices_every_change(examples, tmp_path):
    one, other = examples["instance"], examples["class"]
    prompt = ROWS["regions"].graph(one, SETUP)
    store = Store(tmp_path / "edit", "model")
    key = store.key(one, prompt)
    assert key == store.key(one, json.loads(json.dumps(prompt)))
    asked = one._replace(task=one.task._replace(prompt="something else"))  # of which a drawn truth's graph says nothing
    changed = (store.key(other, prompt), store.key(one, {}), store.key(asked, prompt))
    assert len({key, *changed, Store(tmp_path, "another").key(one, prompt)}) == 5
    assert store.row(key) is None
    store.keep(key, {"seconds": 2.0, "attn_in": nan}, one.shot.frames)
    np.testing.assert_array_equal(store.frames(key), one.shot.frames)
    assert store.row(key)["seconds"] == 2 and isnan(store.row(key)["attn_in"])
    assert not list((tmp_path / "edit").glob("*.part"))
    (tmp_path / "edit" / f"{key}.png").unlink()
    assert store.row(key) is None


@pytest.mark.parametrize("suffix", ["json", "png"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 99, "half"])
def test_a_damaged_edit_is_made_again(examples, tmp_path, capsys, suffix, damage):
    store = Store(tmp_path, "model")
    store.keep("key", {"seconds": 1}, examples["instance"].shot.frames)
    path = tmp_path / f"key.{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "half" else damage)
    assert store.row("key") is None and "is damaged" in capsys.readouterr().err


# ---- claims -----------------------------------------------------------------------------------------------------------


def same(frames):
    return frames


@pytest.fixture(scope="module")
def held():
    case = next(case for case in suite.cases("claims", None, ("swap",)) if not any(case.staging[:2]))
    one = suite.example(case, 3)
    return standard(one.shot, one.task, same, case.seed)


def test_a_relation_is_right_in_the_drawn_truth_and_wrong_in_its_mirror(held):
    judge, drawn = Judge.load(), held.truth.frames
    assert claims.relation(held, drawn, judge) >= 0.6
    assert claims.relation(held, drawn[:, :, ::-1], judge) == 0
    assert claims.relation(held, np.full_like(drawn, 128), judge) == 0


def test_drift_is_what_wanders_and_not_what_is_off(held):
    drawn = held.truth.frames // 2
    ramp = np.arange(3, dtype=np.uint8)[:, None, None, None]
    assert claims.drift(held, held.truth.frames) == 0
    assert claims.drift(held, held.truth.frames.clip(0, 245) + 10) < 3 < claims.drift(held, drawn + 40 * ramp)


def test_every_claim_compares_rows_that_are_there_on_tasks_that_are_there():
    for claim in claims.CLAIMS.values():
        assert {claim.row, claim.against} <= ROWS.keys() and set(claim.kinds) <= set(tasks.ALL_TASKS)
    found = suite.cases("claims", 7, ("style", "swap"))
    assert [case.kind for case in found[:4]] == ["style", "swap"] * 2 and len({case.name for case in found}) == 12


@pytest.mark.parametrize(
    ("gain", "verdict"), [(-2.0, "reproduced"), (2.0, "the other way round"), (0.0, "not told from chance")]
)
def test_a_claim_s_verdict_follows_its_sign(tmp_path, gain, verdict):
    noise = np.random.default_rng(0).normal(0, 0.5, 12)
    noise -= noise.mean()
    pairs = [(5 + gain + float(n), 5.0) for n in noise]
    report.write_claim(tmp_path / "claims", "reatco-irjs", pairs, SETUP)  # less is better
    report.write_claim(tmp_path / "claims", "fatezero-style", pairs, SETUP)
    lines = (tmp_path / "claims.md").read_text().splitlines()
    assert len(lines) == 4 and verdict in lines[-1]
    found = json.loads((tmp_path / "claims.json").read_text())
    assert found["reatco-irjs"]["mean"] == pytest.approx(gain, abs=1e-4)


# ---- the report -------------------------------------------------------------------------------------------------------


def scores(row, number, union, word=0.5):
    names = dict.fromkeys(report.SHOWN, 0.5)
    return {
        **names,
        "case": f"dev-{number}",
        "kind": ("swap", "part")[number % 2],
        "row": row,
        "union": union,
        "word": word,
    }


@pytest.fixture
def found():
    rows = {"draw-paste-0.4": 0.25, "set-mask": 0.25, "truth": 1.0, "default": 0.5}
    words = {"draw-paste-0.4": 0.9}
    return [scores(row, n, mean + 0.01 * (n % 3), words.get(row, 0.5)) for n in range(6) for row, mean in rows.items()]


def test_the_opponent_is_the_best_stock_recipe_of_the_development_clips(found, tmp_path):
    report.write(tmp_path / "edit_quality_development", found, {}, None)
    assert report.opponent(tmp_path) == "draw-paste-0.4"  # both have equal unions; words decide
    with pytest.raises(SystemExit, match="development"):
        report.opponent(tmp_path / "elsewhere")


def test_the_json_has_one_primary_comparison_and_corrects_the_others(found):
    found[0] = {**found[0], "flicker": nan}
    result = report.summary(found, {"split": "test"}, "set-mask")
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["primary"] == {"against": "set-mask", "mean": 0.25, "interval": [0.25, 0.25]}
    assert result["others"].keys() == {"draw-paste-0.4", "truth"}
    assert result["others"]["truth"]["mean"] == pytest.approx(-0.5)
    assert all(other["p_holm"] == pytest.approx(2e-4) for other in result["others"].values())
    assert result["tasks"]["default"].keys() == {"swap", "part"}


def test_the_table_has_every_row_and_a_run_without_ours_has_no_comparison(found):
    lines = report.table(report.summary(found, {}, "set-mask"))
    for row in ("truth", "default", "set-mask"):
        assert sum(HEADLINE[row].label in line and line.startswith("|") for line in lines) == 2
    assert any(line.startswith("Primary: our default against") and "+25.0" in line for line in lines)
    alone = report.summary([one for one in found if one["row"] == "truth"], {}, None)
    assert "primary" not in alone and report.table(alone)


def test_pictures_show_forty_crops_and_every_row(held):
    edits = [(held, held.truth.frames)] * 12
    picture = pictures.crops(edits, Judges.load())
    assert picture.size == (8 * (pictures.CROP + 4), 5 * (pictures.CROP + 32))
    assert len(pictures.chosen(edits)) == pictures.CROPS
    sheet = pictures.sheet({"truth": [held.truth.frames] * 2, "source": [held.shot.frames] * 2}, ["a", "b"])
    assert sheet.width == pictures.LABEL + 2 * (2 * pictures.SIDE + 6)
