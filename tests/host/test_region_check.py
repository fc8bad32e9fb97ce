"""Region Check inside ComfyUI: the demo model says which regions of a drawn edit are there."""

import json

import pytest
import torch

from pack.nodes.check import RegionCheck
from pack.videograin.core.regions import Region
from pack.videograin.toybox.lively import Lively, lively_clip

pytestmark = pytest.mark.usefixtures("inference_mode")


@pytest.fixture(scope="module")
def drawn(demo):
    """A cat and a firetruck in the snow, as they would come out of an edit: frames, latent, masks."""
    shot = lively_clip(("cat", "firetruck"), "snow", 3, 5, Lively())
    frames, masks = torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks).float()
    with torch.inference_mode():
        return frames, {"samples": demo[2].encode(frames)}, masks


def regions(masks, *words):
    return tuple(Region(mask, phrase, 1.0, was) for mask, (phrase, was) in zip(masks, words, strict=True))


@pytest.mark.once
def test_a_right_region_is_not_doubted_and_a_wrong_one_is(demo, drawn):
    model, clip, _ = demo
    frames, latent, masks = drawn
    asked = regions(masks, ("a cat", "a wolf"), ("a frog", "a tractor"))
    same, report, picture, share, scores = RegionCheck.execute(model, clip, latent, asked, frames=frames).result
    print(report, share, scores)
    assert same is latent
