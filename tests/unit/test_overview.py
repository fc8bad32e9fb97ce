"""The overview of regions: what it says of masks and words, and its picture."""

import pytest
import torch

from pack.videograin.core.frame_numbers import frames_text, parse_frames, runs
from pack.videograin.core.phrase_search import closest
from pack.videograin.core.regions import Region
from pack.videograin.views.palette import shades
from pack.videograin.views.region_report import (
    extent,
    look,
    lost_frames,
    phrase_spans,
    pieces,
)
from pack.videograin.views.region_sheet import MARGIN, WIDTH, overview_data, overview_picture, shown_frames, strip

SIZE = 64


def box(left, right, top=16, bottom=48, frames=4):
    mask = torch.zeros(frames, SIZE, SIZE)
    mask[:, top:bottom, left:right] = 1
    return mask


def told(marks):
    return [str(mark) for mark in marks]


# ---- masks ----------------------------------------------------------------------------------------------------------


def test_clean_regions_have_areas_and_no_marks():
    found = look((Region(box(0, 16), "a cat"), Region(box(32, 64), "a dog")), "a cat and a dog", "a cat and a dog")
    assert [finding.marks for finding in found.findings] == [[], []]
    assert [finding.area for finding in found.findings] == [[0.125] * 4, [0.25] * 4]
    assert told(found.marks) == ["62% of the clip belongs to no region."]


def test_gaps_are_told_by_their_frames():
    mask = box(0, 16)
    mask[1:3] = 0
    (found,) = look((Region(mask, "cat"),), "cat", "cat").findings
    assert told(found.marks) == ["is empty in frames 1 to 2"] and found.area == [0.125, 0, 0, 0.125]


@pytest.mark.parametrize(
    "sizes, frames, resized",
    [
        (((48, 48), (96, 96)), None, {0: ("48×48", "96×96")}),
        (((96, 96), (96, 128)), None, {0: ("96×96", "128×96")}),
        (((48, 48), (48, 48)), (96, 96), {0: ("48×48", "96×96"), 1: ("48×48", "96×96")}),
        (((96, 96), (96, 96)), (96, 128), {0: ("96×96", "128×96"), 1: ("96×96", "128×96")}),
        (((120, 176), (127, 181)), (127, 181), {}),  # one as VAE Encode cuts it
        (((127, 181), (120, 176)), (120, 176), {}),
    ],
)
def test_masks_that_are_resized_are_told(sizes, frames, resized):
    regions = tuple(Region(torch.ones(1, *size), word) for size, word in zip(sizes, ("cat", "dog"), strict=True))
    found = look(regions, "cat dog", "cat dog", frames).findings
    told = {number: mark.values for number, one in enumerate(found) for mark in one.marks if mark.key == "size"}
    assert told == {number: {"size": own, "expected": theirs} for number, (own, theirs) in resized.items()}


def test_an_extent_holds_a_region_wherever_it_goes():
    moving = torch.stack([box(8, 16, 16, 24)[0], box(24, 48, 8, 20)[0]]) > 0.5
    assert extent(moving) == [8 / SIZE, 8 / SIZE, 48 / SIZE, 24 / SIZE]
    assert extent(torch.zeros(2, 4, 4, dtype=torch.bool)) == [0, 0, 1, 1]


def test_overlaps_are_told_on_both_sides_but_shared_edges_are_not():
    there = box(0, 32)
    there[0] = 0
    one, two, three = (Region(mask, name) for mask, name in ((there, "a"), (box(24, 48), "b"), (box(48, 64), "c")))
    found = look((one, two, three), "a b c", "a b c").findings
    assert told(found[0].marks)[1:] == ["overlaps region 2 in frames 1 to 3, by up to 33% of the smaller"]
    assert told(found[1].marks) == ["overlaps region 1 in frames 1 to 3, by up to 33% of the smaller"]
    assert found[2].marks == []


@pytest.mark.parametrize("side, lost", [(16, [1]), (8, [1, 2])])
def test_what_covers_half_of_no_token_vanishes_there(side, lost):
    mask = torch.zeros(4, SIZE, SIZE, dtype=torch.bool)
    mask[1, 0:2, 0:3] = True  # of a token of 4 × 4 pixels, 6 of 16
    mask[2, 8:12, 8:12] = True  # a whole token of 4 × 4, a quarter of one of 8 × 8
    mask[3, 0:16, 0:16] = True
    assert lost_frames(mask, side) == lost
    (found,) = look((Region(mask.float(), "x"),), "x", "x").findings
    assert any(
        f"vanishes at {side} by {side} tokens in {frames_text(runs(lost))}" in mark for mark in told(found.marks)
    )


def test_grids_keep_the_shape_of_the_frame():
    wide = torch.zeros(1, 32, 64, dtype=torch.bool)
    wide[0, :8, :8] = True  # one token of 8 × 4
    assert lost_frames(wide, 8) == []


def test_one_mask_stands_for_all_frames_and_another_number_of_frames_is_told():
    regions = (Region(box(0, 8, frames=1), "a"), Region(box(8, 16, frames=4), "b"), Region(box(16, 24, frames=3), "c"))
    found = look(regions, "a b c", "a b c").findings
    assert found[0].area == [0.0625] * 4 and found[0].marks == []
    assert told(found[2].marks)[0] == "has masks for 3 frames, another region for 4"
    assert "is empty in frame 3" in told(found[2].marks)


def test_masks_of_different_sizes_are_compared_at_the_larger():
    small = torch.zeros(4, SIZE // 2, SIZE // 2)
    small[:, 8:24, 0:8] = 1
    found = look((Region(small, "a"), Region(box(0, 16), "b")), "a b", "a b").findings
    assert found[0].area == found[1].area and "by up to 100%" in told(found[0].marks)[0]


def test_frames_in_words():
    assert [frames_text(runs(frames)) for frames in ([3], [0, 1], [1, 2, 3, 7, 9, 10])] == [
        "frame 3",
        "frames 0 to 1",
        "frames 1 to 3, 7, 9 to 10",
    ]


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt, phrases, expected",
    [
        ("a Cat and a dog", ["a cat", "a dog"], ["a Cat", "a dog"]),
        ("a cat, a cat", ["a cat", "a cat", "a cat"], ["a cat", "a cat", None]),
        ("a caterpillar and a cat", ["a cat"], ["a cat"]),
        (
            "a (red:1.3) panda, a ((big) frog:0.8)",
            ["a red panda", "a big frog"],
            ["a (red:1.3) panda", "a ((big) frog"],
        ),
        ("x (y.*)", ["y.*", ".*"], ["y.*", None]),
        ("an <img> tag", ["<img>"], ["<img>"]),
        ("nothing", ["", "some"], [None, None]),
        ("a firetruck and a truck", ["truck"], ["truck"]),
        ("a (fire:1.2)truck, (big)(bear:1.1)", ["big bear"], ["big)(bear"]),
        ("redpanda", ["red panda"], [None]),
        (r"a \(big\) bear", ["a (big) bear"], [r"a \(big\) bear"]),
        ("a (big) bear (1.5:1.5)1.5", ["a (big) bear", "1.5", "1.5"], ["a (big) bear", "1.5", "1.5"]),
        ("a [bear], b", ["a [bear]"], ["a [bear]"]),
        ("a cafe\u0301 and a caf\u00e9s", ["caf\u00e9"], ["cafe\u0301"]),
    ],
)
def test_phrases_are_found_as_the_text_encoder_finds_them(prompt, phrases, expected):
    spans = phrase_spans(prompt, phrases)
    assert [span and prompt[slice(*span)] for span in spans] == expected
    assert "".join(text for text, _ in pieces(prompt, spans)) == prompt


def test_the_underline_is_where_the_phrase_is_bound():
    assert phrase_spans("a firetruck and a truck", ["truck"]) == [(18, 23)]
    assert phrase_spans("a swordsman and a man", ["man", "a"]) == [(18, 21), (0, 1)]


@pytest.mark.parametrize(
    "prompt, signs", [("a (cat", "("), ("a cat) and (a dog)", ")("), ("(a (cat:1.2)", "("), ("a \\(cat", "")]
)
def test_a_bracket_without_its_other_half_is_told(prompt, signs):
    told_of = [mark.values["sign"] for mark in look((), prompt, prompt).marks]
    assert told_of == list(signs)
    if signs:
        assert str(look((), prompt, prompt).marks[0]).startswith(
            f"The prompt has a “{signs[0]}” without its other half"
        )


def test_appended_phrases_are_told_with_the_closest_words():
    regions = (Region(box(0, 16), "a brown bear"), Region(box(32, 64), "\u03a9"), Region(box(16, 32)))
    found = look(regions, "a brown pear on a plate", "a brown pear on a plate, a brown bear, \u03a9").findings
    assert told(found[0].marks) == ["was not in the prompt and was appended; the closest there is “a brown pear”"]
    assert told(found[1].marks) == ["was not in the prompt and was appended"]
    assert told(found[2].marks) == ["has no words of its own"]


def test_frames_from_words():
    assert parse_frames("", "`frames`", 3) == () and parse_frames(" 40, 0;95\n40", "`frames`", 3) == (0, 40, 95)
    with pytest.raises(ValueError, match="`frames` has “-1”, which is no frame number"):
        parse_frames("0, -1", "`frames`", 3)
    with pytest.raises(ValueError, match=r"`frames` names 4 frames.* at most 3"):
        parse_frames("0 1 2 3", "`frames`", 3)


def test_closest_words():
    assert closest("polar bear", "two polar bares in snow") == "polar bares"
    assert closest("spiderman", "a spider-man runs") == "spider-man"
    assert closest("castle", "wolf") is None and closest("castle", "") is None
    assert closest("a panda", "a bear and a frog in the snow") is None  # and not “bear and a”
    assert closest("a frog", "a bear and frogs") == "frogs"  # and not “and frogs”
    assert closest("The Bear", "a bear and a frog") == "a bear"


# ---- the picture ----------------------------------------------------------------------------------------------------


def test_the_picture_shows_masks_in_their_colours():
    regions = (Region(box(0, 24, frames=9), "a cat"), Region(box(40, 64, frames=9), "a dog"))
    found = look(regions, "a cat and a dog", "a cat and a dog")
    frames = torch.zeros(9, SIZE, SIZE, 3)
    top = strip(found, frames)
    assert (shown_frames(9)[0], shown_frames(9)[-1], len(shown_frames(9))) == (0, 8, 6)
    tile = (WIDTH - 2 * MARGIN - 12) // 3
    assert top.shape == (1, 2 * tile + 6, 3 * tile + 12, 3)
    for region, column in enumerate((tile // 8, tile - tile // 8)):  # away from number and edge
        expected = 0.55 * torch.tensor(shades(2)[region]) / 255
        assert torch.allclose(top[0, tile // 3, column], expected, atol=0.01)
    picture = overview_picture(found, top)
    assert picture.shape[0] == 1 and picture.shape[2:] == (WIDTH, 3) and 0 <= picture.min() and picture.max() <= 1
    assert torch.equal(picture[0, MARGIN:, MARGIN:][: top.shape[1], : top.shape[2]], top[0])
    for colour in shades(2):  # swatches, underlines and curves below the strip
        below = picture[0, MARGIN + top.shape[1] :]
        assert (below - torch.tensor(colour) / 255).abs().amax(-1).lt(0.01).sum() > 100


@pytest.mark.parametrize("frames", [None, torch.rand(1, 20, 90, 3), torch.rand(30, 90, 20, 4)])
@pytest.mark.parametrize("count", [0, 1, 12])
def test_any_number_of_regions_and_any_shape_of_frames(frames, count):
    words = [f"thing{number}" for number in range(count)]
    regions = tuple(Region(box(4 * number, 4 * number + 12), word) for number, word in enumerate(words))
    prompt = " ".join(words) + " and a very long word: " + "m" * 200
    found = look(regions, prompt, prompt)
    picture = overview_picture(found, strip(found, frames))
    assert picture.shape[2] == WIDTH and len(found.findings) == count


def test_the_web_page_gets_the_same_as_data():
    found = overview_data(look((Region(box(0, 32), "a"), Region(box(32, 64))), "a b", "a b"))
    assert found["prompt"] == [("a", 0), (" b", None)] and [mark["key"] for mark in found["marks"]] == ["free"]
    first, second = found["regions"]
    assert first["box"] == [0.0, 0.25, 0.5, 0.75] and first["colour"] == shades(2)[0]
    assert second["phrase"] == "" and second["marks"] == [{"key": "wordless", "values": {}}]
