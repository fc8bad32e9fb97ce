"""Split Instances as a node: a mask for each thing, what it shows, and what it says."""

import json

import numpy as np
import pytest
import rig
import torch

from pack.nodes.demo import DemoClip
from pack.nodes.instances import SplitInstances
from pack.nodes.inversion import DDIMInversion
from pack.videograin.toybox import world
from pack.videograin.toybox.clips import MARGIN, film
from pack.videograin.toybox.lively import Lively, lively_clip

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def clip():
    frames, left, right, *_ = DemoClip.execute("wolf", "pig", "snow", 8, 2.0, 1).result
    return frames, left, right


def test_the_demos_two_things_from_one_mask(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("folder_paths.temp_directory", str(tmp_path))
    frames, left, right = clip
    both = torch.maximum(left, right)
    output = SplitInstances.execute(both, 2, "left to right", "wolf, pig", frames)
    first, second, third, fourth, preview, report = output.result
    for found, true in ((first, left), (second, right)):
        assert found.dtype == torch.float32 and ((found > 0.5) == (true > 0.5)).float().mean() > 0.99
    assert torch.equal(first + second, both) and not third.any() and not fourth.any()
    assert preview.shape == frames.shape and torch.equal(preview.amax(-1) > 0, both > 0)
    assert report.splitlines()[0].startswith("1: wolf, ") and report.splitlines()[1].startswith("2: pig, ")
    rows = json.loads(output.ui["videograin"][0])["rows"]
    assert [row["name"] for row in rows] == ["wolf", "pig"] and all(len(row["area"]) == 8 for row in rows)
    assert all((tmp_path / row["picture"]["subfolder"] / row["picture"]["filename"]).exists() for row in rows)


def test_names_may_be_missing_and_masks_single(clip):
    mask = torch.zeros(32, 32)
    mask[4:8, 4:8] = mask[20:28, 20:28] = 1
    *_, report = SplitInstances.execute(mask, 2, "large to small", "big").result
    assert report == "1: big, 6.2% to 6.2%\n2: thing 2, 1.6% to 1.6%"


def test_what_does_not_fit_is_told(clip):
    frames, left, right = clip
    with pytest.raises(ValueError, match=r"no frame of the mask has 4 separate parts.*Lower `instances`"):
        SplitInstances.execute(torch.maximum(left, right), 4, "left to right")
    with pytest.raises(ValueError, match=r"`frames` are 4 of 192×192 pixels, but its `mask` is 8 of 192×192"):
        SplitInstances.execute(left, 1, "left to right", "", frames[:4])


# ---- with a MODEL -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crossing():
    """Two bent things that change places, the first behind the second: (frames, masks (2, F, H, W) bool)."""
    shot = lively_clip(("bear", "rocket"), "road", 6, 7302, Lively(passing=True))
    return torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks)


def similarity(found, truth):
    """J of each thing and frame, (2, F), under one numbering for the whole clip, the better of the two."""
    found = torch.stack(found[:2]) > 0.5
    both = [(each & truth).sum((2, 3)) / (each | truth).sum((2, 3)) for each in (found, found[[1, 0]])]
    return max(both, key=lambda j: float(j.mean()))


def test_things_that_cross_keep_their_number_with_a_model(demo, crossing):
    model, _, vae = demo
    frames, truth = crossing
    both = truth.any(0).float()
    without = similarity(SplitInstances.execute(both, 2, "left to right", "", frames).result, truth)
    assert without.mean() < 0.7 and without[:, [0, -1]].min() < 0.1  # swapped at one end
    found = SplitInstances.execute(both, 2, "left to right", "", frames, model, vae).result
    assert similarity(found, truth).mean() > 0.9 and similarity(found, truth).min() > 0.7
    assert torch.equal(found[0] + found[1], both)


def test_twins_are_followed_by_their_motion_and_the_report_says_why(demo):
    shot = lively_clip(("bus", "bus"), "sunset", 4, 7301, Lively(passing=True))
    frames, mask = torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks).any(0).float()
    model, _, vae = demo
    found, without = (
        SplitInstances.execute(mask, 2, "left to right", "", frames, *more).result for more in ((model, vae), ())
    )
    assert torch.equal(found[0], without[0])
    assert found[5].startswith(without[5]) and "The model cannot tell these things apart" in found[5].splitlines()[-1]


def test_a_thing_that_is_wholly_hidden_is_empty_with_a_model(demo):
    wide = world.draw_background("grass", (world.SIZE + 2 * MARGIN,) * 2, np.random.default_rng(3))
    tracks = [[world.Placed("pig", x, 100, 34) for x in (24, 96, 168)], [world.Placed("pumpkin", 96, 96, 90)] * 3]
    shot = film(wide, "grass", tracks, np.zeros((3, 2), int))
    frames, truth = torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks)
    assert truth[0].any((1, 2)).tolist() == [True, False, True]
    model, _, vae = demo
    large, small, *_ = SplitInstances.execute(truth.any(0).float(), 2, "large to small", "", frames, model, vae).result
    assert not small[1].any() and torch.equal(large[1] > 0.5, truth[1, 1])
    assert similarity([small, large], truth)[:, [0, 2]].min() > 0.9


def test_an_inversion_takes_the_place_of_the_vae(demo, crossing):
    """Frames and mask are cut as the inversion was."""
    model, clip, vae = demo
    frames, truth = crossing
    prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a bear and a rocket on the road"))
    whole = torch.nn.functional.pad(frames, (0, 0, 2, 2))
    mask = torch.nn.functional.pad(truth.any(0).float(), (2, 2))
    inversion = DDIMInversion.execute(model, prompt, {"samples": vae.encode(frames)}, 4, "ddim_uniform", 0).result[1]
    found = SplitInstances.execute(mask, 2, "left to right", "", whole, model, None, inversion).result
    assert similarity(found, truth).mean() > 0.85 and torch.equal(found[0] + found[1], truth.any(0).float())
    with pytest.raises(
        ValueError, match="`frames` of Split Instances are 4 of 192×192 pixels, but its `inversion` is of 6"
    ):
        SplitInstances.execute(mask[:4], 2, "left to right", "", whole[:4], model, None, inversion)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": None}, "has a `model` but no `frames` to show it"),
        ({"vae": None}, "neither `vae` nor `inversion`. Connect one of them"),
        ({"model": None}, "has `vae` but no `model`. Connect the MODEL too"),
        ({"mask": torch.ones(6, 192, 192)}, "no frame of the mask has 2 separate parts.*Lower `instances`"),
    ],
)
def test_what_a_model_needs_is_told_before_it_runs(demo, crossing, changes, message):
    frames, truth = crossing
    given = {"mask": truth.any(0).float(), "frames": frames, "model": rig.uncalled(demo[0]), "vae": demo[2], **changes}
    with pytest.raises(ValueError, match=message):
        SplitInstances.execute(instances=2, order="left to right", **given)
