"""Marks as text; and a marked thing cut out and followed, against the demo's true masks."""

import math

import pytest
import torch

from pack.videograin.core.optical_flow import dis_flow
from pack.videograin.masks.box_path import boxes_between
from pack.videograin.masks.doubts import EMPTY, LARGER, SMALLER, UNSURE, best_frame, doubts, told
from pack.videograin.masks.grabcut import follow
from pack.videograin.masks.marks import Mark, parse_marks
from pack.videograin.toybox.clips import clip


def test_marks_are_read():
    text = "310, 200, 0; not 50,60 , 3;\nbox 10, 20, 30, 40, 7"
    assert parse_marks(text, 8, 256, 512) == [
        Mark("", (310, 200), 0),
        Mark("not", (50, 60), 3),
        Mark("box", (10, 20, 30, 40), 7),
    ]
    assert parse_marks(" ;\n", 8, 256, 512) == []
    assert parse_marks("brush 10, 20, 300, 40, 12, 7; erase 5,6, 1, 0", 8, 256, 512) == [
        Mark("brush", (10, 20, 300, 40), 7, 12),
        Mark("erase", (5, 6), 0, 1),
    ]


@pytest.mark.parametrize(
    "text,message",
    [
        ("310, 200", '"310, 200" is no mark'),
        ("box 1, 2, 3, 4", "is no mark"),
        ("no 1, 2, 3", "is no mark"),
        ("-5, 2, 3", "is no mark"),
        ("512, 2, 3", "outside the clip: x goes from 0 to 511, y from 0 to 255, the frame from 0 to 7"),
        ("1, 256, 3", "outside the clip"),
        ("1, 2, 8", "outside the clip"),
        ("box 1, 2, 3, 256, 0", "outside the clip"),
        ("brush 1, 2, 3", "is no mark.*a stroke “brush x, y, x, y, …, radius, frame”"),
        ("erase 1, 2, 3, 4, 5", "is no mark"),
        ("brush 1, 2, 9, 8", "outside the clip"),
        ("brush 1, 2, 512, 2, 9, 0", "outside the clip"),
        ("brush 1, 2, 0, 0", "has the radius 0, but it must be from 1 to 512"),
        ("erase 1, 2, 513, 0", "has the radius 513"),
        (f"brush {'1, ' * 101}1, 2, 9", 'brush 1, 1, 1.*…" lies outside'),
    ],
)
def test_what_is_no_mark_is_told(text, message):
    with pytest.raises(ValueError, match=message):
        parse_marks(text, 8, 256, 512)


def example(names=("tiger", "frog"), place="snow", seed=0):
    shot = clip(names, place, 8, 1.5, seed)
    frames = torch.from_numpy(shot.frames).float() / 255
    return shot, frames, lambda now, before: dis_flow(frames[now], frames[before])


def agreement(found, true):
    true = torch.as_tensor(true)
    return float((found & true).sum() / (found | true).sum())


def box_around(mask, frame, margin=4):
    rows, columns = (torch.from_numpy(mask[frame]).any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    edges = columns[0] - margin, rows[0] - margin, columns[-1] + margin, rows[-1] + margin
    return Mark("box", tuple(max(0, min(191, edge)) for edge in edges), frame)


def points_on(mask, frame):
    y, x = (int(c) for c in torch.from_numpy(mask[frame]).nonzero().float().mean(0))
    return Mark("", (x, y), frame), Mark("", (x, y + 12), frame)


@pytest.mark.parametrize("seed", range(3))
def test_a_box_around_a_thing_follows_it_through_the_clip(seed):
    shot, frames, flow = example(seed=seed)
    for mask in shot.masks:
        found, doubtful = follow(frames, [box_around(mask, 3)], flow)
        assert not doubtful
        assert found.shape == mask.shape and agreement(found, mask) > 0.85
        assert min(agreement(one, true) for one, true in zip(found, mask, strict=True)) > 0.75


def test_points_alone_find_a_thing():
    shot, frames, flow = example(names=("apple", "pumpkin"))
    found = follow(frames, points_on(shot.masks[0], 0), flow).masks
    assert agreement(found, shot.masks[0]) > 0.75


def test_a_point_beside_keeps_something_out():
    """Two discs of one colour in one box: a “not” on the second leaves the first."""
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    one, other = (x - 30) ** 2 + (y - 48) ** 2 < 200, (x - 70) ** 2 + (y - 48) ** 2 < 200
    generator = torch.Generator().manual_seed(0)
    picture = torch.where((one | other)[..., None], torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.8]))
    frames = (picture + 0.03 * torch.randn(96, 96, 3, generator=generator)).clamp(0, 1)[None]
    box = Mark("box", (8, 28, 90, 68), 0)
    both = follow(frames, [box], None).masks[0]
    assert both[48, 30] and both[48, 70]
    first = follow(
        frames, [box, *(Mark("not", (70 + d, 48 + e), 0) for d in (-9, 0, 9) for e in (-9, 0, 9))], None
    ).masks[0]
    assert first[48, 30] and not first[48, 70]


def test_a_frame_with_marks_of_its_own_is_drawn_from_them():
    shot, frames, flow = example()
    marks = [box_around(shot.masks[0], 0), *points_on(shot.masks[1], 7)]
    found = follow(frames, marks, flow).masks
    assert agreement(found[:1], shot.masks[0][:1]) > 0.8 and agreement(found[7:], shot.masks[1][7:]) > 0.8
    assert agreement(found[:4], shot.masks[0][:4]) > 0.75 and agreement(found[4:], shot.masks[1][4:]) > 0.75


def test_the_same_marks_give_the_same_mask():
    shot, frames, flow = example()
    marks = [box_around(shot.masks[0], 0)]
    assert torch.equal(follow(frames[:3], marks, flow).masks, follow(frames[:3], marks, flow).masks)


def test_marks_that_cover_everything_or_nothing_do_not_stop_the_program():
    frames = torch.rand(2, 40, 40, 3, generator=torch.Generator().manual_seed(0))
    still = lambda now, before: torch.zeros(40, 40, 2)  # noqa: E731
    assert follow(frames, [Mark("box", (0, 0, 39, 39), 0)], still).masks.shape == (2, 40, 40)
    assert follow(frames, [Mark("box", (5, 5, 5, 5), 0)], still).masks.shape == (2, 40, 40)


def staged(places, frames=16, side=128, wall=None, ground=(0.1, 0.2, 0.4)):
    """A red striped disc over blue-green texture; places: its middle (x, y) by frame. wall: a second red thing, (H, W) bool.

    Returns the frames, the disc's masks and the flow between frames.
    """
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    ground = torch.tensor(ground) + 0.06 * torch.randn(side, side, 3, generator=generator)
    red = torch.tensor([0.8, 0.25, 0.2])
    if wall is not None:
        ground[wall] = (red + 0.06 * torch.randn(side, side, 1, generator=generator))[wall]
    skin = red + 0.06 * torch.randn(side, side, 1, generator=generator)
    pictures, masks = [], []
    for cx, cy in (places(frame) for frame in range(frames)):
        mask = (x - cx) ** 2 + (y - cy) ** 2 < 20**2
        moved = skin.roll((round(cy), round(cx)), (0, 1))
        pictures.append(torch.where(mask[..., None], moved, ground).clamp(0, 1))
        masks.append(mask)
    shown = torch.stack(pictures)
    return shown, torch.stack(masks).numpy(), lambda now, before: dis_flow(shown[now], shown[before])


def bobbing(frame):
    return 30 + 3 * frame, 50 + 28 * math.sin(math.pi * frame / 23)


def test_between_two_boxes_each_frame_is_cut_anew_where_the_thing_went():
    """Its way is no straight line: half-way an even box would be 28 pixels off."""
    frames, true, flow = staged(bobbing, 24)
    ends = [box_around(true, frame, 0) for frame in (0, 23)]
    for box in boxes_between(ends, (128, 128), flow):
        away = [abs(a - b) for a, b in zip(box.place, box_around(true, box.frame, 0).place, strict=True)]
        assert max(away) < 8, box
    found, doubtful = follow(frames, ends, flow)
    assert not doubtful and min(map(agreement, found, true)) > 0.9


def test_a_thing_hidden_for_a_while_comes_back_between_boxes():
    """Behind a wall flow loses it; the boxes go on evenly, and the frames after it have it again."""
    frames, true, _ = staged(lambda frame: (24 + 5 * frame, 64))
    frames[:, :, 45:80], true[:, :, 45:80] = torch.tensor([0.9, 0.9, 0.2]), False
    flow = lambda now, before: dis_flow(frames[now], frames[before])  # noqa: E731
    found = follow(frames, [box_around(true, 0, 0), box_around(true, 15, 0)], flow).masks
    assert min(map(agreement, found[13:], true[13:])) > 0.85


def test_boxes_between():
    still = lambda now, then: torch.zeros(60, 80, 2)  # noqa: E731
    first, last = Mark("box", (0, 0, 10, 10), 0), Mark("box", (30, 50, 20, 40), 4)  # the second drawn from its right
    even = [Mark("box", (5, 10, 15, 20), 1), Mark("box", (10, 20, 20, 30), 2), Mark("box", (15, 30, 25, 40), 3)]
    assert boxes_between([last, first], (60, 80), still) == even
    assert boxes_between([first, Mark("box", (30, 50, 20, 40), 1)], (60, 80), still) == []
    assert boxes_between([first, Mark("", (5, 5), 4)], (60, 80), still) == []
    on_it, elsewhere = Mark("", (12, 22), 2), Mark("", (60, 22), 2)
    assert boxes_between([first, last, on_it], (60, 80), still) == even
    assert [box.frame for box in boxes_between([first, last, elsewhere], (60, 80), still)] == [1, 3]
    assert boxes_between([first, last, last], (60, 80), still) == []  # of one thing or of two: not said


def test_two_boxes_in_a_frame_keep_to_their_things_whatever_their_order():
    still = lambda now, then: torch.zeros(60, 80, 2)  # noqa: E731
    left, right = (2, 2, 12, 12), (50, 30, 70, 50)
    marks = [Mark("box", left, 0), Mark("box", right, 0), Mark("box", right, 2), Mark("box", left, 2)]
    assert boxes_between(marks, (60, 80), still) == [Mark("box", left, 1), Mark("box", right, 1)]


def test_a_not_in_the_middle_of_a_box_says_that_the_thing_lies_around_it():
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    away = (x - 48) ** 2 + (y - 48) ** 2
    ring = (away < 36**2) & (away > 22**2)
    generator = torch.Generator().manual_seed(0)
    picture = torch.where(ring[..., None], torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.8]))
    frames = (picture + 0.03 * torch.randn(96, 96, 3, generator=generator)).clamp(0, 1)[None]
    marks = [Mark("box", (12, 12, 84, 84), 0), Mark("not", (48, 48), 0)]
    assert agreement(follow(frames, marks, None).masks, ring[None].numpy()) > 0.95


def test_a_leak_onto_a_like_coloured_neighbour_is_named():
    """The disc runs into a bar of its own colour and stands there."""
    wall = torch.zeros(160, 160, dtype=torch.bool)
    wall[48:80, 88:] = True
    frames, true, flow = staged(lambda frame: (min(40 + 4 * frame, 76), 64), 28, 160, wall, (0.2, 0.45, 0.6))
    found, doubtful = follow(frames, [box_around(true, 0, 0)], flow)
    right = list(map(agreement, found, true))
    assert {kind for kind, _ in doubtful.values()} == {LARGER} and max(doubtful) == 27
    assert all(right[frame] < 0.75 for frame in doubtful) and all(
        right[frame] > 0.5 for frame in set(range(28)) - set(doubtful)
    )
    assert best_frame(doubtful) in range(18, 25)


def test_a_thing_that_leaves_is_named():
    frames, true, flow = staged(lambda frame: (70 + 5 * frame, 64), 20)
    found, doubtful = follow(frames, [box_around(true, 0, 0)], flow)
    gone = [frame for frame in range(20) if not true[frame].any()]
    assert gone and all(doubtful[frame][0] == EMPTY and not found[frame].any() for frame in gone)
    assert {kind for frame, (kind, _) in doubtful.items() if frame not in gone} == {SMALLER} and min(doubtful) > 8


def test_what_is_painted_is_the_mask_and_is_followed():
    shot, frames, flow = example()
    true = torch.from_numpy(shot.masks[0])
    y, x = (axis.float().mean().item() for axis in true[0].nonzero(as_tuple=True))
    stroke = Mark("brush", (int(x) - 12, int(y), int(x) + 12, int(y)), 0, 18)
    found = follow(frames, [stroke], flow).masks
    rows, columns = torch.meshgrid(torch.arange(192), torch.arange(192), indexing="ij")
    beside = ((columns - int(x)).abs() - 12).clamp(min=0)
    drawn = beside.square() + (rows - int(y)).square() <= 18**2
    assert agreement(found[0], drawn) > 0.95 and agreement(found[0], true[0]) < 0.95  # no GrabCut there
    right = list(map(agreement, found, true))
    assert min(right[1:]) > right[0] - 0.1  # followed


def test_strokes_change_a_cut_in_their_order():
    shot, frames, flow = example()
    box = box_around(shot.masks[0], 0)
    cut = follow(frames[:2], [box], flow).masks
    left, top, right, bottom = box.place
    all_of_it, spot = Mark("erase", (left, top, right, bottom), 0, 150), Mark("brush", (150, 20), 0, 5)
    more = follow(frames[:2], [box, spot], flow).masks
    assert more[0, 20, 150] and torch.equal(more[0] & ~cut[0], more[0] & (torch.arange(192) > 140))
    assert not follow(frames[:2], [spot, box, all_of_it], flow).masks.any()
    only = follow(frames[:2], [all_of_it, box, spot], flow).masks  # the spot came after
    assert only[0, 20, 150] and not (only[0] & cut[0]).any()
    later = follow(frames[:2], [box, Mark("erase", (0, 0, 191, 191), 1, 192)], flow).masks
    assert torch.equal(later[0], cut[0]) and not later[1].any()
    assert not follow(frames[:2], [all_of_it], flow).masks.any()  # nothing is marked


def test_a_painted_frame_between_two_boxes_has_no_box_of_its_own():
    shot, frames, flow = example()
    ends = [box_around(shot.masks[0], 0), box_around(shot.masks[0], 4)]
    found = follow(frames[:5], [*ends, Mark("brush", (180, 180), 2, 4)], flow).masks
    assert found[2].sum() < 100 and found[2, 180, 180] and found[1].sum() > 500


def areas(*pixels):
    masks = torch.zeros(len(pixels), 10, 10, dtype=torch.bool)
    for mask, count in zip(masks, pixels, strict=True):
        mask.view(-1)[:count] = True
    return masks.numpy()


def test_areas_are_held_against_the_marked_frames():
    kinds = lambda masks, marked, unclear=(): {f: kind for f, (kind, _) in doubts(masks, marked, dict(unclear)).items()}  # noqa: E731
    assert kinds(areas(20, 29, 31, 14, 13, 0), [0]) == {2: LARGER, 4: SMALLER, 5: EMPTY}
    assert kinds(areas(20, 40, 60, 80), [0, 3]) == {}  # it grows evenly between two marked frames
    assert kinds(areas(20, 20, 20), [0], {1: 0.4, 2: 0.6}.items()) == {2: UNSURE}
    assert kinds(areas(0, 0), [0]) == {0: EMPTY, 1: EMPTY}  # nothing to hold the areas against
    assert kinds(areas(0, 20, 50), [0, 1]) == {0: EMPTY, 2: LARGER}


def test_doubts_are_told_with_the_frame_to_mark():
    found = {
        1: (LARGER, 1.1),
        4: (LARGER, 2.0),
        5: (LARGER, 1.4),
        6: (EMPTY, math.inf),
        7: (EMPTY, math.inf),
        8: (UNSURE, 1.1),
    }
    assert told(found, 10, "Points to Region") == (
        "Points to Region: look at these frames. 6–7: the mask is empty (right if the thing is out of sight). 1, 4–5: much larger "
        "than where it is marked, it may have leaked. 8: the motion is unclear, it may have slipped off. Another mark helps most in "
        "frame 6 (“7 / 10” below the picture)."
    )
    assert best_frame({2: (LARGER, 1.1), 5: (SMALLER, 3.0)}) == 5  # the worst of lone ones
    many = told({frame: (LARGER, 1.1) for frame in range(0, 30, 2)}, 30, "Row 1")
    assert many.startswith("Row 1: look at these frames")
    assert "0, 2, 4, 6, 8, 10 and 9 more:" in many
