"""Regions as a node: rows become regions and both prompts, which fit Bind Region Prompts; mistakes name their row."""

import json

import pytest
import torch

from pack.nodes.demo import DemoClip, LoadDemoModel
from pack.nodes.marks import PointsToRegion
from pack.nodes.regions import BindRegionPrompts
from pack.nodes.rows import Regions
from pack.videograin.core.phrase_tokens import KEY

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def clip():
    return DemoClip.execute("tiger", "frog", "snow", 8, 1.0, 1).result[:3]


@pytest.fixture(autouse=True)
def _pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.temp_directory", str(tmp_path))


def around(mask):
    rows, columns = (mask[0].any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return f"box {columns[0] - 3}, {rows[0] - 3}, {columns[-1] + 3}, {rows[-1] + 3}, 0"


def rows(*entries):
    return json.dumps([dict(zip(("is", "becomes", "marks"), entry, strict=False)) for entry in entries])


def shown(output):
    return json.loads(output.ui["videograin"][0])


def test_rows_become_what_bind_region_prompts_takes(clip):
    frames, left, right = clip
    text = rows(("a tiger", "a panda", around(left)), ("a frog", "", around(right)))
    output = Regions.execute(frames, text, "a tiger and a frog in snow")
    regions, source, edited = output.result
    assert source == "a tiger and a frog in snow" and edited == "a panda and a frog in snow"
    assert [region.phrase for region in regions] == ["a panda", "a frog"]
    for region, marked in zip(regions, (left, right), strict=True):
        assert torch.equal(region.mask, PointsToRegion.execute(frames, around(marked)).result[0])
    _, text_encoder, _ = LoadDemoModel.execute().result[:3]
    (entry, *_), prompt, _ = BindRegionPrompts.execute(text_encoder, edited, regions).result
    assert prompt == edited and entry[1][KEY].tokens.any(1).all()
    assert shown(output)["marks"] == [around(left), around(right)] and len(shown(output)["pictures"]) == 8


def test_a_connected_mask_stands_for_the_marks(clip):
    frames, left, right = clip
    regions = Regions.execute(
        frames, rows(("a tiger", "a panda"), (), ("a frog",)), mask_1=left[:1], mask_3=right
    ).result[0]
    assert torch.equal(regions[0].mask, left[:1]) and torch.equal(regions[1].mask, right)


@pytest.mark.parametrize("text", ["", rows((), ()), rows(("a tiger", "a panda"), ())])
def test_a_first_look_shows_the_clip_and_stops_what_follows(clip, text):
    output = Regions.execute(clip[0], text)
    assert output.block_execution.startswith("Row 1: the thing is not marked") and output.result == (None, None, None)
    assert len(shown(output)["pictures"]) == 8


@pytest.mark.parametrize(
    ("text", "masks", "message"),
    [
        ("{}", {}, "Regions' `rows` is no list of rows: it is {}"),
        (rows(("a tiger", "", "5, 5, 0"), ("", "a cat")), {}, "Row 2: `is` is empty"),
        (rows(("a tiger", "", "5, 5, 0"), ("a frog", "a cat")), {}, "Row 2: the thing is not marked"),
        (rows(("a tiger", "", "5, 5, 9")), {}, 'Row 1: "5, 5, 9" lies outside the clip'),
        (rows(("a tiger", "", "not 5, 5, 0")), {}, "Row 1: nothing was found at its marks"),
        (rows(("a tiger",)), {"mask_2": torch.ones(1, 9, 9)}, "Row 2: Regions' `mask_2` is connected, but there are 1"),
        (rows(("a tiger",)), {"mask_1": torch.ones(3, 9, 9)}, "Row 1: `mask_1` has 3 masks, but the clip 8 frames"),
        (rows(("a tiger",)), {"mask_1": torch.zeros(1, 9, 9)}, "Row 1: `mask_1` is empty"),
    ],
)
def test_mistakes_name_the_row(clip, text, masks, message):
    with pytest.raises(ValueError, match=message):
        Regions.execute(clip[0], text, **masks)


def test_a_word_that_is_not_in_the_scene_is_told_before_anything_is_tracked(clip, monkeypatch):
    monkeypatch.setattr("pack.nodes.rows.follow", None)
    with pytest.raises(ValueError, match='Row 1: "a tiger" does not stand in `scene` "a cat"'):
        Regions.execute(clip[0], rows(("a tiger", "", "5, 5, 0")), "a cat")


def test_two_rows_on_one_thing_are_told_and_run(clip, caplog):
    frames, left, _ = clip
    output = Regions.execute(frames, rows(("a tiger",), ("a frog",)), mask_1=left, mask_2=left)
    assert shown(output)["doubles"] == [[1, 2, 1.0]] and "rows 1 and 2" in caplog.text
    assert len(output.result[0]) == 2
