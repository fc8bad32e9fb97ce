"""Things in one mask told apart and followed: meeting, hiding, leaving, numbering."""

import pytest
import torch

from pack.videograin.core.optical_flow import dis_flow
from pack.videograin.masks.split_instances import LARGE_TO_SMALL, LEFT_TO_RIGHT, TOP_TO_BOTTOM, apart, split
from pack.videograin.toybox.clips import clip
from pack.videograin.views import instance_list
from pack.videograin.views.palette import shades
from pack.videograin.views.spotlight import spotlight


def discs(*tracks, size=64):
    """(K, F, H, W) bool; a track is (x, y, radius) per frame, or None where it cannot be seen."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    frames = [
        [(x - c[0]) ** 2 + (y - c[1]) ** 2 <= c[2] ** 2 if c else torch.zeros_like(x, dtype=torch.bool) for c in track]
        for track in tracks
    ]
    return torch.stack([torch.stack(track) for track in frames])


def parted(mask, count, order, back=None):
    return split(mask, apart(mask, count), order, back)


def test_two_things_apart_are_told_apart_in_the_order_asked_for():
    things = discs([(15, 40, 8)] * 3, [(45, 15, 11)] * 3)
    for order, first in ((LEFT_TO_RIGHT, 0), (TOP_TO_BOTTOM, 1), (LARGE_TO_SMALL, 1)):
        assert torch.equal(parted(things.any(0), 2, order), things[[first, 1 - first]])


def test_things_that_meet_and_part_keep_their_number():
    """One passes behind the other's place; in the middle they are one part of the mask."""
    left = [(12 + 4 * f, 32, 8) for f in range(8)]
    right = [(50 + 0 * f, 32 - 2 * f, 8) for f in range(8)]
    things = discs(left, right)
    mask = things.any(0)
    found = parted(mask, 2, LEFT_TO_RIGHT)
    assert torch.equal(found.any(0), mask) and not found.all(0).any()
    for one, true in zip(found, things, strict=True):
        assert (one & true).sum() / (one | true).sum() > 0.9


def test_a_hidden_thing_is_found_again_with_its_number():
    gone = [(15, 32, 8), (15, 32, 8), None, None, (17, 32, 8)]
    things = discs(gone, [(48, 32, 8)] * 5)
    assert torch.equal(parted(things.any(0), 2, LEFT_TO_RIGHT), things)


def test_small_pieces_go_to_the_nearest_thing():
    things = discs([(15, 32, 8)] * 2, [(48, 32, 8)] * 2)
    crumb = discs([(28, 32, 1)] * 2)[0]
    found = parted(things.any(0) | crumb, 2, LEFT_TO_RIGHT)
    assert torch.equal(found, torch.stack([things[0] | crumb, things[1]]))


def test_flow_follows_what_moves_farther_than_its_size():
    """Two small things jump by more than their width, each onto where the other was; only the pictures tell."""
    a, b = [(20, 32, 5), (32, 32, 5)], [(32, 32, 5), (44, 32, 5)]
    things = discs(a, b)
    shift = torch.zeros(64, 64, 2)
    shift[..., 0] = -12  # from the second frame back to the first
    assert torch.equal(parted(things.any(0), 2, LEFT_TO_RIGHT, lambda now, before: shift), things)
    assert not torch.equal(parted(things.any(0), 2, LEFT_TO_RIGHT), things)


def test_what_never_comes_apart_is_told():
    with pytest.raises(ValueError, match="no frame of the mask has 3 separate parts; the most is 2"):
        parted(discs([(15, 32, 8)], [(48, 32, 8)]).any(0), 3, LEFT_TO_RIGHT)
    with pytest.raises(ValueError, match="it is empty"):
        parted(torch.zeros(2, 8, 8, dtype=torch.bool), 2, LEFT_TO_RIGHT)


@pytest.mark.parametrize("seed", range(4))
def test_the_demos_two_things_from_their_common_mask(seed):
    """Wandering so far that they overlap in some frames."""
    shot = clip(("wolf", "pig"), "snow", 16, 2.5, seed)
    masks, frames = torch.from_numpy(shot.masks), torch.from_numpy(shot.frames).float() / 255
    found = parted(masks.any(0), 2, LEFT_TO_RIGHT, lambda now, before: dis_flow(frames[now], frames[before]))
    for one, true in zip(found, masks, strict=True):
        assert (one & true).sum() / (one | true).sum() > 0.9


def test_what_the_node_shows_of_things():
    things = discs([(15, 32, 8)], [(48, 32, 8)])
    titles = instance_list.titles(" cat ,", 2)
    assert titles == ["cat", "thing 2"] and instance_list.titles("a, b, c", 2) == ["a", "b"]
    share = float(things[0].float().mean())
    assert instance_list.report(things, titles).splitlines()[0] == f"1: cat, {share:.1%} to {share:.1%}"
    first, second = instance_list.rows(things, titles)
    assert first == {"name": "cat", "colour": shades(2)[0], "area": [pytest.approx(share)]}
    picture = instance_list.coloured(things)[0]
    assert torch.allclose(picture[32, 48] * 255, torch.tensor(second["colour"]).float()) and not picture[0, 0].any()
    cut_out = instance_list.portrait(things[0], torch.ones(1, 64, 64, 4))
    assert cut_out.shape == (1, 17, 17, 3) and cut_out.max() == 1 and cut_out.min() == pytest.approx(0.3)


def test_a_spotlight_needs_a_mask():
    frames, mask = torch.ones(2, 4, 4, 4), torch.zeros(2, 4, 4)
    assert torch.equal(spotlight(frames, None), frames[..., :3]) and torch.equal(
        spotlight(frames, mask), frames[..., :3]
    )
    mask[0, 0, 0] = 1
    assert spotlight(frames, mask).sum() == pytest.approx(3 * (1 + 31 * 0.45), rel=1e-5)
