"""The edit benchmark's clips: fixed, legal, balanced, and the test clips unseen. No ComfyUI."""

import numpy as np
import pytest

from pack.benchmarks.edit import suite
from pack.videograin.toybox import tasks, world

CASES = {split: suite.cases(split) for split in suite.SPLITS}
ALL = [case for cases in CASES.values() for case in cases]
EACH_TASK = [next(case for case in CASES[suite.DEVELOPMENT] if case.kind == kind) for kind in tasks.TASKS]


@pytest.fixture(scope="module", params=EACH_TASK, ids=lambda case: case.kind)
def one(request):
    return suite.example(request.param, 3)


def test_the_same_clips_every_time():
    assert {split: suite.cases(split) for split in suite.SPLITS} == CASES
    a, b = (suite.example(ALL[1], 2) for _ in range(2))
    np.testing.assert_array_equal(a.shot.frames, b.shot.frames)
    assert a.task.prompt == b.task.prompt


def test_development_and_test_share_no_seed_and_every_task_has_its_turn():
    for name in ("name", "seed", "wish_seed"):
        values = [getattr(case, name) for case in ALL]
        assert len(set(values)) == len(values) == 36
    for cases, turns in ((CASES[suite.DEVELOPMENT], 2), (CASES[suite.TEST], 4)):
        assert [sum(case.kind == kind for case in cases) for kind in tasks.TASKS] == [turns] * 6
        assert sum(case.camera > 0 for case in cases) == len(cases) / 3
        assert sum(case.crossing for case in cases) == len(cases) / 3
        assert sum(len(case.names) == 3 for case in cases) >= len(cases) / 6
        for kind in tasks.TASKS:  # no task always under the same conditions
            assert len({(case.crossing, case.camera, len(case.names)) for case in cases if case.kind == kind}) > 1


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_words_and_places_are_legal(case):
    assert len(set(case.names)) == len(case.names) in (2, 3) and set(case.names) <= set(world.OBJECTS)
    assert case.place in world.PLACES
    assert case.kind != "part" or case.names[0] in world.HEADS
    names, place = suite.target_words(case)
    assert set(names) <= set(world.OBJECTS) and names[2:] == case.names[2:]
    assert (names, place) != (case.names, case.place) or case.kind == "part"


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_only_test_clips_show_or_ask_for_what_training_holds_out(case):
    held_out = world.held_out_pairs() | world.held_out_settings()
    source = suite.together(case.names, case.place) & held_out
    target = suite.together(*suite.target_words(case)) & held_out
    if case.split == suite.DEVELOPMENT:
        assert not source and not target
    elif case.kind in suite.HELD_OUT_TARGET:
        assert target
    else:
        assert source


def test_the_drawn_clip_is_the_case(one):
    names, place = suite.target_words(one.case)
    assert one.shot.names == one.case.names and one.task.place == place
    assert tuple(area.word.split()[0] for area in suite.areas(one) if not area.is_place) == names
    assert (one.shot.camera.any()) == (one.case.camera > 0)


def test_areas_say_what_each_part_is_to_show(one):
    areas, prompts = suite.areas(one), suite.wordings(one)
    assert set(prompts) == set(suite.WORDINGS) and prompts["plain"] == one.task.prompt != prompts["sides"]
    assert all(area.phrase in prompt for area in areas for prompt in prompts.values())
    assert "on the left" in prompts["sides"] and "on the right" in prompts["sides"]
    np.testing.assert_array_equal(suite.editable(one), one.task.edited(one.shot))
    for k, area in enumerate(areas):
        assert area.mask.any((1, 2)).all()
        assert area.changes == (area.is_place if one.case.kind == "background" else k < len(one.task.wishes))
        assert not (area.changes and (area.mask & np.any([a.mask for a in areas if not a.changes], 0)).any())


def test_worse_masks():
    mask = np.zeros((2, 40, 40), bool)
    mask[0, 12:28, 14:30] = mask[1, 5:25, 10:34] = True
    mask[:, 15, 20] = False  # a hole
    shapes = {shape: suite.deform(mask, shape) for shape in suite.SHAPES}
    np.testing.assert_array_equal(shapes[suite.TRUE], mask)
    assert (shapes[suite.DILATED] & mask).sum() == mask.sum() and shapes[suite.DILATED][0, 4:36, 6:38].all()
    assert shapes[suite.DILATED].sum() == 32 * 32 + 33 * 38  # the second one meets the frame's edges
    assert not (shapes[suite.ERODED] & ~mask).any() and shapes[suite.ERODED].sum() < 0.2 * mask.sum()
    np.testing.assert_array_equal(shapes[suite.SHIFTED][:, 8:, 8:], mask[:, :-8, :-8])
    assert not shapes[suite.SHIFTED][:, :8].any() and not shapes[suite.SHIFTED][..., :8].any()
    assert shapes[suite.BOXES].sum() == 16 * 16 + 20 * 24 and shapes[suite.BOXES][0, 15, 20]


def test_the_ideal_edit_changes_what_was_asked_and_nothing_else(one):
    ideal, shot = suite.ideal(one), one.shot
    changed = (ideal != shot.frames).any(-1)
    assert changed[suite.editable(one)].mean() > (0.03 if one.case.kind == "part" else 0.5)
    kept = np.any([area.mask for area in suite.areas(one) if not area.changes] or [np.zeros_like(changed)], 0)
    assert not kept.any() or (ideal.astype(int) - shot.frames)[kept].__abs__().mean() < 4  # soft edges, new outlines
    if one.case.kind != "background":
        sky = np.zeros_like(changed)
        sky[:, :8] = True
        assert not changed[sky & ~suite.editable(one)].any()  # the same background, pixel by pixel


def test_partly_hidden_objects_occur():
    case = next(case for case in CASES[suite.TEST] if case.crossing and len(case.names) == 2)
    areas = suite.example(case, 8).shot.masks[0].sum((1, 2))
    assert areas.min() < 0.8 * areas.max()
