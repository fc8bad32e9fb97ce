"""The demo's toy world: pictures, true masks, the sprite judge. No ComfyUI."""

import numpy as np
import pytest

from pack.demo import judge, world

PAIRS = [("cat", "dog"), ("rocket", "tree"), ("car", "bus"), ("owl", "penguin"), ("firetruck", "apple"), ("fox", "fox")]


def test_atlas_has_every_object_cropped_and_distinct():
    art = world.sprites()
    assert list(art) == list(world.OBJECTS) and len(art) == 24
    for sprite in art.values():
        alpha = np.asarray(sprite.getchannel("A"))
        assert 60 <= max(sprite.size) <= world.ATLAS_CELL
        assert alpha[0].any() and alpha[-1].any() and alpha[:, 0].any() and alpha[:, -1].any()
        assert (alpha > 127).mean() > 0.2
    assert len({sprite.tobytes() for sprite in art.values()}) == 24


@pytest.mark.parametrize("place", world.PLACES)
def test_background_has_its_place_s_colour_and_texture(place):
    picture = world.draw_background(place, 128, np.random.default_rng(1))
    assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
    nearest = min(world.PLACES, key=lambda name: np.abs(picture.mean((0, 1)) - world.COLOURS[name]).sum())
    assert nearest == place
    assert picture.std((0, 1)).min() > 3
    np.testing.assert_array_equal(picture, world.draw_background(place, 128, np.random.default_rng(1)))
    assert not np.array_equal(picture, world.draw_background(place, 128, np.random.default_rng(2)))


def test_mask_is_where_the_object_changed_the_picture():
    background = np.full((128, 128, 3), (255, 0, 255), np.uint8)  # a colour no sprite has
    art = world.sprites()
    for name in world.OBJECTS:
        frame, (mask,) = world.compose(background, [world.Placed(name, 60.5, 70.2, 50)], art)
        changed = np.abs(frame.astype(int) - background).max(-1)
        assert (changed[mask] > 0).all()
        assert (changed[~mask] > 127).sum() == 0  # outside there is at most the soft edge


def test_object_in_front_hides_the_one_behind():
    background = world.draw_background("sea", 128, np.random.default_rng(0))
    art = world.sprites()
    back, front = world.Placed("panda", 55, 64, 50), world.Placed("tiger", 75, 64, 50)
    alone = [world.compose(background, [thing], art)[1][0] for thing in (back, front)]
    frame, masks = world.compose(background, [back, front], art)
    assert (alone[0] & alone[1]).sum() > 200
    np.testing.assert_array_equal(masks[1], alone[1])
    np.testing.assert_array_equal(masks[0], alone[0] & ~alone[1])
    opaque = masks[1] & (np.abs(frame.astype(int) - world.compose(background, [front], art)[0]).max(-1) == 0)
    assert opaque.sum() > 0.9 * masks[1].sum()


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_clip_is_deterministic_inside_the_frame_smooth_and_moving(names, seed):
    clip = world.clip(names, "grass", frames=12, motion=2.5, seed=seed)
    again = world.clip(names, "grass", frames=12, motion=2.5, seed=seed)
    np.testing.assert_array_equal(clip.frames, again.frames)
    np.testing.assert_array_equal(clip.masks, again.masks)
    assert clip.frames.shape == (12, 128, 128, 3) and clip.frames.dtype == np.uint8
    assert clip.masks.shape == (2, 12, 128, 128) and clip.masks.dtype == bool
    assert not (clip.masks[0] & clip.masks[1]).any()
    for edge in (clip.masks[..., 0, :], clip.masks[..., -1, :], clip.masks[..., 0], clip.masks[..., -1]):
        assert not edge.any()
    front = clip.masks[1]  # never hidden: its centre of mass is its own
    centres = np.array([np.argwhere(mask).mean(0) for mask in front])
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    assert steps.max() < 16 and np.linalg.norm(centres - centres[0], axis=1).max() > 4
    assert np.ptp(front.sum((1, 2))) <= 0.01 * front[0].sum()  # whole in every frame


def test_clip_follows_its_arguments():
    still = world.clip(("cat", "dog"), "snow", frames=8, motion=0.0, seed=3)
    assert (still.frames == still.frames[0]).all()
    assert still.caption == "a cat and a dog in the snow" and still.names == ("cat", "dog")
    columns = [np.argwhere(mask[0])[:, 1].mean() for mask in still.masks]
    assert columns[0] < 64 < columns[1]
    assert not np.array_equal(still.frames, world.clip(("cat", "dog"), "snow", 8, 0.0, seed=4).frames)
    clip = world.clip(("cat", "dog"), "snow", frames=8, motion=1.0, seed=3)
    covered = clip.masks.any((0, 1))
    grown = np.pad(covered, 2)  # the soft edge of a sprite reaches a pixel or two past its mask
    near = np.any([grown[y : y + 128, x : x + 128] for y in range(5) for x in range(5)], 0)
    assert (clip.frames[:, ~near] == clip.frames[0, ~near]).all() and (~near).mean() > 0.4


def test_three_objects_have_disjoint_masks_and_their_own_lanes():
    clip = world.clip(("owl", "apple", "tree"), "night", frames=8, seed=5)
    assert clip.masks.shape == (3, 8, 128, 128) and clip.masks.sum(0).max() == 1
    assert clip.masks.any((2, 3)).all()
    assert clip.caption == "an owl and an apple and a tree at night"


@pytest.mark.parametrize("size", [24, 56])
def test_judge_names_every_object(size):
    art = world.sprites()
    for i, name in enumerate(world.OBJECTS):
        place = list(world.PLACES)[i % 6]
        background = world.draw_background(place, 128, np.random.default_rng(i))
        frame, (mask,) = world.compose(background, [world.Placed(name, 66, 60, size)], art)
        word, score = judge.best_word(frame, mask)
        assert word == name and score > 0.8, (word, score)


def test_judge_names_both_objects_of_a_clip_though_one_is_partly_hidden():
    for seed, names in enumerate(PAIRS):
        clip = world.clip(names, list(world.PLACES)[seed], frames=8, motion=2.0, seed=seed)
        assert [judge.best_word(clip.frames[4], mask)[0] for mask in clip.masks[:, 4]] == list(names)


def test_judge_is_unsure_of_background_and_refuses_an_empty_mask():
    frame = world.draw_background("grass", 128, np.random.default_rng(0))
    mask = np.zeros((128, 128), bool)
    with pytest.raises(ValueError, match="mask is empty"):
        judge.best_word(frame, mask)
    mask[40:90, 40:90] = True  # where sprites of the same green do exist: frog, tree
    assert judge.best_word(frame, mask)[1] < 0.5
