"""Region Check inside ComfyUI: the demo model says which regions of a clip are there, and leaves nothing behind."""

import gc
import json
import math
import weakref
from typing import NamedTuple

import comfy.model_management
import pytest
import recipe
import rig
import torch
from torch import Tensor

from pack.nodes.blend import LatentBlend
from pack.nodes.check import RegionCheck
from pack.videograin.core.regions import Region
from pack.videograin.toybox.lively import Lively, lively_clip

pytestmark = pytest.mark.usefixtures("inference_mode")
LIMIT = 0.05  # the default is for benchmarks/CHECK.md to judge


class Edit(NamedTuple):
    frames: Tensor
    latent: dict
    region: Tensor  # (F, H, W)


@pytest.fixture(scope="module")
def edit(demo):
    """A firetruck in the snow becomes a fox by Set Latent Noise Mask: in frame 0 it does, in frame 1 only scraps are left."""
    model, clip, vae = demo
    shot = lively_clip(("cat", "firetruck"), "snow", 2, 5, Lively())
    truck, words = torch.from_numpy(shot.masks[1]).float(), [recipe.encode(clip, t) for t in ("a fox, in the snow", "")]
    with torch.inference_mode():
        source = vae.encode(torch.from_numpy(shot.frames).float() / 255)
        samples = rig.sample(model, *words, source, True, steps=10, cfg=7.5, noise_mask=truck[:, None])
        return Edit(vae.decode(samples), {"samples": samples}, truck)


@pytest.mark.once
def test_frames_without_the_thing_are_told(demo, edit):
    """Both regions are where the truck was; nothing of a cow is there."""
    asked = Region(edit.region, "a fox"), Region(edit.region, "a cow")
    same, report, picture, share, scores = RegionCheck.execute(
        demo[0], demo[1], edit.latent, asked, frames=edit.frames, limit=LIMIT
    ).result
    assert report.splitlines() == [
        "region 1 (“a fox”) looks empty or wrong in frame 1",
        "region 2 (“a cow”) looks empty or wrong in frames 0 to 1",
    ]
    assert same is edit.latent and share == 0.25
    fox, cow = (each["scores"] for each in json.loads(scores))
    assert fox[0] > LIMIT > max(fox[1], *cow)
    changed = (picture - edit.frames).abs().amax(-1) > 0.01
    assert changed.flatten(1).any(1).all() and not changed[..., :80].any()  # the truck is on the right


@pytest.mark.once
def test_frames_that_are_not_doubted_stay_as_they_are(demo, edit):
    asked = (Region(edit.region, "a fox"),)
    picture = RegionCheck.execute(demo[0], demo[1], edit.latent, asked, frames=edit.frames, limit=LIMIT).result[2]
    assert torch.equal(picture[0], edit.frames[0]) and not torch.equal(picture[1], edit.frames[1])


@pytest.mark.once
def test_what_our_nodes_put_on_the_model_does_not_act(demo, edit):
    model, clip, _ = demo
    _, latent, mask = edit
    prompt = recipe.encode(clip, "a cat and a pig in the snow")
    _, inversion, _ = recipe.DDIMInversion.execute(model, prompt, latent, 2, "ddim_uniform", 0).result
    busy = LatentBlend.execute(recipe.st_layout(recipe.full_frame(model)), "inversion", inversion).result[0]
    asked = (Region(mask, "a fox"),)
    plain, ours = (RegionCheck.execute(each, clip, latent, asked).result for each in (model, busy))
    assert plain[4] == ours[4]


def test_frames_are_looked_at_alone_and_a_few_in_a_call(unet, clip, monkeypatch):
    """Of a long clip, with a mask for all frames; the model's own context windows do not matter."""
    latent, mask = {"samples": rig.latent(11)}, recipe.half(1)
    sizes = []
    counted = rig.windowed(unet).clone()

    def count(apply, call):
        sizes.append(len(call["input"]))
        return apply(call["input"], call["timestep"], **call["c"])

    counted.set_model_unet_function_wrapper(count)
    whole, part = (
        json.loads(RegionCheck.execute(counted, clip, {"samples": some}, (Region(mask, "a cat"),)).result[4])
        for some in (latent["samples"], latent["samples"][8:])
    )
    assert set(sizes) == {8, 3}
    assert whole[0]["scores"][8:] == pytest.approx(part[0]["scores"], abs=2e-4)


def test_other_predictions_of_the_network_are_taken(clip):
    model = rig.random_unet(v_prediction=True)
    scores = json.loads(
        RegionCheck.execute(model, clip, {"samples": rig.latent(1)}, (Region(recipe.half(1), "a cat"),)).result[4]
    )
    assert all(map(math.isfinite, scores[0]["scores"]))


@pytest.mark.parametrize("words", [("a cat", "A cat"), ("", "a cat")])
def test_regions_that_nothing_is_asked_of_cost_nothing(unet, clip, words):
    found = RegionCheck.execute(
        rig.uncalled(unet), clip, {"samples": rig.latent(2)}, (Region(recipe.half(1), words[0], was=words[1]),)
    ).result
    assert "region 1" in found[1] and "is not checked" in found[1]
    assert math.isnan(found[3]) and json.loads(found[4])[0]["scores"] == []
    assert found[2].shape == (2, 128, 128, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": ()}, "`regions` is empty. Connect those of Regions, or of the last Region Prompt"),
        ({"regions": (Region(torch.ones(2, 128, 128), "a cat"),)}, "Region 1 \"a cat\" has 2 masks, but the latent has 3 frames"),
        ({"latent": {"samples": torch.zeros(1, 4, 3, 16, 16)}}, "`latent` is .* Connect the LATENT of the sampler"),
        ({"latent": {"samples": torch.full((3, 4, 16, 16), torch.nan)}}, "`latent` contains NaN or infinite"),
        ({"frames": torch.zeros(2, 128, 128, 3)}, "`frames` are 2, but its `latent` has 3. Connect the frames"),
        ({"clip": None}, "Region Check's `clip` is empty"),
        ({"limit": 11.0}, "`limit` is 11.0, but must be from -1"),
    ],
)  # fmt: skip
def test_bad_input_is_named_before_the_model_runs(unet, clip, changes, message):
    given = {"latent": {"samples": rig.latent(3)}, "regions": (Region(recipe.half(3), "a cat"),), "clip": clip}
    with pytest.raises(ValueError, match=message):
        RegionCheck.execute(rig.uncalled(unet), **{**given, **changes})


def test_a_step_cache_is_refused(unet, clip):
    cached = unet.clone()
    cached.add_wrapper_with_key("diffusion_model", "easycache", lambda *_: None)
    with pytest.raises(ValueError, match=r"cache \(easycache\) is active on Region Check's `model`"):
        RegionCheck.execute(cached, clip, {"samples": rig.latent(3)}, (Region(recipe.half(3), "a cat"),))


def test_cancel_ends_it_and_nothing_stays(unet, clip, monkeypatch):
    calls, before = [], dict(unet.model_options)
    latent = {"samples": rig.latent(3)}
    gone = weakref.ref(latent["samples"])
    stopped = unet.clone()

    def stop(apply, call):
        calls.append(1)
        if len(calls) == 3:
            comfy.model_management.interrupt_current_processing(True)
        return apply(call["input"], call["timestep"], **call["c"])

    stopped.set_model_unet_function_wrapper(stop)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        RegionCheck.execute(stopped, clip, latent, (Region(recipe.half(3), "a cat"),))
    assert len(calls) == 3 and unet.model_options == before
    del latent
    gc.collect()
    assert gone() is None
