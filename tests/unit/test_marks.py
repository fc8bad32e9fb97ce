"""Marks as text; and a marked thing cut out and followed, against the demo's true masks."""

import pytest
import torch

from pack.videograin.core.optical_flow import dis_flow
from pack.videograin.masks.grabcut import Mark, follow, parse_marks
from pack.videograin.toybox.clips import clip


def test_marks_are_read():
    text = "310, 200, 0; not 50,60 , 3;\nbox 10, 20, 30, 40, 7"
    assert parse_marks(text, 8, 256, 512) == [
        Mark("", (310, 200), 0),
        Mark("not", (50, 60), 3),
        Mark("box", (10, 20, 30, 40), 7),
    ]
    assert parse_marks(" ;\n", 8, 256, 512) == []


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
    true = torch.from_numpy(true)
    return float((found & true).sum() / (found | true).sum())


def box_around(mask, frame, margin=4):
    rows, columns = (torch.from_numpy(mask[frame]).any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    edges = columns[0] - margin, rows[0] - margin, columns[-1] + margin, rows[-1] + margin
    return Mark("box", tuple(max(0, min(191, edge)) for edge in edges), frame)


@pytest.mark.parametrize("seed", range(3))
def test_a_box_around_a_thing_follows_it_through_the_clip(seed):
    shot, frames, flow = example(seed=seed)
    for mask in shot.masks:
        found = follow(frames, [box_around(mask, 3)], flow)
        assert found.shape == mask.shape and agreement(found, mask) > 0.85
        assert min(agreement(one, true) for one, true in zip(found, mask, strict=True)) > 0.75


def test_points_alone_find_a_thing():
    shot, frames, flow = example(names=("apple", "pumpkin"))
    y, x = (int(c) for c in torch.from_numpy(shot.masks[0][0]).nonzero().float().mean(0))
    found = follow(frames, [Mark("", (x, y), 0), Mark("", (x, y + 12), 0)], flow)
    assert agreement(found, shot.masks[0]) > 0.75


def test_a_point_beside_keeps_something_out():
    """Two discs of one colour in one box: a “not” on the second leaves the first."""
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    one, other = (x - 30) ** 2 + (y - 48) ** 2 < 200, (x - 70) ** 2 + (y - 48) ** 2 < 200
    generator = torch.Generator().manual_seed(0)
    picture = torch.where((one | other)[..., None], torch.tensor([0.9, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.8]))
    frames = (picture + 0.03 * torch.randn(96, 96, 3, generator=generator)).clamp(0, 1)[None]
    box = Mark("box", (8, 28, 90, 68), 0)
    both = follow(frames, [box], None)[0]
    assert both[48, 30] and both[48, 70]
    first = follow(frames, [box, *(Mark("not", (70 + d, 48 + e), 0) for d in (-9, 0, 9) for e in (-9, 0, 9))], None)[0]
    assert first[48, 30] and not first[48, 70]


def test_a_frame_with_marks_of_its_own_is_drawn_from_them():
    shot, frames, flow = example()
    marks = [box_around(shot.masks[0], 0), box_around(shot.masks[1], 7)]
    found = follow(frames, marks, flow)
    assert agreement(found[:1], shot.masks[0][:1]) > 0.8 and agreement(found[7:], shot.masks[1][7:]) > 0.8
    assert agreement(found[:4], shot.masks[0][:4]) > 0.75 and agreement(found[4:], shot.masks[1][4:]) > 0.75


def test_the_same_marks_give_the_same_mask():
    shot, frames, flow = example()
    marks = [box_around(shot.masks[0], 0)]
    assert torch.equal(follow(frames[:3], marks, flow), follow(frames[:3], marks, flow))


def test_marks_that_cover_everything_or_nothing_do_not_stop_the_program():
    frames = torch.rand(2, 40, 40, 3, generator=torch.Generator().manual_seed(0))
    still = lambda now, before: torch.zeros(40, 40, 2)  # noqa: E731
    assert follow(frames, [Mark("box", (0, 0, 39, 39), 0)], still).shape == (2, 40, 40)
    assert follow(frames, [Mark("box", (5, 5, 5, 5), 0)], still).shape == (2, 40, 40)
