"""Boxes as text, RAD's scores and steps, and what VISOR is computed from."""

from math import isnan

import pytest
import torch
import torch.nn.functional as F

from pack.videograin.core import reatco
from pack.videograin.core.regions import Grid
from pack.videograin.masks.boxes import Box, box_masks, box_regions, moving_box, parse_boxes
from pack.videograin.metrics import measures
from pack.videograin.metrics.visor import counts_of, parse_detections, parse_relations, relations_of, unseen

# ---- boxes ----------------------------------------------------------------------------------------------------------


def test_boxes_are_read_as_they_are_written():
    found = parse_boxes("a cat: 24, 40, 60, 60 @ 0; 90,40.5,60,60 at 7\n\nDog: 1,2,3,4", "`boxes`", 8)
    assert found == {"a cat": [Box(24, 40, 60, 60, 0), Box(90, 40.5, 60, 60, 7)], "Dog": [Box(1, 2, 3, 4)]}
    assert found["Dog"][0].centre == (2.5, 4)


def test_a_number_may_be_written_in_any_usual_way():
    found = parse_boxes("cat: .5, +1, 1e1, 2.E0 @ 0; -.5,-1,1.5e-1,3. at 1", "`boxes`", 8)
    assert found == {"cat": [Box(0.5, 1, 10, 2, 0), Box(-0.5, -1, 0.15, 3, 1)]}


@pytest.mark.parametrize(
    "text, message",
    [
        ("cat: ., 1, 1, 1", "which is no box"),
        ("cat: 1e, 1, 1, 1", "which is no box"),
        ("cat: 1e999, 1, 1, 1", "no picture could show"),
        ("24, 40, 60, 60", "without a name and a colon"),
        ("cat: 24, 40, 60", "“24, 40, 60”, which is no box"),
        ("cat: 24, 40, 60, 60 @ first", "which is no box"),
        ("cat: 93, 287, 0, 10", "width and height"),
        ("cat: 1, 1, 5, 5 @ 8", "numbered 0 to 7"),
        ("cat:  ;", "“cat” no box"),
    ],
)
def test_what_is_no_box_is_named(text, message):
    with pytest.raises(ValueError, match="`boxes`") as error:
        parse_boxes(text, "`boxes`", 8)
    assert message in str(error.value)


def test_a_box_moves_evenly_between_keyframes_and_stays_outside_them():
    path = moving_box([Box(30, 0, 20, 40, 5), Box(10, 0, 10, 20, 1)], 8, "`boxes`")
    assert [box.left for box in path] == [10, 10, 15, 20, 25, 30, 30, 30]
    assert [box.height for box in path] == [20, 20, 25, 30, 35, 40, 40, 40]
    assert len(set(box._replace(frame=0) for box in moving_box([Box(1, 2, 3, 4)], 3, "`boxes`"))) == 1
    with pytest.raises(ValueError, match="two boxes at frame 0"):
        moving_box([Box(1, 2, 3, 4), Box(1, 2, 3, 4, 0)], 3, "`boxes`")


def test_boxes_cover_whole_pixels_inside_the_picture():
    masks = box_masks([Box(1.4, 2, 2.2, 3), Box(-3, -3, 5, 5), Box(50, 0, 5, 5)], 8, 6)
    assert masks[0, 2:5, 1:4].all() and masks[0].sum() == 9
    assert masks[1, :2, :2].all() and masks[1].sum() == 4
    assert masks[2].sum() == 0


def test_things_of_boxes_move_as_regions():
    said = []
    cat, dog = box_regions("cat: 0, 0, 4, 4 at 0; 4, 0, 4, 4 at 2\ndog: 6, 6, 4, 4", (3, 8, 8), "`boxes`", said.append)
    assert (cat.phrase, dog.phrase) == ("cat", "dog")
    assert [int(frame.any(0).float().argmax()) for frame in cat.mask] == [0, 2, 4] and cat.mask.sum() == 3 * 16
    assert dog.mask.shape == (3, 8, 8) and dog.mask.sum() == 3 * 4
    assert len(said) == 1 and "`boxes`: a box of “dog” reaches 2 pixels" in said[0]
    with pytest.raises(ValueError, match="`boxes` put “cat” outside the picture, which is 8×8 pixels"):
        box_regions("cat: 9, 9, 4, 4", (3, 8, 8), "`boxes`", said.append)


# ---- RAD ------------------------------------------------------------------------------------------------------------


def test_word_maps_against_the_released_code_written_out():
    """Drop start and last token, ×100, softmax over the 75 others, a Gaussian of (frame, y, x) with reflection."""
    maps = torch.rand(4, 5, 6, 77, generator=torch.Generator().manual_seed(0)).softmax(-1)
    words = torch.zeros(2, 77, dtype=torch.bool)
    words[0, 2] = words[1, [4, 5]] = True
    ours = reatco.word_maps(maps, words)
    shares = (100 * maps[..., 1:-1]).softmax(-1)
    taps = torch.tensor([0.2119, 0.5761, 0.2119])
    kernel = torch.einsum("i,j,k->ijk", taps, taps, taps)[None, None]
    for found, value in zip(ours, (shares[..., 1], shares[..., [3, 4]].mean(-1)), strict=True):
        padded = F.pad(value[None, None], (1,) * 6, mode="reflect")
        assert torch.allclose(found, F.conv3d(padded, kernel)[0, 0], rtol=1e-3)


def test_of_a_long_prompt_every_chunk_loses_its_start_and_end():
    maps = torch.zeros(1, 1, 1, 154)
    maps[..., [0, 76, 77, 153]] = 1  # what would win the softmax
    maps[..., 80] = 0.5
    words = torch.zeros(1, 154, dtype=torch.bool)
    words[0, 80] = True
    assert reatco.word_maps(maps, words).item() > 0.99


def test_scores_take_a_share_of_each_side_and_skip_frames_without_one():
    values = torch.arange(20.0).view(1, 2, 2, 5)
    inside = torch.zeros(1, 2, 2, 5, dtype=torch.bool)
    inside[0, 0, 0] = True  # 0 … 4 in the first frame, nothing in the second
    inner, outer = reatco.scores(values, inside, 0.4)
    assert inner.item() == (4 + 3) / 2
    assert outer.item() == ((9 + 8) / 2 + (19 + 18 + 17 + 16) / 4) / 2
    assert reatco.scores(values, inside, 0.01)[0].item() == 4  # at least one
    nothing = reatco.scores(values, torch.zeros_like(inside), 0.4)
    assert nothing[0].item() == 1


def test_reference_masks_are_boxes_with_rounded_edges():
    boxes = [Box(93, 287, 176, 130), Box(262, 257, 215, 121)]  # ReAtCo's dolphins, 448×768, maps of 14×24
    masks = box_masks(boxes, 448, 768)[:, None] > 0.5
    found = reatco.token_masks(masks, Grid(1, 14, 24), reatco.REFERENCE)
    expected = torch.zeros(2, 1, 14, 24, dtype=torch.bool)
    expected[0, 0, 9:13, 3:8] = expected[1, 0, 8:12, 8:15] = True
    assert torch.equal(found, expected)
    tiny = torch.zeros(1, 1, 448, 768, dtype=torch.bool)
    tiny[..., 5:9, 5:9] = True
    assert not reatco.token_masks(tiny, Grid(1, 14, 24), reatco.REFERENCE).any()
    assert reatco.token_masks(tiny, Grid(1, 14, 24), reatco.DEFAULT).sum() == 1


def test_the_released_schedule_of_fifty_steps():
    steps = [reatco.step_size(981 - 20 * i, 20.0) for i in range(50)]
    assert torch.allclose(torch.tensor(steps), 20 * torch.linspace(1, 0.5, 50).sqrt(), atol=1e-4)
    assert [round(steps[i], 2) for i in (0, 10, 20, 24)] == [20.0, 18.95, 17.84, 17.38]
    assert reatco.refined_levels([981.0 - 20 * i for i in range(50)]) == {0: 0.05, 10: 0.5, 20: 0.8}
    assert reatco.refined_levels([500.0, 250.0]) == {0: 0.8}
    assert reatco.refined_levels([999.0, 990.0]) == {}
    assert reatco.refined_levels([901.0, 801.0, 701.0, 601.0, 501.0]) == {0: 0.05, 2: 0.5, 4: 0.8}
    assert reatco.refined_levels([999.0, 949.0, 899.0, 849.0, 799.0, 749.0]) == {0: 0.05, 5: 0.5}
    assert reatco.refined_levels([525.0, 475.0, 425.0]) == {}  # begun after all three


def toy_maps(z):
    """A network of one layer: the cross-attention of (F, C, h, w) to a start and three words of a text of 77."""
    keys = torch.randn(5, z.shape[1], generator=torch.Generator().manual_seed(3), dtype=z.dtype) / 10
    maps = torch.einsum("fchw,lc->fhwl", z, keys).softmax(-1)
    return F.pad(maps[..., :-1], (0, 73))


def test_small_steps_raise_the_inner_and_lower_the_outer_score_monotonically():
    z = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    words = torch.zeros(1, 77, dtype=torch.bool)
    words[0, 2] = True
    inside = torch.zeros(1, 3, 8, 8, dtype=torch.bool)
    inside[..., :4] = True
    seen = []
    for _ in range(25):
        z = z.detach().requires_grad_()
        inner, outer = reatco.scores(reatco.word_maps(toy_maps(z), words), inside, 0.2)
        seen.append((inner.item(), outer.item()))
        (gradient,) = torch.autograd.grad(reatco.placing_loss(inner, outer, 1.0), z)
        z = z - 0.2 * gradient
    inner, outer = zip(*seen, strict=True)
    assert list(inner) == sorted(inner) and list(outer) == sorted(outer, reverse=True)
    assert inner[-1] > inner[0] + 0.005 and outer[-1] < outer[0] - 0.005


def test_the_carried_prediction_leads_an_euler_step_where_the_moved_latent_goes():
    generator = torch.Generator().manual_seed(2)
    x, moved, denoised = (torch.randn(2, 4, 3, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    levels = [12.0, 5.0, 2.0, 0.0]
    for sigma, lower in ((12.0, 5.0), (5.0, 2.0), (2.0, 0.0)):
        ours = reatco.carried(denoised, moved, x, sigma, levels)
        step = x + (x - ours) / sigma * (lower - sigma)
        assert torch.allclose(step, moved + (moved - denoised) / sigma * (lower - sigma))
    between = reatco.carried(denoised, moved, x, 5.1, levels) - denoised
    assert between.abs().max() < (moved - x).abs().max()  # near a level it does not explode


# ---- VISOR ----------------------------------------------------------------------------------------------------------


def test_visor_of_known_frames():
    """Right; both there but the wrong way round; one missing; right by one of several pairs."""
    detected = [
        {"cat": [(10, 50)], "dog": [(90, 50)]},
        {"cat": [(90, 50)], "dog": [(10, 50)]},
        {"cat": [(10, 50)]},
        {"cat": [(90, 50), (20, 50)], "dog": [(50, 50)]},
    ]
    found = measures.visor(detected, [[("cat", "left of", "dog")]] * 4)
    assert found == (50, pytest.approx(200 / 3), 75)
    assert found.uncond == pytest.approx(found.cond * found.oa / 100)
    turned = measures.visor(detected, [[("dog", "right of", "cat")]] * 4)
    assert turned == found
    level = measures.visor(detected, [[("cat", "above", "dog")]] * 4)
    assert level == (0, 0, 75)
    nothing = measures.visor([{}, {}], [[("cat", "below", "dog")]] * 2)
    assert nothing.uncond == nothing.oa == 0 and isnan(nothing.cond)
    assert isnan(measures.visor(detected, [[]] * 4).uncond)


def test_every_stated_pair_of_three_must_hold():
    three = {"a": [(0, 0)], "b": [(10, 5)], "c": [(20, 10)]}
    both = [("a", "left of", "b"), ("c", "below", "b")]
    assert measures.visor([three], [both]).uncond == 100
    assert measures.visor([three], [[*both, ("c", "left of", "a")]]) == (0, 0, 100)


def test_detections_and_relations_as_text():
    found = parse_detections("the Cat: 0,0,10,20 @ 0; 4,4,2,2 @ 0\ndog: 1,1,2,2 @ 1", "`detections`", 2)
    assert found == [{"cat": [(5, 10), (5, 5)]}, {"dog": [(2, 2)]}]
    asked = parse_relations("A cat is LEFT OF the dog.\nblue bird above cat\n", "`relations`")
    assert asked == [("cat", "left of", "dog"), ("blue bird", "above", "cat")]
    with pytest.raises(ValueError, match="without a frame"):
        parse_detections("cat: 0,0,10,20", "`detections`", 2)
    with pytest.raises(ValueError, match=r"“cat near dog”.*“left of”"):
        parse_relations("cat near dog", "`relations`")


def test_regions_ask_for_the_relation_they_have_in_each_frame():
    masks = torch.zeros(3, 2, 20, 40, dtype=torch.bool)
    masks[0, :, 5:15, :5] = masks[1, :, 5:15, 30:] = True
    masks[2, 1, :2, 18:22] = True  # in the second frame alone, high above the middle
    first, second = relations_of(masks, ["a cat", "dog", "bird"])
    assert first == [("cat", "left of", "dog")]
    assert second == [("cat", "left of", "dog"), ("cat", "left of", "bird"), ("dog", "right of", "bird")]
    upright = relations_of(masks.transpose(-1, -2), ["a cat", "dog", "bird"])
    assert upright[0] == [("cat", "above", "dog")]


@pytest.mark.parametrize(
    "line, expected",
    [
        ("cat to the left of dog", ("cat", "left of", "dog")),
        ("the cat is to the right of the dog", ("cat", "right of", "dog")),
        ("cats are on the left of an owl", ("cats", "left of", "owl")),
        ("a  black\tcat   left \u00a0 of  the  dog . ", ("black cat", "left of", "dog")),
        ("left chair above left table", ("left chair", "above", "left table")),
        ("a cat with a hat below the dog", ("cat with a hat", "below", "dog")),
    ],
)
def test_a_relation_may_be_said_in_several_ways(line, expected):
    assert parse_relations(line, "`relations`") == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "cat left of dog, bird above cat",
        "cat left of dog; bird above cat",
        "cat is left of dog and above bird",
        "cat and dog left of bird",
        "cat left of dog above bird",
        "cat left of dog. Bird above cat.",
        "cat is not left of dog",
        "left of dog",
        "cat left of",
        "cat under dog",
    ],
)
def test_a_line_that_is_not_one_relation_is_refused(line):
    with pytest.raises(ValueError, match="`relations`") as error:
        parse_relations(f"cat above dog\n{line}", "`relations`")
    assert f"“{line}”" in str(error.value) and "as in “cat left of dog”" in str(error.value)


def test_a_detector_that_found_nothing():
    """Nothing of 100 is right, which is another thing than not having looked."""
    for text in ("none", " None\n", "cat: none", "a cat: None\ndog: none\n"):
        assert parse_detections(text, "`detections`", 2) == [{}, {}]
    assert parse_detections("cat: none\ndog: 1,1,2,2 at 1", "`detections`", 2) == [{}, {"dog": [(2, 2)]}]
    visor = measures.visor(parse_detections("none", "`detections`", 2), [[("cat", "left of", "dog")]] * 2)
    assert visor.uncond == visor.oa == 0
    with pytest.raises(ValueError, match="“none” without a name"):
        parse_detections("none\ndog: 1,1,2,2 at 1", "`detections`", 2)


def test_two_regions_of_one_phrase_want_two_detections():
    masks = torch.zeros(3, 2, 20, 40, dtype=torch.bool)
    masks[0, :, 5:15, :5] = masks[1, :, 5:15, 30:] = masks[2, :, :2, 18:22] = True
    masks[1, 1] = False  # out of sight in the second frame
    names = ["a car", "the car", "bird"]
    asked, counts = relations_of(masks, names), counts_of(masks, names)
    assert asked[0] == [("car", "left of", "car"), ("car", "left of", "bird"), ("car", "right of", "bird")]
    assert asked[1] == [("car", "left of", "bird")] and counts == [{"car": 2, "bird": 1}, {"car": 1, "bird": 1}]
    left, right, bird = (2.0, 10.0), (35.0, 10.0), (20.0, 1.0)
    both, one = {"car": [right, left], "bird": [bird]}, {"car": [left], "bird": [bird]}
    assert measures.visor([both, one], asked, counts) == (100, 100, 100)
    assert measures.visor([one, one], asked, counts) == (50, 100, 50)
    assert measures.visor([{"car": [left, left], "bird": [bird]}, one], asked, counts) == (50, 50, 100)


def test_two_alike_in_a_line_are_two():
    line = parse_relations("car left of car", "`relations`")
    assert measures.visor([{"car": [(1, 1)]}, {"car": [(1, 1), (5, 1)]}], [line] * 2) == (50, 100, 50)


def test_what_was_asked_for_and_never_detected():
    asked = [[("cat with a hat", "left of", "dog"), ("car", "left of", "car")]] * 2
    detected = [{"cat": [(1, 1)], "dog": [(5, 1)], "car": [(1, 1)]}, {"car": [(3, 3)]}]
    assert unseen(detected, asked, [{}, {}]) == ["“cat with a hat”", "2 × “car”"]
    assert unseen([{"cat": [(1, 1)], "dog": [(5, 1)]}], [[("cat", "left of", "dog")]], [{"dog": 2}]) == ["2 × “dog”"]
    assert unseen(detected, [[], []], [{"bird": 1}] * 2) == []
