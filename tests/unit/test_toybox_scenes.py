"""Training scenes: what they never show, and that captions tell the truth."""

import re
from itertools import combinations

import numpy as np
import pytest

from pack.videograin.toybox import world
from pack.videograin.toybox.scenes import Scenes, describe


@pytest.fixture(scope="module")
def art():
    return world.sprites()


def casts(art, count, **options):
    """(names, place) of many scenes, without the time that drawing them takes."""
    scenes, rng = Scenes(art, **options), np.random.default_rng(5)
    return [scenes.cast(rng, 1 + i % 3) for i in range(count)]


def pairs(names):
    order = list(world.OBJECTS)
    return set(combinations(sorted(set(names), key=order.index), 2))


def test_a_fixed_fifth_is_held_out():
    assert len(world.held_out_pairs()) == len(list(combinations(world.OBJECTS, 2))) // 5
    assert len(world.held_out_settings()) == len(world.OBJECTS) * len(world.PLACES) // 5
    assert ("cat", "dog") not in world.held_out_pairs()  # these names are part of published weights: they stay
    assert sorted(world.held_out_pairs())[:3] == [("alien", "mushroom"), ("alien", "sunflower"), ("bear", "apple")]


def test_training_never_shows_what_is_held_out(art):
    for names, place in casts(art, 3000):
        assert not pairs(names) & world.held_out_pairs()
        assert not {(name, place) for name in names} & world.held_out_settings()


def test_every_word_and_every_allowed_setting_is_shown(art):
    seen = {(name, place) for names, place in casts(art, 6000) for name in names}
    allowed = {(name, place) for name in world.OBJECTS for place in world.PLACES} - world.held_out_settings()
    assert seen == allowed


def test_only_held_out_shows_nothing_else(art):
    for names, place in casts(art, 300, only_held_out=True):
        if len(names) == 1:
            assert (names[0], place) in world.held_out_settings()
        else:
            assert pairs(names) & world.held_out_pairs()


def test_a_scene_is_deterministic_and_its_objects_are_seen(art):
    scenes = Scenes(art)
    for seed in range(40):
        scene, again = scenes(np.random.default_rng(seed)), scenes(np.random.default_rng(seed))
        np.testing.assert_array_equal(scene.picture, again.picture)
        assert scene.caption == again.caption
        assert scene.picture.shape == (world.SIZE, world.SIZE, 3)
        for thing, mask in zip(scene.objects, scene.masks, strict=True):
            whole = world.compose(np.zeros_like(scene.picture), [thing], art)[1].sum()
            assert mask.sum() > 0.4 * whole


def test_captions_name_every_object_once_and_sides_truly(art):
    scenes, rng, sided = Scenes(art), np.random.default_rng(2), 0
    for _ in range(600):
        names, place = scenes.cast(rng, int(rng.integers(1, 4)))
        objects = tuple(scenes.stage(rng, names))
        caption = describe(objects, place, rng)
        words = re.findall(r"[a-z]+", caption)
        assert sorted(word for word in words if word in world.OBJECTS) == sorted(names)
        assert sorted(word for word in words if word in world.ACCESSORIES) == sorted(o.worn for o in objects if o.worn)
        if "on the left" in caption:
            sided += 1
            left = re.search(r"an? (\w+)(?: with(?: a)? \w+)? on the left", caption).group(1)
            assert left == min(objects, key=lambda thing: thing.x).name
    assert sided > 30
