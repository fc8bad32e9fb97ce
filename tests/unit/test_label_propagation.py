"""Labels carried between frames, on features whose answer is known; the edges they take; what is said of them."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from pack.videograin.core.label_propagation import Reference, Settings, propagate, shares, taken
from pack.videograin.masks.guided_filter import guided
from pack.videograin.masks.track_report import report

SIDE, FRAMES = 12, 9
GROUND, FIRST, SECOND = torch.eye(3, 8)


def scene(first, second):
    """Keys (F, n, C) and the true owner of each token, (F, SIDE, SIDE). A thing is a 3×3 square at a column, or None."""
    keys, owner = [], torch.full((FRAMES, SIDE, SIDE), 2)
    for frame, columns in enumerate(zip(first, second, strict=True)):
        grid = GROUND.repeat(SIDE, SIDE, 1)
        for label, (column, look) in enumerate(zip(columns, (FIRST, SECOND), strict=True)):
            if column is not None:
                grid[4:7, column : column + 3] = look
                owner[frame, 4:7, column : column + 3] = label
        noise = 0.05 * torch.randn(grid.shape, generator=torch.Generator().manual_seed(frame))
        keys.append(F.normalize(grid + noise, dim=-1).flatten(0, 1))
    return torch.stack(keys), owner


def carried(keys, owner, marked=(0,), settings=None):
    masks = torch.stack([owner == k for k in (0, 1)])
    known = {frame: shares(masks[:, frame], SIDE, SIDE) for frame in marked}
    found = {each.frame: each for each in propagate(keys, known, settings)}
    assert sorted([*found, *marked]) == list(range(len(keys)))
    return found


@pytest.mark.parametrize("recent", [0, 3])
def test_two_that_cross_keep_their_labels(recent):
    keys, owner = scene(range(9), range(8, -1, -1))
    found = carried(keys, owner, settings=Settings(recent=recent))
    for frame, each in found.items():
        assert torch.equal(each.labels.argmax(1).view(SIDE, SIDE), owner[frame])
        assert torch.allclose(each.labels.sum(1), torch.ones(SIDE**2), atol=1e-5)


def test_a_thing_that_was_hidden_is_found_where_it_comes_back():
    """Far from where it was last seen, and sure before and after; while it is hidden, nothing is taken for it."""
    keys, owner = scene([0, 1, None, None, None, None, 9, 8, 8], [5] * 9)
    found = carried(keys, owner)
    for frame, each in found.items():
        assert torch.equal(each.labels.argmax(1).view(SIDE, SIDE), owner[frame])
        assert each.confidence[0] > 0.9 if (owner[frame] == 0).any() else each.confidence[0] < 0.1
        assert each.confidence[1] > 0.9


def test_labels_go_both_ways_from_every_marked_frame():
    """A thing that is first seen in the last frame is found in those before it that show it."""
    keys, owner = scene([None, None, None, 4, 5, 6, 7, 8, 8], range(8, -1, -1))
    found = carried(keys, owner, marked=(0, 8))
    assert all((found[frame].labels.argmax(1).view(SIDE, SIDE) == owner[frame]).all() for frame in range(1, 8))


def test_a_thing_whose_looks_change_is_followed_by_what_is_remembered():
    """At the end it is unlike the marked frame and like the ground; every step on the way is a small one."""
    keys, owner = scene([4] * 9, [None] * 9)
    for frame, share in enumerate(torch.linspace(0, 1.2, FRAMES)):
        keys[frame][(owner[frame] == 0).flatten()] = FIRST * torch.cos(share) + GROUND * torch.sin(share)
    alone, chained = (carried(keys, owner, settings=Settings(recent=recent))[8] for recent in (0, 2))
    assert not torch.equal(alone.labels.argmax(1).view(SIDE, SIDE), owner[8])
    assert torch.equal(chained.labels.argmax(1).view(SIDE, SIDE), owner[8])


def test_an_unsure_frame_is_not_remembered():
    keys, owner = scene([0, 1, 2, 3, 4, 5, 6, 7, 8], [None] * 9)
    keys[4:] = GROUND  # the thing is lost, and what is there is nobody's
    asked = []

    def settle(frame, labels):
        asked.append(frame)
        return torch.tensor([1.0, 0.0]).expand_as(labels) if frame == 4 else labels  # a leak over all of it

    known = {0: shares((owner == 0)[:1], SIDE, SIDE)}
    strict, lax = (
        {e.frame: e for e in propagate(keys, known, Settings(sure=s, handicap=0.0), settle)} for s in (0.65, 0.0)
    )
    assert asked == [*range(1, 9)] * 2
    assert strict[3].confidence[0] > 0.9 > 0.5 > strict[5].confidence[0]
    assert strict[8].labels[:, 0].sum() < 1 < lax[8].labels[:, 0].sum()


def test_no_tensor_is_of_all_tokens_with_all_tokens():
    """Nor one that grows with the square of the frames: the largest one made is as large for 40 frames as for 10."""

    class Largest(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple | list) else (out,):
                if isinstance(tensor, torch.Tensor):
                    self.seen = max(self.seen, tensor.numel())
            return out

    def largest(frames):
        keys = torch.randn(frames, 256, 4)
        known = {0: torch.eye(2)[torch.arange(256) % 2]}
        with Largest() as mode:
            for _ in propagate(keys, known):
                pass
        return mode.seen

    assert largest(10) == largest(40) == 256**2


def test_large_grids_are_compared_in_parts(monkeypatch):
    keys, labels = torch.randn(50, 8), torch.rand(50, 3).softmax(1)
    whole = taken(keys, [Reference(keys, labels)], Settings())
    monkeypatch.setattr("pack.videograin.core.label_propagation.PAIRS", 120)
    torch.testing.assert_close(taken(keys, [Reference(keys, labels)], Settings()), whole)


def test_shares_divide_a_pixel_among_masks_that_overlap():
    masks = torch.zeros(2, 4, 4)
    masks[0, :, :2] = masks[1, :, 1:3] = 1
    expected = [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]]
    torch.testing.assert_close(shares(masks, 1, 2), torch.tensor(expected))


def test_a_guided_filter_moves_an_edge_to_the_colours():
    """A label that is 3 pixels off the picture's edge; the sum over labels stays 1."""
    picture = torch.full((24, 24, 3), 0.2)
    picture[:, 12:] = torch.tensor([0.8, 0.3, 0.1])
    soft = (torch.arange(24.0) - 5).div(20).clamp(0, 1).expand(24, 24)
    found = guided(torch.stack([soft, 1 - soft]), picture, 4)
    assert torch.equal(found.argmax(0)[0] == 0, torch.arange(24) >= 12) or (found[0, 12, 12] - found[0, 12, 11]) > 0.15
    torch.testing.assert_close(found.sum(0), torch.ones(24, 24), atol=1e-4, rtol=0)


def test_the_report_says_where_it_is_not_sure_and_what_helps():
    masks, confidence = torch.ones(3, 12, 4, 4, dtype=torch.bool), torch.ones(3, 12)
    confidence[0, 7:10] = torch.tensor([0.5, 0.2, 0.6])
    confidence[0, 0] = 0.1  # marked: known, whatever it says
    masks[1, 4:6] = False
    lines = report(masks, confidence, (0,), [1, 2, 4]).splitlines()
    assert lines[0] == "region 1: not sure in frames 7 to 9; a mark in frame 8 would help most"
    assert lines[1] == "region 2: not seen in frames 4 to 5 (right if it is out of sight)"
    assert lines[2] == "region 4: sure in every frame"
