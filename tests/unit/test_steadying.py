"""Edits made steady along a thing's motion: less flicker, nothing lost where nothing flickers."""

import numpy as np
import pytest

from pack.videograin.masks.body_motion import bending
from pack.videograin.masks.region_track import track
from pack.videograin.masks.steadying import steadied
from pack.videograin.toybox import clips
from pack.videograin.toybox.lively import Lively, lively_clip


@pytest.fixture(scope="module")
def bent():
    """A fox that leans, turns and swings its ears; its body, and the frames as an edit without flicker."""
    shot = lively_clip(("fox", "bus"), "grass", 6, 8, Lively())
    mask, others = shot.masks[0] & ~shot.masks[1], shot.masks[1]
    body = bending(shot.frames, mask, others, track(mask, others, shot.frames))
    return shot, body, mask, others


def flickering(frames, size=0.12):
    """The frames with another pattern of spots in each."""
    rng = np.random.default_rng(0)
    spots = rng.normal(0, size, (len(frames), 24, 24, 3)).astype(np.float32)
    return (frames + spots.repeat(8, 1).repeat(8, 2)).clip(0, 1)


def test_flicker_goes_and_the_picture_stays(bent):
    shot, body, mask, others = bent
    clean = shot.frames.astype(np.float32) / 255
    edited = flickering(clean)
    inside = mask & ~others
    found = steadied(edited, body, mask, others)
    before, after = (np.abs(frames - clean)[inside].mean() for frames in (edited, found))
    assert after < 0.65 * before
    assert np.abs(steadied(clean, body, mask, others) - clean)[inside].mean() < 0.2 * before


def test_farther_out_and_behind_others_nothing_changes(bent):
    shot, body, mask, others = bent
    edited = flickering(shot.frames.astype(np.float32) / 255)
    changed = (steadied(edited, body, mask, others) != edited).any(-1)
    assert changed[mask].mean() > 0.8 and not (changed & others).any()
    y, x = np.nonzero(mask.any(0))
    far = np.ones(mask.shape[1:], bool)
    far[max(0, y.min() - 12) : y.max() + 12, max(0, x.min() - 12) : x.max() + 12] = False
    assert not changed[:, far].any()


def test_what_differs_much_is_not_mixed(bent):
    """A light that goes on in one frame stays on in it."""
    shot, body, mask, others = bent
    edited = np.where(mask[..., None], np.float32(0.1), shot.frames.astype(np.float32) / 255)
    edited[3][mask[3]] = 1.0
    found = steadied(edited, body, mask, others)
    middle = mask[3] & (np.abs(found[3] - edited[3]).max(-1) < 0.05)
    assert middle.sum() > 0.7 * mask[3].sum()


def test_only_frames_within_reach_count(bent):
    shot, body, mask, others = bent
    clean = shot.frames.astype(np.float32) / 255
    other = clean.copy()
    other[5][mask[5]] = other[5][mask[5]] * 0.9
    one, two = (steadied(frames, body, mask, others, reach=2) for frames in (clean, other))
    assert np.array_equal(one[:3], two[:3]) and not np.array_equal(one[3], two[3])
    assert np.array_equal(steadied(clean, body, mask, others, reach=0), clean)


def test_a_thing_out_of_sight_leaves_its_frames_as_they_are():
    frames = np.full((3, 96, 96, 3), 90, np.uint8)
    masks = np.zeros((3, 96, 96), bool)
    masks[0, 30:60, 20:50] = masks[2, 30:60, 40:70] = True
    frames[masks] = 200
    none = np.zeros_like(masks)
    body = bending(frames, masks, none, track(masks, none))
    edited = flickering(np.full((3, 192, 192, 3), 0.5, np.float32))[:, :96, :96]
    found = steadied(edited, body, masks, none)
    assert np.array_equal(found[1], edited[1]) and not np.array_equal(found[0], edited[0])


def test_the_motion_is_that_of_the_truth(bent):
    """Less change along the thing's true motion, which this code does not know."""
    shot, body, mask, others = bent
    edited = flickering(shot.frames.astype(np.float32) / 255)
    flow, seen = clips.flow(shot)

    def change(frames):
        total = []
        for f in range(len(frames) - 1):
            y, x = np.nonzero(mask[f] & seen[f] & ~others[f])
            there = np.rint(np.stack([y, x], -1) + flow[f][y, x][:, ::-1]).astype(int)
            total.append(np.abs(frames[f + 1][tuple(there.T)] - frames[f][y, x]).mean())
        return np.mean(total)

    assert change(steadied(edited, body, mask, others)) < 0.6 * change(edited)
