"""Split Instances as a node: a mask for each thing, what it shows, and what it says."""

import json

import pytest
import torch

from pack.nodes.demo import DemoClip
from pack.nodes.instances import SplitInstances

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
