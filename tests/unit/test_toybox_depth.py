"""The depth pictures that steer the demo's ControlNet. No ComfyUI."""

import numpy as np

from pack.videograin.toybox import clips
from pack.videograin.toybox.depth import depth


def test_objects_stand_before_the_ground_the_front_one_nearest():
    shot = clips.clip(("cat", "dog"), "grass", 8, 2.0, 3)
    masks = shot.masks[:, 0]
    picture = depth(masks).astype(float)
    ground = ~masks.any(0)
    left, right = (np.median(picture[mask]) for mask in masks)
    assert picture[ground].max() > picture[ground].min() and np.median(picture[ground]) < left < right
    rows = [picture[y, ground[y]] for y in (2, -3)]
    assert np.median(rows[0]) < np.median(rows[1])


def test_no_objects_leave_a_smooth_ground():
    steps = np.diff(depth(np.zeros((0, 64, 96), bool)).astype(int), axis=0)
    assert depth(np.zeros((2, 64, 96), bool)).shape == (64, 96) and 0 <= steps.min() and steps.max() <= 2
