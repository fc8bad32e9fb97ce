"""How a body bends within its track, and pictures that are laid on it."""

import cv2
import numpy as np
import pytest

from pack.videograin.masks.affine import after, at, inverse, size
from pack.videograin.masks.body_motion import bending, rigid
from pack.videograin.masks.laying import along, cut_from, whole
from pack.videograin.masks.region_track import track
from pack.videograin.toybox.clips import film
from pack.videograin.toybox.lively import Lively, lively_clip

NONE = np.zeros((6, 192, 192), bool)


def apart(one, other, where):
    return float(np.abs(one.astype(float) - other)[where].mean())


def laid(shot, bends):
    """A rigid drawing of a panda on the fox's body, and the truth: a panda that bends as the fox."""
    others = shot.masks[1]
    region = shot.masks[0] & ~others
    way = track(region, others, shot.frames)
    body = bending(shot.frames, region, others, way) if bends else rigid(region, way)
    pandas = [thing._replace(name="panda") for thing in shot.tracks[0]]
    truth = film(shot.wide, shot.place, [pandas, list(shot.tracks[1])], shot.camera, shot.light)
    still = pandas[way.first]
    still = still._replace(pose=type(still.pose)(), degrees=0.0)
    alone = film(shot.wide, shot.place, [[still] * 6], shot.camera, shot.light)
    picture, shape = alone.frames[way.first], alone.masks[0, way.first]
    frames = shot.frames.copy()
    along(frames, cut_from(picture, shape), ~others, body, whole(shape, body.rest))
    return apart(frames, truth.frames, truth.masks[0])


def test_a_laid_picture_bends_as_the_old_thing_does():
    """A fox that leans, turns and swings its ears, beside a bus."""
    shots = [lively_clip(("fox", "bus"), "grass", 6, seed, Lively()) for seed in (8, 9, 10, 12)]
    bent, stiff = (np.mean([laid(shot, bends) for shot in shots]) for bends in (True, False))
    assert bent < 0.75 * stiff, (bent, stiff)


def test_a_thing_that_moves_as_a_whole_has_a_body_at_rest():
    picture = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    picture = cv2.resize(picture, (60, 60), interpolation=cv2.INTER_CUBIC)
    frames, masks = np.full((3, 192, 192, 3), 90, np.uint8), np.zeros((3, 192, 192), bool)
    for f in range(3):
        frames[f, 50:110, 40 + 10 * f : 100 + 10 * f] = picture
        masks[f, 50:110, 40 + 10 * f : 100 + 10 * f] = True
    way = track(masks, NONE[:3])
    moving, stiff = bending(frames, masks, NONE[:3], way), rigid(masks, way)
    for f in range(3):
        assert np.abs(moving.places(f) - stiff.places(f))[masks[f]].mean() < 0.6


def test_out_of_sight_nothing_is_laid():
    frames, masks = np.full((3, 192, 192, 3), 90, np.uint8), NONE[:3].copy()
    masks[0, 60:120, 60:120] = masks[2, 60:120, 80:140] = True
    way = track(masks, NONE[:3])
    body = bending(frames, masks, NONE[:3], way)
    assert body.places(1) is None and body.places(0).shape == (192, 192, 2)
    shape = np.ones((30, 30), bool)
    shown = along(frames, cut_from(np.zeros((30, 30, 3), np.uint8), shape), ~NONE[:3], body, whole(shape, body.rest))
    assert shown[0].any() and shown[2].any() and not shown[1].any()


def test_a_whole_thing_is_as_long_as_the_old_one_and_larger_it_stands_on_the_same_ground():
    wide, tall = np.zeros((100, 100), bool), np.zeros((80, 80), bool)
    wide[40:60, 20:80], tall[10:70, 30:50] = True, True
    for growth in (0.5, 1.0, 1.3):
        turn = whole(tall, wide, growth)
        there = cv2.warpAffine(tall.astype(np.uint8), turn, (100, 140)) > 0
        y = np.flatnonzero(there.any(1))
        assert abs(len(y) - 60 * growth) <= 2 and abs(y[-1] - 79) <= 2
        assert abs(np.flatnonzero(there.any(0)).mean() - 49.5) <= 1


def test_maps_are_put_together_and_undone():
    turn = np.array([[1.2, 0.3, 5.0], [-0.1, 0.8, -7.0]])
    other = np.array([[0.5, 0.0, 2.0], [0.2, 0.7, 1.0]])
    points = np.random.default_rng(0).normal(size=(7, 2))
    assert np.allclose(at(after(turn, other), points), at(turn, at(other, points)))
    assert np.allclose(at(inverse(turn), at(turn, points)), points)
    assert abs(size(np.array([[0.0, -2.0, 1.0], [2.0, 0.0, 3.0]])) - 2) < 1e-9


@pytest.mark.parametrize("degrees", [30, 90])
@pytest.mark.parametrize("bends", [True, False])
def test_what_turns_is_turned_and_not_sheared(degrees, bends):
    """A bar with a bright edge: its moments alone would say that it is sheared."""
    side, frames, masks = 192, [], []
    bar, mask = np.full((side, side, 3), 120, np.uint8), np.zeros((side, side), np.uint8)
    bar[71:121, 41:151], bar[71:79, 41:151], mask[71:121, 41:151] = (230, 50, 50), (0, 0, 0), 1
    for share in np.linspace(0, 1, 6):
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees * share, 1)
        frames.append(cv2.warpAffine(bar, turn, (side, side), borderValue=(120, 120, 120)))
        masks.append(cv2.warpAffine(mask, turn, (side, side)) > 0)
    frames, masks = np.stack(frames), np.stack(masks)
    none, shape = np.zeros_like(masks), np.ones((50, 110), bool)
    way = track(masks, none, frames)
    body = bending(frames, masks, none, way) if bends else rigid(masks, way)
    blue = np.zeros((50, 110, 3), np.uint8)
    blue[..., 2] = 255
    along(frames, cut_from(blue, shape), ~none, body, whole(shape, body.rest))
    laid_in = (frames[..., 2] > 160) & (frames[..., 0] < 90)
    overlap = (laid_in & masks).sum((1, 2)) / (laid_in | masks).sum((1, 2))
    assert overlap.min() > 0.9, overlap
