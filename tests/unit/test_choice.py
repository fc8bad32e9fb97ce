"""Choices of clusters: how they are written, and the connected parts they can ask for."""

import pytest
import torch

from pack.videograin.core.attention_clusters import ClusterLayout
from pack.videograin.masks.cluster_choice import (
    Pick,
    chosen_mask,
    chosen_tokens,
    connected_part,
    mask_by_colours,
    parse_choice,
    token,
)


def example():
    labels = torch.zeros(2, 4, 4, dtype=torch.long)
    labels[:, :, 2:] = 1
    labels[1, 0, 0] = 2
    return ClusterLayout(labels, ("grass", "", "cat"), 32, 48)


def two_things(frames=5, height=8, width=24):
    """Cluster 1 is two blocks that walk apart: one left, one right; between them they never touch."""
    labels = torch.zeros(frames, height, width, dtype=torch.long)
    for frame in range(frames):
        labels[frame, 2:5, 8 - frame : 11 - frame] = 1
        labels[frame, 3:6, 13 + frame : 16 + frame] = 1
    return ClusterLayout(labels, ("", "dog"), 8 * height, 8 * width)


# ---- the text -------------------------------------------------------------------------------------------------------


def test_numbers_names_and_places():
    assert parse_choice(example(), " 0, cat,", "`clusters`") == [Pick(0), Pick(2)]
    assert parse_choice(example(), "1@(47, 0, 1), 2 @ ( 0,0,1 )", "`clusters`") == [
        Pick(1, (47, 0, 1)),
        Pick(2, (0, 0, 1)),
    ]
    assert parse_choice(example(), "cat@(3,4,1),0", "`clusters`") == [Pick(2, (3, 4, 1)), Pick(0)]


@pytest.mark.parametrize(
    "text, message",
    [
        ("1, 7", r'asks for "7", but the layout has the clusters 0 to 2 and the names grass, cat\.'),
        ("dog", 'asks for "dog"'),
        ("-1", 'asks for "-1"'),
        ("@(1,1,0)", 'asks for ""'),
        (" , ", "`clusters` is empty"),
        ("0@", r'has "0@", but a place is written as @\(x, y, frame\)'),
        ("0@(1,2)", r'has "0@\(1,2\)", but a place is written'),
        ("0@(1,2,-1)", "but a place is written"),
        ("0@(48,0,0)", "lies outside the clip: x goes from 0 to 47, y from 0 to 31 and the frame from 0 to 1"),
        ("0@(0,32,0)", "lies outside the clip"),
        ("0@(0,0,2)", "lies outside the clip"),
        ("0@(0,0,1)", "but cluster 2 is at that place"),
    ],
)
def test_what_cannot_be_meant_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        parse_choice(example(), text, "`clusters`")


def test_every_pixel_belongs_to_the_token_that_covers_it():
    layout = example()
    assert [token(layout, x, 0)[1] for x in (0, 11, 12, 47)] == [0, 0, 1, 3]
    assert [token(layout, 0, y)[0] for y in (0, 7, 8, 31)] == [0, 0, 1, 3]


# ---- connected parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [0, 2, 4])
def test_a_part_is_one_thing_in_every_frame_wherever_it_was_picked(frame):
    layout = two_things()
    inside = layout.labels == 1
    left, right = (connected_part(inside, frame, 4, column) for column in (8 - frame, 15 + frame))
    assert torch.equal(left | right, inside) and not (left & right).any()
    assert left.sum((1, 2)).tolist() == right.sum((1, 2)).tolist() == [9] * 5
    assert left.nonzero()[:, 2].max() < right.nonzero()[:, 2].min()


def test_tokens_that_touch_at_a_corner_are_two_parts():
    inside = torch.tensor([[[1, 0], [0, 1]]], dtype=torch.bool)
    assert connected_part(inside, 0, 0, 0).tolist() == [[[True, False], [False, False]]]


def test_a_thing_hidden_for_a_while_is_found_again():
    layout = two_things(frames=4)
    inside = layout.labels == 1
    inside[2, :, :12] = False  # the left one is hidden in frame 2
    part = connected_part(inside, 0, 3, 8)
    assert part.sum((1, 2)).tolist() == [9, 9, 0, 9]


def test_of_two_parts_that_overlap_the_larger_overlap_wins():
    inside = torch.zeros(2, 3, 9, dtype=torch.bool)
    inside[0, 1, 1:8] = True
    inside[1, 1, 0:3] = inside[1, 1, 5:9] = True  # overlaps of 2 and 3
    assert connected_part(inside, 0, 1, 1)[1].nonzero()[:, 1].tolist() == [5, 6, 7, 8]


def test_a_choice_is_the_union_of_its_picks():
    layout = two_things()
    left, right, both, all_of_it = (
        chosen_tokens(layout, parse_choice(layout, text, "`clusters`"))
        for text in ("dog@(70,30,0)", "1@(108,40,0)", "1@(70,30,0), 1@(108,40,0)", "0, 1")
    )
    assert left.any() and right.any() and not torch.equal(left, right)
    assert torch.equal(both, left | right) and torch.equal(both, layout.labels == 1) and all_of_it.all()


def test_masks_are_at_frame_size():
    layout = two_things()
    mask = chosen_mask(layout, parse_choice(layout, "1@(70,30,0)", "`clusters`"))
    assert mask.shape == (5, 64, 192) and set(mask.unique().tolist()) == {0.0, 1.0}
    assert mask[0, 20:36, 68:84].all() and not mask[0, :, 96:].any()


# ---- outlines by colour ---------------------------------------------------------------------------------------------


def discs():
    """Two discs on a ground, in pixels and in tokens of 8: the layout, the frames, and each disc's true mask."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    truth = torch.stack([(y - 31) ** 2 + (x - middle) ** 2 < 17**2 for middle in (26, 68)])
    colours = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.3, 0.9]])
    picture = torch.full((64, 96, 3), 0.6)
    for mask, colour in zip(truth, colours, strict=True):
        picture = torch.where(mask[..., None], colour, picture)
    covered = torch.nn.functional.avg_pool2d(truth.float()[None], 8)[0]
    labels = torch.where(covered.amax(0) > 0.5, covered.argmax(0) + 1, 0)
    return ClusterLayout(labels[None], ("", "", ""), 64, 96), picture[None], truth


def overlap(mask, truth):
    return float(((mask > 0.5) & truth).sum() / ((mask > 0.5) | truth).sum())


def test_outlines_follow_the_colours_of_the_frames():
    layout, frames, truth = discs()
    for number, wanted in enumerate(truth, 1):
        by_grid = chosen_mask(layout, [Pick(number)])[0]
        by_colours = mask_by_colours(layout, [Pick(number)], frames, lambda _: None)[0]
        assert overlap(by_grid, wanted) < 0.95 < 0.97 < overlap(by_colours, wanted)


def test_masks_by_colours_share_out_the_frame():
    """Every pixel is in one cluster's mask; of several clusters, in the mask of all; and in one of a mask and its inverse."""
    layout, frames, _ = discs()
    done = []
    each = [mask_by_colours(layout, [Pick(number)], frames, lambda _: None) for number in range(3)]
    both = mask_by_colours(layout, [Pick(1), Pick(2)], frames, done.append)
    assert torch.equal(sum(each), torch.ones(1, 64, 96)) and torch.equal(each[1] + each[2], both) and done == [1.0]
    assert torch.equal(1 - both, mask_by_colours(layout, [Pick(1), Pick(2)], frames, lambda _: None, invert=True))
    part = mask_by_colours(layout, [Pick(2, (68, 31, 0))], frames, lambda _: None)
    assert torch.equal(part, each[2])
