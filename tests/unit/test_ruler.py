"""The edit benchmark's ruler: clips, crops, negatives, nearness and the score. No ComfyUI."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pack.benchmarks.ruler import blind, stickers, suite
from pack.benchmarks.ruler.crops import SIDE, crop, zoom
from pack.benchmarks.ruler.judges import Answer, Judges
from pack.benchmarks.ruler.nearness import distance, distances, limit, other_draws
from pack.benchmarks.ruler.negatives import KINDS, negative
from pack.benchmarks.ruler.regions import regions, uncovered
from pack.benchmarks.ruler.score import score, standard
from pack.videograin.toybox import clips, poses, tasks, world
from pack.videograin.toybox.lively import Lively, lively_clip

DEVELOPMENT = suite.cases("development")


def same(frames):
    return frames


def test_the_same_clips_every_time_and_others_from_another_seed():
    assert suite.cases("development") == DEVELOPMENT
    others = suite.cases("development", 987_654)
    assert [case.kind for case in others] == [case.kind for case in DEVELOPMENT]
    assert not {case.seed for case in others} & {case.seed for case in DEVELOPMENT}


def test_every_task_has_its_turn_and_no_split_shares_a_clip():
    assert [sum(case.kind == kind for case in DEVELOPMENT) for kind in tasks.ALL_TASKS] == [2] * 12
    ranges = sorted((split.seed, split.seed + 1000 * split.count) for split in suite.SPLITS.values())
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    never = world.held_out_pairs() | world.held_out_settings()
    for case in DEVELOPMENT:
        assert not (suite.together(case.names, case.place) | suite.together(*suite.asked_for(case))) & never
        assert case.kind != "small" or case.staging.small
    assert sum(case.staging.passing for case in DEVELOPMENT) == 8


def test_test_clips_have_what_training_holds_out():
    never = world.held_out_pairs() | world.held_out_settings()
    for number in (0, 5, 9):
        case = suite.cases("test", 222_000)[number]
        assert (suite.together(case.names, case.place) | suite.together(*suite.asked_for(case))) & never


@pytest.mark.parametrize("where", [(0, 0), (150, 170)])
def test_a_crop_has_the_region_in_its_middle(where):
    y, x = where
    frame = np.zeros((192, 192, 3), np.uint8)
    mask = np.zeros((192, 192), bool)
    mask[y : y + 30, x : x + 20] = True
    frame[mask] = 200
    found = crop(frame, mask)
    assert found.shape == (SIDE, SIDE, 4) and found.dtype == np.uint8
    rows, columns = np.argwhere(found[..., 3] > 127).mean(0)
    assert rows == pytest.approx(31.5, abs=1.5) and columns == pytest.approx(31.5, abs=1.5)
    assert (found[found[..., 3] > 250][:, 0] > 190).all()
    with pytest.raises(ValueError, match="empty"):
        crop(frame, mask & False)


def test_negatives_keep_the_region_and_spoil_the_thing():
    shot = lively_clip(("cat", "bus"), "grass", 1, 3)
    thing, other = (crop(shot.frames[0], mask[0]) for mask in shot.masks)
    empty = crop(shot.wide[24:216, 24:216], shot.masks[0, 0])
    inside = thing[..., 3] > 127
    for number in range(len(KINDS)):
        drawn = [
            negative(thing, empty, other, zoom(shot.masks[0, 0]), np.random.default_rng(seed))
            for seed in range(number * 5, number * 5 + 5)
        ]
        for one in drawn:
            assert one.shape == thing.shape and (one[..., 3] == thing[..., 3]).all()
            assert np.abs(one[inside].astype(float) - thing[inside]).mean() > 8
            assert np.abs(one[~inside].astype(float) - empty[~inside]).mean() < 12


def test_nearness_tells_a_sticker_and_another_thing_from_other_draws():
    shot = lively_clip(("cat", "bus"), "sand", 3, 3)
    wanted = tasks.task("object", shot, 1)
    truth = tasks.truth(shot, wanted)
    outline, frames = truth.masks[0], [0, 1, 2]
    most = limit(truth.frames, other_draws(truth, same, 0), outline, frames)
    assert distance(crop(truth.frames[0], outline[0]), crop(truth.frames[0], outline[0])) == pytest.approx(0, abs=1e-6)
    assert 0.05 < most < 0.7
    stiff = [[thing._replace(pose=poses.STILL, degrees=0.0) for thing in track] for track in truth.tracks]
    sticker = clips.film(truth.wide, truth.place, stiff, truth.camera).frames
    assert (distances(truth.frames, sticker, outline, frames) > most).any()
    assert (distances(truth.frames, shot.frames, outline, frames) > most).all()


@pytest.mark.parametrize("kind", tasks.ALL_TASKS)
def test_regions_say_what_is_asked_of_each_part(kind):
    shot = lively_clip(("cat", "bus"), "grass", 2, 5, Lively(small=kind == "small"))
    for seed in range(3):
        wanted = tasks.task(kind, shot, seed)
        truth = tasks.truth(shot, wanted)
        found = regions(shot, wanted, truth)
        assert any(region.changes for region in found) and all(region.outline.any() for region in found)
        assert [region.changes for region in found[:2]] == [
            bool(wanted.style) or k < len(wanted.wishes) for k in range(2)
        ]
        if kind == "remove":
            assert found[0].wanted == Answer("nothing") and (found[0].outline & uncovered(shot, truth)).any()
        if wanted.place != shot.place:
            assert found[-1].wanted.name == wanted.place and found[-1].changes
        for region, track in zip(found, truth.tracks, strict=False) if kind != "remove" else ():
            assert region.wanted.name == track[0].name and region.wanted.material == track[0].material
            assert ("material" in region.asked) == (kind == "material" and region.changes)


def test_a_place_is_named_only_where_it_can_be_told():
    """Road, sand and snow are the same grey paper in a sketch, and nothing is left of them in the dark."""
    shot = lively_clip(("cat", "bus"), "road", 1, 0)
    plain = tasks.task("style", shot, 0)
    for style, asked in (("sketch", ("style",)), ("dark", ("style",)), ("flat", ("name", "style"))):
        whole = plain._replace(style=style, wishes=())
        assert regions(shot, whole, tasks.truth(shot, whole))[-1].asked == asked


def test_pasted_drawings_follow_the_mask_and_stay_inside():
    shot = lively_clip(("cat", "bus"), "sand", 4, 3, Lively(nearing=True))
    wanted = tasks.task("object", shot, 1)
    (wish,) = wanted.wishes
    laid = stickers.pasted(shot, wanted)
    np.testing.assert_array_equal(laid[~wish.mask], shot.frames[~wish.mask])
    assert all((laid[f] != shot.frames[f])[wish.mask[f]].mean() > 0.5 for f in range(4))


@pytest.fixture(scope="module")
def judges():
    return Judges.load()


def read(judges, frames, outline):
    return judges.read(np.stack([crop(frame, mask) for frame, mask in zip(frames, outline, strict=True)]))


def test_both_judges_name_drawn_things_and_places_and_know_nothing_of_blobs(judges):
    right, refused = [], []
    for seed, names in enumerate((("cat", "bus"), ("owl", "apple"), ("tiger", "robot"), ("frog", "truck"))):
        shot = lively_clip(names, ("grass", "snow", "sunset", "road")[seed], 2, 100 + seed)
        for k, name in enumerate(names):
            reading = read(judges, shot.frames, shot.masks[k])
            right += [reading.agree(f, Answer(name), ("name", "worn", "material", "style")) for f in range(2)]
            flat = np.where(shot.masks[k][..., None], shot.frames[shot.masks[k]].mean(0), shot.frames).astype(np.uint8)
            refused += [not read(judges, flat, shot.masks[k]).agree(f, Answer(name), ("name",)) for f in range(2)]
    assert np.mean(right) >= 0.75 and np.mean(refused) >= 0.9


def test_the_score_knows_the_truth_from_the_source_and_from_a_sticker(judges):
    found = {"truth": [], "pasted": [], "unedited": []}
    for case in (DEVELOPMENT[0], DEVELOPMENT[4], DEVELOPMENT[16]):
        _, shot, wanted = suite.example(case, 3)
        held = standard(shot, wanted, same, case.seed)
        for row, frames in (
            ("truth", held.truth.frames),
            ("pasted", stickers.pasted(shot, wanted)),
            ("unedited", shot.frames),
        ):
            found[row].append(score(held, frames, judges))
    mean = {row: np.mean([one["strict"] for one in scores]) for row, scores in found.items()}
    assert mean["truth"] > 0.75 and mean["unedited"] == 0 and mean["pasted"] < 0.5
    truth = found["truth"][0]
    assert truth["gap"] == pytest.approx(0, abs=1e-3) and found["unedited"][0]["gap"] > 1
    assert truth["near"] == 1 and truth["ring"] == 0 and truth["flicker"] == pytest.approx(1) and truth["leak"] == 0
    assert 0 <= truth["union_clip"] <= truth["union"] <= truth["strict"] <= 1


def test_an_atlas_gives_its_crops_back_and_the_sheet_shows_all_of_them():
    crops = np.random.default_rng(0).integers(0, 256, (60, SIDE, SIDE, 4), np.uint8)
    drawn = blind.drawn(crops, 40)
    np.testing.assert_array_equal(blind.crops_of(blind.atlas(drawn)), drawn)
    assert len({one.tobytes() for one in drawn}) == 40 and not np.array_equal(drawn, crops[:40])
    assert blind.sheet(drawn).height == 4 * (blind.SHOWN + 14)


def test_kappa_against_known_values():
    assert blind.kappa(["a", "b", "a"], ["a", "b", "a"]) == 1
    # 20 + 15 of 50 agree, 25 × 30 + 25 × 20 of 50² by chance.
    one, other = ["yes"] * 25 + ["no"] * 25, ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert blind.kappa(one, other) == pytest.approx(0.4)
    assert blind.kappa(["a", "b"], ["b", "a"]) < 0


def test_a_person_and_the_judges_name_the_same_in_blind_crops(judges):
    words = blind.WORDS.read_text().split()
    crops = blind.crops_of(Image.open(blind.CROPS))
    seen = blind.seen(crops, judges)
    assert len(words) == len(crops) == blind.COUNT
    assert blind.kappa(words, seen) >= 0.8
    misnamed = [a for a, b in zip(words, seen, strict=True) if b not in (a, "nothing")]
    assert len(misnamed) <= 0.05 * len(words)  # where they differ, the judges see nothing
