"""The judge on pictures it never saw. No ComfyUI."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pack.videograin.toybox import clips, world
from pack.videograin.toybox.judge import CELL, WORDS, Judge
from pack.videograin.toybox.scenes import Scenes


@pytest.fixture(scope="module")
def judge():
    return Judge.load()


@pytest.mark.parametrize("only_held_out", [False, True])
def test_it_names_objects_accessories_and_places(judge, only_held_out):
    scenes, rng = Scenes(world.sprites(), only_held_out=only_held_out), np.random.default_rng(4242)
    drawn = [scenes(rng) for _ in range(100)]
    reading = judge.read(np.stack([scene.picture for scene in drawn]))
    assert reading.cells.shape == (100, len(WORDS), world.SIZE // CELL, world.SIZE // CELL)
    shown = [(i, thing, mask) for i, s in enumerate(drawn) for thing, mask in zip(s.objects, s.masks, strict=True)]
    seen = [reading.region(i, mask) for i, _, mask in shown]
    assert np.mean([a.name == thing.name for a, (_, thing, _) in zip(seen, shown, strict=True)]) >= 0.98
    assert np.mean([a.worn == thing.worn for a, (_, thing, _) in zip(seen, shown, strict=True)]) >= 0.95
    assert np.mean([reading.place(i) == scene.place for i, scene in enumerate(drawn)]) >= 0.98
    sets = [reading.objects(i) == {thing.name for thing in scene.objects} for i, scene in enumerate(drawn)]
    assert np.mean(sets) >= 0.95


def test_it_names_blurred_objects_of_a_clip(judge):
    clip = clips.clip(("panda", "taxi"), "sea", 8, 2.0, 3)
    soft = np.stack([np.asarray(Image.fromarray(f).filter(ImageFilter.GaussianBlur(1.2))) for f in clip.frames])
    for masks, name in zip(clip.masks, clip.names, strict=True):
        assert [seen.name for seen in judge.names(soft, masks)] == [name] * 8


def test_it_refuses_an_empty_mask_and_sees_nothing_on_a_background(judge):
    frame = world.draw_background("grass", (world.SIZE,) * 2, np.random.default_rng(0))[None]
    reading = judge.read(frame)
    assert reading.objects(0) == set() and reading.place(0) == "grass"
    with pytest.raises(ValueError, match="mask is empty"):
        reading.region(0, np.zeros(frame.shape[1:3], bool))
    middle = np.zeros(frame.shape[1:3], bool)
    middle[60:120, 60:120] = True
    assert reading.region(0, middle).certainty < 0.5
