"""Regions as a node: rows become regions and both prompts, which fit Bind Region Prompts; mistakes name their row."""

import json
import re
from itertools import combinations
from pathlib import Path

import nodes as host
import pytest
import torch

from pack.nodes.demo import DemoClip, LoadDemoModel
from pack.nodes.marks import PointsToRegion
from pack.nodes.regions import BindRegionPrompts
from pack.nodes.rows import Regions
from pack.videograin.comfyui.demo_graph import check
from pack.videograin.comfyui.input_files import DEMO
from pack.videograin.comfyui.prompt_graph import PromptGraph
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.toybox import world
from pack.videograin.toybox.vocabulary import KNOWN, NAMES, draws

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clip():
    return DemoClip.execute("tiger", "frog", "snow", 8, 1.0, 1).result[:3]


@pytest.fixture(autouse=True)
def _host(tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.temp_directory", str(tmp_path))
    monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, "VideoGrainLoadDemoModel", LoadDemoModel)


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
    monkeypatch.setattr("pack.nodes.rows.follow_marks", None)
    with pytest.raises(ValueError, match='Row 1: "a tiger" does not stand in `scene` "a cat"'):
        Regions.execute(clip[0], rows(("a tiger", "", "5, 5, 0")), "a cat")


def test_two_rows_on_one_thing_are_told_and_run(clip, caplog):
    frames, left, _ = clip
    output = Regions.execute(frames, rows(("a tiger",), ("a frog",)), mask_1=left, mask_2=left)
    assert shown(output)["doubles"] == [[1, 2, 1.0]] and "Rows 1 and 2 cover the same pixels (100%)" in caplog.text
    assert len(output.result[0]) == 2


def test_doubtful_frames_name_the_row(clip, caplog):
    frames = clip[0].clone()
    frames[5:] = torch.rand(3, *frames.shape[1:], generator=torch.Generator().manual_seed(0))  # a cut to something else
    Regions.execute(frames, rows(("a tiger", "", around(clip[1]))))
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("Row 1: look at these frames")


def test_only_a_run_with_nothing_marked_is_done_anew_each_time():
    marked = rows(("a tiger", "", "5, 5, 0"))
    changes = [
        [Regions.fingerprint_inputs(rows=[text], frames=(None,), **masks) for _ in range(2)]
        for text, masks in ((marked, {}), ("", {"mask_1": (None,)}), ("", {}), (rows(("a tiger",)), {}), ("{", {}))
    ]
    assert [first == second for first, second in changes] == [True, True, False, False, False]
    assert Regions.fingerprint_inputs(rows=(None,), frames=(None,))  # linked, which only the API can


def graph(**changes):
    """A graph of the demo model; changes: (kind, inputs) by node."""
    made = {
        "model": ("VideoGrainLoadDemoModel", {}),
        "clip": ("VideoGrainDemoClip", {}),
        "rows": ("VideoGrainRegions", {"frames": ["clip", 0]}),
        "sampler": ("KSampler", {"model": ["model", 0]}),
        **changes,
    }
    return PromptGraph({node: {"class_type": kind, "inputs": inputs} for node, (kind, inputs) in made.items()})


def test_what_the_demo_model_cannot_draw_is_told():
    phrases = [(1, "a tiger"), (1, "an Elephant"), (2, "a (cat:1.2) with a hat, in the snow"), (3, "")]
    (said,) = check(graph(), "rows", phrases)
    assert (
        said.startswith("Row 1: the demo model cannot draw “an Elephant”. It knows cat, dog, ") and "Row 2" not in said
    )
    assert check(graph(), "rows", phrases[:1]) == []
    video = ("VideoGrainLoadVideoFrames", {"file": "street.mp4"})
    scaled = {"clip": ("ImageScale", {"image": ["loaded", 0]}), "loaded": video}
    for other in ({"clip": video}, scaled):
        assert "own emoji. A clip of anything else needs" in check(graph(**other), "rows", ())[0]
    ours = ("VideoGrainLoadVideoFrames", {"file": DEMO})
    assert check(graph(clip=ours), "rows", ()) == check(graph(**scaled | {"loaded": ours}), "rows", ()) == []


def test_another_model_may_draw_anything():
    checkpoint = ("CheckpointLoaderSimple", {})
    other = graph(other=checkpoint, lora=("LoraLoader", {"model": ["other", 0]}), clip=("LoadImage", {}))
    assert check(other, "rows", [(1, "an elephant")]) == []
    assert check(graph(sampler=("KSampler", {})), "rows", [(1, "an elephant")]) == []  # nobody reads the demo model
    lora = ("LoraLoader", {"model": ["model", 0]})
    assert check(graph(other=checkpoint, lora=lora), "rows", [(1, "an elephant")])  # the checkpoint is not connected


def test_the_words_are_those_of_the_demo_worlds_captions():
    for names in combinations(world.OBJECTS, 2):
        nouns = [world.Placed(name, 0, 0, 0, worn="sunglasses").noun for name in names]
        assert all(draws(world.caption(nouns, place)) for place in world.PLACES)
    program = (ROOT / "js/demo_words.js").read_text()
    names, joining = (
        re.findall(r"'(\w+)'", program.split(f"{name} = [")[1].split("]")[0]) for name in ("NAMES", "JOINING")
    )
    assert tuple(names) == NAMES and {*names, *joining} == KNOWN
    assert f"DEMO_CLIP = '{DEMO}'" in (ROOT / "js/clip_preview.js").read_text()
    assert not any(map(draws, ("a cats", "an elephant", "a red cat", "\u72fc")))
