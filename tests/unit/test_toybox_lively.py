"""The demo's lively world: poses, light, looks, and the edits drawn as they should come out. No ComfyUI."""

import cv2
import numpy as np
import pytest

from pack.videograin.toybox import clips, looks, tasks, world
from pack.videograin.toybox.lively import SMALL, Lively, lively_clip
from pack.videograin.toybox.poses import STILL, bent, gait, unbent
from pack.videograin.toybox.scenes import Scenes

POINTS = np.random.default_rng(0).uniform(-0.6, 0.6, (500, 2))


def frame_of(thing: world.Placed) -> tuple[np.ndarray, np.ndarray]:
    grass = world.draw_background("grass", (128, 128), np.random.default_rng(0))
    picture, (mask,) = world.compose(grass, [thing], world.sprites())
    return picture, mask


def test_bending_back_undoes_every_pose():
    for seed in range(4):
        for pose in gait(16, 1.0, np.random.default_rng(seed)):
            assert np.abs(bent(unbent(POINTS, pose), pose) - POINTS).max() < 1e-3
            assert np.abs(bent(POINTS, pose) - POINTS).max() > 0.02
    assert gait(3, 0.0, np.random.default_rng(0)) == [STILL] * 3


def test_no_affine_map_makes_a_bent_picture_from_another():
    a, b = gait(12, 1.0, np.random.default_rng(2))[::5][:2]
    there = np.c_[bent(POINTS, a), np.ones(len(POINTS))]
    best, *_ = np.linalg.lstsq(there, bent(POINTS, b), rcond=None)
    assert np.abs(there @ best - bent(POINTS, b)).max() * 80 > 2  # pixels, of a thing of 80


@pytest.mark.parametrize("staging", [Lively(passing=True), Lively(nearing=True), Lively(small=True, camera=1.5)])
def test_true_flow_carries_every_visible_point_to_itself(staging):
    clip = lively_clip(("lion", "taxi"), "road", 8, 2, staging)
    np.testing.assert_array_equal(clip.frames, lively_clip(("lion", "taxi"), "road", 8, 2, staging).frames)
    flow, seen = clips.flow(clip)
    y, x = np.mgrid[: world.SIZE, : world.SIZE].astype(np.float32)
    inside = cv2.erode(clip.masks.any(0).astype(np.uint8).transpose(1, 2, 0), np.ones((3, 3))).transpose(2, 0, 1) > 0
    for f in range(7):
        there = cv2.remap(clip.frames[f + 1], x + flow[f, ..., 0], y + flow[f, ..., 1], cv2.INTER_LINEAR)
        where = seen[f] & inside[f]
        error, still = (np.abs(a.astype(float) - clip.frames[f])[where].mean() for a in (there, clip.frames[f + 1]))
        assert error < 9 and error < 0.35 * still  # light and resampling change a little


def test_staging_is_what_it_says():
    def widths(staging):
        clip = lively_clip(("dog", "bus"), "sand", 9, 1, staging)
        return clip, np.array([thing.size for thing in clip.tracks[0]])

    clip, sizes = widths(Lively(passing=True))
    ahead = [a.x < b.x for a, b in zip(*clip.tracks, strict=True)]
    assert ahead[0] and not ahead[-1]
    areas = clip.masks[0].sum((1, 2)) / np.square(sizes)
    assert areas.min() < 0.6 * areas.max()
    _, sizes = widths(Lively(nearing=True))
    assert sizes[-1] / sizes[0] == pytest.approx(1.6 / 0.6)
    assert (widths(Lively(small=True))[1] == SMALL).all()


def test_things_are_lit_and_cast_a_shadow():
    clip = lively_clip(("dog", "bus"), "night", 2, 1)
    bright, _ = world.compose(clip.wide[:192, :192], [track[0] for track in clip.tracks], world.sprites())
    mask = clip.masks[0, 0]
    assert clip.frames[0][mask].mean() < 0.8 * bright[mask].mean()
    thing = lively_clip(("dog", "bus"), "sand", 1, 1).tracks[0][0]
    sand = lively_clip(("dog", "bus"), "sand", 1, 1)
    under = sand.frames[0, int(thing.y + 0.5 * thing.size), int(thing.x) - 3 : int(thing.x) + 3].mean()
    assert under < 0.9 * np.array(world.COLOURS["sand"]).mean()


def test_looks_change_the_picture_and_not_the_shape():
    plain, mask = frame_of(world.Placed("cat", 64, 64, 80))
    seen, far = [plain], cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) == 0
    for change in [*({"material": m} for m in looks.MATERIALS), *({"style": s} for s in looks.STYLES)]:
        picture, same = frame_of(world.Placed("cat", 64, 64, 80, **change))
        np.testing.assert_array_equal(same, mask)
        assert np.abs(picture[far].astype(int) - plain[far]).max() == 0
        assert all(np.abs(picture[mask].astype(float) - other[mask]).mean() > 6 for other in seen), change
        seen.append(picture)


def test_nouns_say_look_and_style():
    assert world.Placed("owl", 0, 0, 1, material="golden", worn="hat").noun == "a golden owl with a hat"
    assert world.Placed("owl", 0, 0, 1, style="sketch").noun == "an owl as a sketch"


@pytest.mark.parametrize("kind", tasks.ALL_TASKS)
def test_the_truth_of_every_task_changes_only_what_it_may(kind):
    clip = lively_clip(("cat", "bus", "frog"), "grass", 4, 5, Lively(small=kind == "small"))
    for seed in range(4):
        wanted = tasks.task(kind, clip, seed)
        drawn = tasks.truth(clip, wanted, seed)
        assert drawn.caption == wanted.prompt and len(wanted.phrases) == 3
        assert all(phrase in wanted.prompt for phrase in wanted.phrases)
        assert (drawn.frames != clip.frames)[wanted.edited(clip)].mean() > 0.2
        for k in wanted.kept if not (wanted.style or kind == "background") else ():
            there = clip.masks[k] & drawn.masks[k - len(clip.masks)]
            same = (drawn.frames == clip.frames).all(-1)
            assert same[there].mean() > 0.85  # a new thing's shadow may fall before it
    assert kind in tasks.TASKS or kind in tasks.LIVELY_TASKS


def test_new_things_stand_where_the_old_ones_stood():
    clip = lively_clip(("cat", "bus"), "snow", 4, 5, Lively(nearing=True))
    for kind in ("instance", "material", "bigger", "smaller"):
        (wish, *_) = tasks.task(kind, clip, 1).wishes
        for old, new in zip(clip.tracks[0], wish.track, strict=True):
            assert new.pose == old.pose and new.degrees == old.degrees
            if kind in ("bigger", "smaller"):
                grown = new.size / old.size
                assert grown < 0.61 if kind == "smaller" else grown > 1.2
            else:
                assert (new.x, new.y, new.size) == (old.x, old.y, old.size)
    gone = tasks.truth(clip, tasks.task("remove", clip, 1))
    assert gone.names == ("bus",) and not (gone.frames[0] == clip.frames[0]).all()


def test_no_style_is_asked_for_that_the_dark_would_hide():
    styles = {place: set() for place in ("night", "grass")}
    for place, found in styles.items():
        shot = lively_clip(("cat", "bus"), place, 1, 0)
        for seed in range(40):
            wanted = tasks.task("style", shot, seed)
            found.add(wanted.style or wanted.wishes[0].track[0].style)
    assert styles == {"night": {"sketch", "watercolour"}, "grass": set(looks.STYLES)}


def test_a_watercolour_is_seen_on_pale_things_too():
    """A white rabbit blurred is still a white rabbit after the autoencoder: the paper's colour and dried edges tell."""
    for name in ("rabbit", "pig", "unicorn", "cow"):
        plain, mask = frame_of(world.Placed(name, 64, 64, 80))
        painted, _ = frame_of(world.Placed(name, 64, 64, 80, style="watercolour"))
        assert np.abs(painted[mask].astype(float) - plain[mask]).mean() > 28, name


def test_what_is_rare_can_be_drawn_more_often():
    def looks_of(rare):
        draw = Scenes(world.sprites(), lively=True, rare=rare)
        return np.mean([bool(thing.material) for i in range(40) for thing in draw(np.random.default_rng(i)).objects])

    assert looks_of(2.5) > 1.6 * looks_of(1.0) > 0


def test_no_material_is_asked_for_that_the_thing_has_already():
    found = {}
    for name in ("wolf", "tree", "pig", "firetruck"):
        shot = lively_clip((name, "cat"), "grass", 1, 0)
        found[name] = {tasks.task("material", shot, seed).wishes[0].track[0].material for seed in range(60)}
    assert "silver" not in found["wolf"] and "green" not in found["tree"] and "pink" not in found["pig"]
    assert not {"striped", "spotted"} & found["tree"]  # too dark for stripes
    assert found["firetruck"] == set(looks.MATERIALS) and all(len(materials) >= 4 for materials in found.values())
