"""The demo's toy world: sprites, accessories, backgrounds, true masks. No ComfyUI."""

import numpy as np
import pytest

from pack.videograin.toybox import world


def test_atlas_has_every_object_whole_and_distinct():
    art = world.sprites()
    assert len(world.OBJECTS) >= 32 and len(world.PLACES) >= 8
    for name in world.OBJECTS:
        picture = art[name].pictures[0]
        left, top, right, bottom = picture.getchannel("A").getbbox()
        assert max(right - left, bottom - top) == art[name].extent >= 60
        assert abs((left + right) / 2 - picture.width / 2) <= 1 and abs((top + bottom) / 2 - picture.height / 2) <= 1
    assert len({art[name].pictures[0].tobytes() for name in world.OBJECTS}) == len(world.OBJECTS)


@pytest.mark.parametrize("worn", world.ACCESSORIES)
def test_accessories_are_worn_in_the_right_place(worn):
    background, art = np.full((128, 128, 3), (255, 0, 255), np.uint8), world.sprites()
    for name, head in world.HEADS.items():
        bare, dressed = world.Placed(name, 64, 70, 60), world.Placed(name, 64, 70, 60, worn=worn)
        (before, (without,)), (after, (mask,)) = (world.compose(background, [x], art) for x in (bare, dressed))
        accessory = world.accessory(dressed, (128, 128), art)
        assert (without & ~mask).sum() < 20 and (accessory & ~mask).sum() < 20  # but for soft edges
        assert 40 < accessory.sum() < 0.8 * without.sum()
        assert np.abs(after.astype(int) - before)[mask].any(-1).sum() > 0.5 * accessory.sum()
        rows = np.argwhere(without)[:, 0]
        wanted = {"sunglasses": head.eyes, "hat": head.top - 0.2, "crown": head.top - 0.2, "bow": head.top}[worn]
        found = (np.argwhere(accessory)[:, 0].mean() - rows.min()) / np.ptp(rows)
        assert abs(found - wanted) < 0.2, name


@pytest.mark.parametrize("place", world.PLACES)
def test_background_has_its_place_s_colour_and_texture(place):
    picture = world.draw_background(place, (128, 128), np.random.default_rng(1))
    assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
    nearest = min(world.PLACES, key=lambda name: np.abs(picture.mean((0, 1)) - world.COLOURS[name]).sum())
    assert nearest == place
    assert picture.std((0, 1)).min() > 3
    np.testing.assert_array_equal(picture, world.draw_background(place, (128, 128), np.random.default_rng(1)))
    assert not np.array_equal(picture, world.draw_background(place, (128, 128), np.random.default_rng(2)))


def test_mask_is_where_the_object_changed_the_picture():
    background = np.full((128, 128, 3), (255, 0, 255), np.uint8)  # a colour no sprite has
    art = world.sprites()
    for name in world.OBJECTS:
        frame, (mask,) = world.compose(background, [world.Placed(name, 60.5, 70.2, 50)], art)
        changed = np.abs(frame.astype(int) - background).max(-1)
        assert (changed[mask] > 0).all()
        assert (changed[~mask] > 127).sum() == 0  # outside there is at most the soft edge


def test_object_in_front_hides_the_one_behind():
    background = world.draw_background("sea", (128, 128), np.random.default_rng(0))
    art = world.sprites()
    back, front = world.Placed("panda", 55, 64, 50), world.Placed("tiger", 75, 64, 50)
    alone = [world.compose(background, [thing], art)[1][0] for thing in (back, front)]
    frame, masks = world.compose(background, [back, front], art)
    assert (alone[0] & alone[1]).sum() > 200
    np.testing.assert_array_equal(masks[1], alone[1])
    np.testing.assert_array_equal(masks[0], alone[0] & ~alone[1])
    opaque = masks[1] & (np.abs(frame.astype(int) - world.compose(background, [front], art)[0]).max(-1) == 0)
    assert opaque.sum() > 0.9 * masks[1].sum()
