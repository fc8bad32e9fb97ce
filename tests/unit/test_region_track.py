"""A region's track, and a picture laid along it."""

import cv2
import numpy as np
import pytest

from pack.videograin.masks.body_motion import rigid
from pack.videograin.masks.cut_out import clearness, cut_out
from pack.videograin.masks.laying import along, bared, cut_from, inside, widened
from pack.videograin.masks.region_track import moments, touched, track

SIDE = 160
CORNERS = np.array([[36, 88, 1], [74, 52, 1], [52, 98, 1.0]]).T  # pixels (x, y, 1) of the shape in its first frame


def shape():
    """A blob with a head, so that no two of its sides are alike."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(mask, (52, 76), (26, 15), 20, 0, 360, 1, -1)
    cv2.circle(mask, (72, 60), 13, 1, -1)
    return mask > 0


def moved(step, x, y, size=1.0, lean=0.0):
    """The shape in a later frame, and the map that brought it there."""
    turn = size**step * np.array([[1, lean * step], [0, 1]])
    middle, _ = moments(shape())
    there = np.concatenate([turn, (middle + np.array([x, y]) * step - turn @ middle)[:, None]], 1)
    return cv2.warpAffine(shape().astype(np.float32), there, (SIDE, SIDE)) > 0.5, there


def clip(count, **motion):
    masks, maps = zip(*(moved(step, **motion) for step in range(count)), strict=True)
    return np.stack(masks), maps


def off(way, maps):
    """How far each frame's corners are from where they belong, in pixels; the first frame is the track's own."""
    assert way.first == 0
    return [float(np.abs(found @ CORNERS - true @ CORNERS).max()) for found, true in zip(way.maps, maps, strict=True)]


def test_a_shape_that_leans_and_shrinks_is_followed():
    masks, maps = clip(6, x=5, y=3, size=0.94, lean=0.05)
    assert max(off(track(masks, np.zeros_like(masks)), maps)) < 3


def test_a_shape_that_goes_behind_a_post_stays_whole():
    """Its moments there are those of what is left: a shape half as wide, beside the post."""
    whole, maps = clip(10, x=7, y=0, size=0.98)
    post = np.zeros_like(whole)
    post[:, :, 96:126] = True
    seen = whole & ~post
    shares = seen.sum((1, 2)) / whole.sum((1, 2))
    assert shares.min() < 0.5
    errors = off(track(seen, post), maps)
    assert max(error for error, share in zip(errors, shares, strict=True) if share > 0.3) < 3
    naive = [np.abs(moments(a)[0] - moments(b)[0]).max() for a, b in zip(seen, whole, strict=True)]
    assert max(naive) > 8


def test_a_shape_that_leaves_the_frame_keeps_its_size():
    whole, maps = clip(9, x=13, y=0)
    assert max(off(track(whole, np.zeros_like(whole)), maps)) < 2.5
    assert whole[-1].sum() < 0.6 * whole[0].sum()


def test_a_frame_without_the_region_has_no_map():
    masks, _ = clip(3, x=4, y=0)
    masks[1] = False
    way = track(masks, np.zeros_like(masks))
    assert way.shown(0) and not way.shown(1) and way.shown(2)


def test_what_touches_another_thing_or_the_border_may_be_hidden():
    mask, none = shape(), np.zeros((SIDE, SIDE), bool)
    beside = np.zeros_like(none)
    beside[:, 85:] = True
    assert touched(mask, none) == 0
    assert touched(mask, beside & ~mask) > 0.05
    assert touched(np.pad(mask, ((0, 0), (0, 40)))[:, 40:], none) > 0.05  # at the left border


def test_a_picture_lies_along_the_track_and_under_other_things():
    masks, _ = clip(4, x=8, y=2)
    other = np.zeros_like(masks)
    other[3, :, 92:] = True
    seen = masks & ~other
    frames = np.full((4, SIDE, SIDE, 3), 40, np.uint8)
    picture, drawn = np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), bool)
    cv2.circle(picture, (30, 30), 22, (250, 10, 10), -1)
    drawn[picture[..., 0] > 0] = True
    way = track(seen, other)
    home = inside(drawn, seen[way.first], other[way.first])
    shown = along(frames, cut_from(picture, drawn), seen, rigid(seen, way), home)
    assert not (shown & ~seen).any() and (frames[~seen] == 40).all()
    middles = [moments(each)[0] for each in frames[:3, ..., 0] > 145]
    assert np.allclose(np.diff(middles, axis=0), [8, 2], atol=1)
    for frame in range(4):
        red = frames[frame, ..., 0] > 145
        assert red.sum() > 0.5 * seen[frame].sum() and not (red & ~shown[frame]).any()


def test_what_the_new_thing_leaves_bare_shows_the_ground():
    masks, _ = clip(2, x=6, y=0)
    ramp = np.linspace(60, 120, SIDE)[None, None, :, None].repeat(3, -1).repeat(SIDE, 1).repeat(2, 0).astype(np.uint8)
    frames = ramp.copy()
    frames[masks] = (250, 0, 0)
    found = bared(frames, masks, masks)
    assert np.abs(found.astype(int) - ramp)[masks].max() < 12
    assert (found[~masks] == frames[~masks]).all()


def test_the_rim_stops_at_other_things():
    masks, _ = clip(1, x=0, y=0)
    other = np.zeros_like(masks)
    other[:, :, 90:] = True
    wide = widened(masks & ~other, other)
    assert wide.sum() > (masks & ~other).sum() and not (wide & other).any()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_thing_is_cut_out_by_coarse_attention_and_its_colours(sign):
    """Also where the name draws attention to all but the thing."""
    rng = np.random.default_rng(0)
    picture = rng.normal((90, 160, 80), 6, (SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    picture[shape()] = rng.normal((200, 60, 50), 6, (int(shape().sum()), 3)).clip(0, 255)
    attention = sign * (
        cv2.resize(shape().astype(np.float32), (20, 20), interpolation=cv2.INTER_AREA) + 0.02 * rng.random((20, 20))
    )
    found = cut_out(picture, attention)
    assert (found & shape()).sum() / (found | shape()).sum() > 0.85
    assert clearness(found, attention) > 0.8


def test_a_thing_that_the_border_cuts_is_less_clear():
    whole, cut = shape(), np.pad(shape(), ((0, 0), (0, 40)))[:, 40:]
    attention = [cv2.resize(mask.astype(np.float32), (20, 20), interpolation=cv2.INTER_AREA) for mask in (whole, cut)]
    assert clearness(whole, attention[0]) > clearness(cut, attention[1]) + 0.1
    assert clearness(np.zeros_like(whole), attention[0]) < 0
