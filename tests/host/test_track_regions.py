"""Track Regions inside ComfyUI: the demo model follows what is marked, and says what it cannot take."""

import comfy.context_windows
import pytest
import rig
import torch

from pack.nodes.attention import FullFrameAttention
from pack.nodes.inversion import DDIMInversion
from pack.nodes.track import TrackRegions
from pack.videograin.core import cross_frame
from pack.videograin.jobs import track_regions
from pack.videograin.toybox.lively import Lively, lively_clip

pytestmark = pytest.mark.usefixtures("inference_mode")


def tensors(shot):
    return torch.from_numpy(shot.frames).float() / 255, torch.from_numpy(shot.masks)


def similarity(found, truth, least=1):
    """J of each frame that shows at least `least` pixels."""
    found = found > 0.5
    return [float((a & b).sum() / (a | b).sum()) for a, b in zip(found, truth, strict=True) if b.sum() >= least]


@pytest.fixture(scope="module")
def passing():
    """Two bent things that change places, the first behind the second."""
    return tensors(lively_clip(("cat", "firetruck"), "snow", 7, 5, Lively(passing=True)))


@pytest.mark.once
def test_two_that_pass_each_other_are_followed_from_one_mask_each(demo, passing):
    model, _, vae = demo
    frames, truth = passing
    *found, preview, text = TrackRegions.execute(
        model, frames, truth[0, :1].float(), vae=vae, mask_2=truth[1, :1].float()
    ).result
    assert all(mask.shape == truth.shape[1:] for mask in found) and not found[2].any() and not found[3].any()
    for mask, thing in zip(found, truth, strict=False):
        still = similarity(thing[:1].float().expand(7, -1, -1), thing, 300)
        assert min(still) < 0.1 and sum(still) / len(still) < 0.6  # what copying the first mask would get
        assert sum(similarity(mask, thing, 300)) / len(still) > 0.85
        assert similarity(mask, thing, 300)[-1] > 0.9
    assert not (found[0] * found[1]).any()
    assert preview.shape == frames.shape and text.splitlines()[1] == "region 2: sure in every frame"


@pytest.mark.once
def test_marks_in_several_frames_and_an_inversion(demo, passing):
    """What is marked comes out as it went in. The inversion's key set does not matter: each frame is seen alone."""
    model, clip, vae = demo
    frames, truth = passing
    joined = FullFrameAttention.execute(model, cross_frame.ALL).result[0]
    prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a cat and a firetruck in the snow"))
    inversion = DDIMInversion.execute(joined, prompt, {"samples": vae.encode(frames)}, 5, "ddim_uniform", 0).result[1]
    whole = truth[1].float()
    found = TrackRegions.execute(joined, frames, whole, "6, 0", inversion=inversion, conditioning=prompt).result[0]
    assert torch.equal(found[[0, 6]], whole[[0, 6]])
    assert sum(similarity(found, truth[1])) / 7 > 0.85


@pytest.mark.once
def test_frames_are_shown_a_few_at_a_time(demo, passing, monkeypatch):
    """Their number in a call changes nothing but rounding, and the last call is as large as the others."""
    model, _, vae = demo
    frames, _ = passing
    shown = track_regions.from_frames(model, vae, frames, 1, "Track Regions")
    whole, grid = track_regions.look(model, shown, None)
    sizes = []
    counted = model.clone()

    def count(apply, call):
        sizes.append(len(call["input"]))
        return apply(call["input"], call["timestep"], **call["c"])

    counted.set_model_unet_function_wrapper(count)
    monkeypatch.setattr(track_regions, "TOGETHER", 4)
    parts, _ = track_regions.look(counted, shown, None)
    assert grid == (24, 24) and sizes == [4, 4]
    assert float((whole.float() - parts.float()).abs().max()) < 2e-3


def test_a_frame_of_a_long_clip_is_seen_as_in_a_shorter_one(demo):
    """More frames than one call holds: the same frame in another call, with other frames beside it."""
    model, _, vae = demo
    frames, mask = drifting(11)
    whole, part = (
        track_regions.look(model, track_regions.from_frames(model, vae, some, 1, "Track Regions"), None)[0]
        for some in (frames, frames[3:])
    )
    assert len(frames) > track_regions.TOGETHER
    assert float((whole[3:].float() - part.float()).abs().max()) < 2e-3
    found, again = (
        TrackRegions.execute(model, some, mask[:1], vae=vae, enlarge=1).result[0] for some in (frames, frames[:9])
    )
    assert min(similarity(found, mask > 0.5)) > 0.7
    assert min(similarity(found[:9], again > 0.5)) > 0.99


def test_context_windows_on_the_model_change_nothing(demo):
    """Windows of 3 frames, with FreeNoise, which asks for them when sampling starts."""
    model, _, vae = demo
    windowed = rig.windowed(model)
    comfy.context_windows.create_sampler_sample_wrapper(windowed)
    frames, mask = drifting(5)
    plain, found = (TrackRegions.execute(each, frames, mask, vae=vae, enlarge=1).result for each in (model, windowed))
    assert all(torch.equal(a, b) for a, b in zip(plain[:5], found[:5], strict=True))
    assert "context_handler" in windowed.model_options


def drifting(count):
    """A square that moves over a still ground: frames and its masks."""
    ground = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0)).repeat(count, 1, 1, 1) * 0.2
    masks = torch.zeros(count, 64, 64)
    for frame in range(count):
        masks[frame, 20:44, 8 + 3 * frame : 32 + 3 * frame] = 1
    return torch.where(masks[..., None] > 0, torch.tensor([0.9, 0.3, 0.1]), ground), masks


def test_room_for_a_hat_moves_with_its_wearer(demo):
    """Nothing in it can be followed: alone it is lost on the ground, with its thing it stays above it."""
    model, _, vae = demo
    frames, masks = drifting(7)
    hat = torch.zeros(1, 64, 64)
    hat[:, 6:20, 14:26] = 1
    wanted = torch.stack([torch.roll(hat[0], 3 * frame, 1) for frame in range(7)]) > 0.5

    def followed(**rooms):
        result = TrackRegions.execute(model, frames, masks[:1], vae=vae, enlarge=1, mask_2=hat, **rooms).result
        return result[1], result[5]

    (alone, _), (moved, text) = followed(), followed(rooms="2:1")
    assert min(similarity(moved, wanted)) > 0.75 > min(similarity(alone, wanted))
    assert text.count("sure in every frame") == 2


def test_a_deep_network_is_read_at_its_finest_decoder_grid():
    model = rig.random_unet()
    keys = track_regions.Keys(model, 16, 16, "Track Regions")
    assert keys.level == 1 and keys.grid == (16, 16)
    assert {site[0] for site in keys.sites} == {"input", "output"} and len(keys.sites) == 4
    assert track_regions.Keys(model, 128, 96, "Track Regions").grid == (64, 48)  # 12288 tokens would be too many
    shown = track_regions.Shown(rig.latent(3), 1.0, "Track Regions")
    features, _ = track_regions.look(model, shown, None)
    torch.testing.assert_close(features.float().norm(dim=-1), torch.ones(3, 256), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"marked_frames": "7"}, "`marked_frames` names frame 7, but the clip's frames are numbered 0 to 6"),
        ({"marked_frames": "one"}, "`marked_frames` has “one”, which is no frame number"),
        ({"mask_1": torch.ones(3, 192, 192)}, "`mask_1` has 3 masks. Give one for each of the 1 `marked_frames`, or one for each"),
        ({"mask_2": torch.zeros(1, 192, 192)}, "`mask_2` is empty in the marked frame 0: no pixel is above 0.5"),
        ({"rooms": "2:1"}, "`rooms` names mask 2, which is not connected. Connect it, or leave it out"),
        ({"vae": None}, "neither `vae` nor `inversion`. Connect one of them"),
        ({"enlarge": 3}, "`enlarge` is 3, but must be from 1 to 2"),
    ],
)  # fmt: skip
def test_bad_input_is_named_before_the_model_runs(demo, passing, changes, message):
    model, _, vae = demo
    given = {"mask_1": passing[1][0, :1].float(), "vae": vae, **changes}
    with pytest.raises(ValueError, match=message):
        TrackRegions.execute(rig.uncalled(model), passing[0], **given)


@pytest.mark.once
def test_an_inversion_of_other_frames_is_refused(demo, passing):
    model, clip, vae = demo
    frames, truth = passing
    prompt = clip.encode_from_tokens_scheduled(clip.tokenize("a cat"))
    inversion = DDIMInversion.execute(model, prompt, {"samples": vae.encode(frames[:2])}, 2, "ddim_uniform", 0).result[
        1
    ]
    mask = truth[0, :1].float()
    with pytest.raises(ValueError, match="7 of 192×192 pixels, but its `inversion` is of 2 of 192×192"):
        TrackRegions.execute(model, frames, mask, inversion=inversion)
    with pytest.raises(ValueError, match="both `vae` and `inversion`"):
        TrackRegions.execute(model, frames, mask, inversion=inversion, vae=vae)


def test_frames_of_any_size_get_masks_of_that_size(demo):
    """No side is a multiple of the latent's cell; nothing is cut off."""
    frames, mask = torch.rand(2, 67, 77, 3), torch.zeros(1, 67, 77)
    mask[:, 20:50, 30:60] = 1
    found = TrackRegions.execute(demo[0], frames, mask, vae=demo[2], enlarge=1).result
    assert found[0].shape == (2, 67, 77) and found[4].shape == (2, 67, 77, 3)
    assert torch.equal(found[0][:1], mask)
