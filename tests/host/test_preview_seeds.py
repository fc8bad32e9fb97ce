"""Preview Seeds inside ComfyUI: one frame of the edit at hand, under the noise that it has in the whole clip."""

import gc
import json
import weakref

import comfy.model_management
import comfy.utils
import nodes as host
import pytest
import recipe
import rig
import torch
from placed import PROMPT, placed
from prompts import Runner, node, opening, register, write_clip

from pack.nodes.anchors import AnchorAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.motion import FlowGuidedAttention
from pack.nodes.preview import PreviewSeeds
from pack.nodes.regions import BindRegionPrompts
from pack.nodes.source import InjectSourceFeatures
from pack.nodes.vary import VaryNoise
from pack.videograin.core.regions import Region

pytestmark = pytest.mark.usefixtures("inference_mode", "private_folders")
NETWORK = rig.small_unet
GIVEN = {"frame": 1, "variations": 2, "seed": 5, "cfg": 4.0, "denoise": 1.0, "pick": 1, "steps": 2}


class Seen:
    """A VAE whose pictures are the latent's first channels, to the bit."""

    def decode(self, samples):
        return samples[:, :3].movedim(1, -1)


def moving(frames=3):
    """A mask that is another in every frame."""
    mask = torch.zeros(frames, 128, 128)
    for frame in range(frames):
        mask[frame, :, 32 * frame : 32 * frame + 48] = 1
    return mask


def regions(words="a cat", was="", mask=None):
    return (Region(moving() if mask is None else mask, words, was=was),)


def previewed(model, clip, latent, positive=None, vae=None, **changes):
    given = {"regions": regions(), **GIVEN, **changes}
    found = PreviewSeeds.execute(model, clip, vae or Seen(), positive or rig.text(2), rig.text(3), latent, **given)
    return found.result


def by_seed(found):
    """The pictures by their seeds."""
    return {row["seed"]: picture for row, picture in zip(json.loads(found[3]), found[0], strict=True)}


def alike(found, edited):
    """Whether each picture is frame 1 of the whole clip's edit with its seed, and not frame 0. edited: seed -> latents."""
    for seed, picture in by_seed(found).items():
        truth = Seen().decode(edited(seed))
        assert rig.rms(picture - truth[1]) < 2e-5 * rig.rms(truth[1])
        assert rig.rms(picture - truth[0]) > 0.1 * rig.rms(truth[0])


def from_noise(model, latent, positive=None, **more):
    """The whole clip by seed, as KSampler makes it."""
    texts = positive or rig.text(2), rig.text(3)
    return lambda seed: rig.sample(model, *texts, latent, True, GIVEN["steps"], 4.0, "euler", "normal", seed, **more)


# ---- it is the edit's own frame -------------------------------------------------------------------------------------


@pytest.mark.parametrize("denoise", [1.0, 0.5])
def test_a_preview_is_the_frame_that_the_sampler_would_make(unet, clip, denoise):
    """Where frames do not see each other, and in as many steps; in a noise mask."""
    latent, mask = rig.latent(3), moving()[:, None]
    found = previewed(unet, clip, {"samples": latent, "noise_mask": mask}, denoise=denoise)
    alike(found, from_noise(unet, latent, noise_mask=mask, denoise=denoise))


def test_one_noise_for_all_frames_is_the_frames_own(unet, clip):
    """Latent Batch Seed Behavior on “fixed”: as of a clip that has this frame alone."""
    latent = rig.latent(3)
    found = by_seed(previewed(unet, clip, {"samples": latent, "batch_index": [0, 0, 0]}))
    for seed, picture in found.items():
        truth = Seen().decode(from_noise(unet, latent[1:2])(seed))[0]
        assert rig.rms(picture - truth) < 2e-5 * rig.rms(truth)


def test_regions_a_blend_and_hints_are_those_of_the_frame(unet, clip):
    latent, hints = rig.latent(3), torch.rand(3, 128, 128, 3, generator=torch.Generator().manual_seed(2))
    prompt = BindRegionPrompts.execute(clip, "a cat on grass", regions()).args[0]
    prompt = host.ControlNetApply().apply_controlnet(
        prompt, rig.controlnet(channel_mult=[1, 2], num_res_blocks=[1, 1], transformer_depth=[0, 1]), hints, 1.0
    )[0]
    model = recipe.st_layout(recipe.full_frame(unet, "own"))
    model = LatentBlend.execute(model, "progressive", source={"samples": latent}, mask=moving()).args[0]
    alike(previewed(model, clip, {"samples": latent}, prompt), from_noise(model, latent, prompt))


@pytest.fixture(scope="module")
def inverted(unet):
    with torch.inference_mode():
        return recipe.invert(recipe.full_frame(unet, "own"))[:2]


def blended(model, inversion):
    return LatentBlend.execute(recipe.full_frame(model, "own"), "inversion", inversion, mask=moving()).args[0]


@pytest.mark.parametrize("injects", [False, True])
def test_from_inverted_noise_seeds_act_as_in_vary_noise(unet, clip, inverted, injects):
    noise, inversion = inverted
    model = blended(unet, inversion)
    if injects:
        model = InjectSourceFeatures.execute(model, inversion, rig.text(1), 0.5, 0.5).args[0]
    found = previewed(model, clip, noise, steps=4, variation=0.4)

    def edited(seed):
        start = VaryNoise.execute(noise, inversion, 0.4, seed, regions=regions()).args[0]
        return recipe.edit(model, start, steps=4)

    alike(found, edited)


def test_fewer_steps_are_some_of_the_inversions_levels(unet, clip, inverted):
    noise, inversion = inverted
    first, second = (
        previewed(blended(unet, inversion), clip, noise, steps=steps, variation=0.4)[0] for steps in (2, 3)
    )
    assert torch.isfinite(first).all() and not torch.equal(first, second)


@pytest.mark.parametrize(
    "directed",
    [
        lambda model, clip: AnchorAttention.execute(recipe.full_frame(model, "own"), 2, "concat").args[0],
        lambda model, clip: AnchorAttention.execute(model, 0, "concat", frames="0, 2").args[0],
        lambda model, clip: FlowGuidedAttention.execute(model, torch.rand(3, 128, 128, 3), "1/1", False).args[0],
        lambda model, clip: rig.windowed(recipe.full_frame(model)),
        lambda model, clip: recipe.full_frame(model, "first + previous", clip_norm=True),
    ],
)
def test_what_joins_frames_leaves_a_single_one_alone(unet, clip, directed):
    latent = {"samples": rig.latent(3)}
    plain, ours = (previewed(model, clip, latent)[0] for model in (unet, directed(unet, clip)))
    assert torch.allclose(plain, ours, rtol=1e-4, atol=1e-3)


def test_objects_are_placed_in_it(unet, clip):
    latent, prompt = {"samples": rig.latent(3)}, recipe.encode(clip, PROMPT)
    model = placed(unet, clip, mask=moving(), level="1/2")
    plain, ours = (previewed(each, clip, latent, prompt)[0] for each in (unet, model))
    assert torch.isfinite(ours).all() and not torch.allclose(plain, ours, atol=1e-3)


# ---- what is chosen -------------------------------------------------------------------------------------------------


def test_the_best_stands_first_and_the_picked_one_goes_on(unet, clip):
    latent = {"samples": rig.latent(3)}
    pictures, sheet, seed, scores = previewed(unet, clip, latent, variations=4)
    rows = json.loads(scores)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert {row["seed"] for row in rows} == {5, 6, 7, 8} and seed == rows[0]["seed"]
    assert pictures.shape == (4, 16, 16, 3) and sheet.ndim == 4
    again = previewed(unet, clip, latent, variations=4, pick=3)
    assert again[2] == rows[2]["seed"] and torch.equal(again[0], pictures)


def test_of_regions_only_those_are_scored_that_can_be(unet, clip):
    asked = (*regions(), *regions("a dog", was="a dog"))
    row = json.loads(previewed(unet, clip, {"samples": rig.latent(3)}, regions=asked)[3])[0]
    cat, dog = row["regions"]
    assert row["score"] == cat["score"] and dog == {"words": "a dog", "score": None}


def test_where_no_region_can_be_asked_the_seeds_keep_their_order(unet, clip, monkeypatch):
    said = []
    monkeypatch.setattr("pack.videograin.comfyui.progress.tell", said.append)
    tiny = torch.zeros(1, 128, 128)
    tiny[..., :8, :8] = 1
    asked = (*regions("a dog", was="a dog"), *regions(mask=tiny))
    found = previewed(unet, clip, {"samples": rig.latent(3)}, regions=asked, variations=3)
    assert found[2] == 5 and [row["seed"] for row in json.loads(found[3])] == [5, 6, 7]
    assert said[-1] == (
        "Frame 1: no region is checked (region 1: its words are those of before; region 2: it is too small in this frame), so "
        "the seeds keep their order"
    )


def test_seeds_of_one_score_keep_their_order(unet, clip, monkeypatch):
    """A network that takes no noise away, whatever the words."""
    said, deaf = [], unet.clone()
    monkeypatch.setattr("pack.videograin.comfyui.progress.tell", said.append)
    deaf.set_model_unet_function_wrapper(lambda apply, call: call["input"])
    found = previewed(deaf, clip, {"samples": rig.latent(3)}, variations=3)
    assert [row["seed"] for row in json.loads(found[3])] == [5, 6, 7]
    assert said[-1] == "Frame 1: the score of every seed is 0.00, so they keep their order"


def test_the_middle_frame_is_the_default(unet, clip):
    latent = {"samples": rig.latent(3)}
    assert torch.equal(*(previewed(unet, clip, latent, frame=frame)[0] for frame in (-1, 1)))


def test_the_last_seed_is_followed_by_the_first(unet, clip):
    rows = json.loads(previewed(unet, clip, {"samples": rig.latent(3)}, seed=2**53 - 1)[3])
    assert {row["seed"] for row in rows} == {2**53 - 1, 0}


def test_the_sampler_takes_the_picked_seed_in_a_prompt(monkeypatch):
    """The region is all of the picture, so it is not checked, and the second preview is the second seed's."""
    register(monkeypatch)
    shared = {"model": ["demo", 0], "positive": ["bind", 0], "negative": ["negative", 0], "cfg": 4.0, "denoise": 1.0}
    previews = node("VideoGrainPreviewSeeds", **shared, clip=["demo", 1], vae=["demo", 2], latent=["latent", 0],
                    regions=["region", 0], frame=-1, variations=2, seed=7, pick=2, steps=1)  # fmt: skip
    graph = {**opening(write_clip("clip")), "previews": previews}
    runner = Runner()

    def edited(seed):
        sampler = node("KSampler", **shared, latent_image=["latent", 0], seed=seed, steps=1, sampler_name="euler",
                       scheduler="normal")  # fmt: skip
        decode = node("VAEDecode", samples=["sample", 0], vae=["demo", 2])
        return runner.run(
            {**graph, "sample": sampler, "decode": decode, "result": node("Digest", images=["decode", 0])}
        )["result"]

    linked = edited(["previews", 2])
    assert linked == edited(8) != edited(7)


# ---- what it costs --------------------------------------------------------------------------------------------------


def counted(unet, sizes, stop_at=0):
    """The MODEL, whose calls are counted; at one of them the user cancels."""
    model = unet.clone()

    def count(apply, call):
        sizes.append(len(call["input"]))
        if len(sizes) == stop_at:
            comfy.model_management.interrupt_current_processing(True)
        return apply(call["input"], call["timestep"], **call["c"])

    model.set_model_unet_function_wrapper(count)
    return model


def test_seeds_are_sampled_one_by_one_under_one_bar(unet, clip):
    sizes, bar = [], []
    comfy.utils.set_progress_bar_global_hook(lambda value, total, *_, **__: bar.append((value, total)))
    try:
        previewed(counted(unet, sizes), clip, {"samples": rig.latent(3)}, variations=4)
    finally:
        comfy.utils.set_progress_bar_global_hook(None)
    assert sizes[:8] == [2] * 8 and max(sizes[8:]) == 4  # both halves of guidance; then four frames are looked at
    assert {total for _, total in bar} == {10}
    assert [value for value, _ in bar] == sorted(value for value, _ in bar) and bar[-1][0] == 10


def test_cancel_ends_it_and_nothing_stays(unet, clip):
    sizes, before, latent = [], dict(unet.model_options), {"samples": rig.latent(3)}
    gone = weakref.ref(latent["samples"])
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        previewed(counted(unet, sizes, 3), clip, latent, variations=4)
    assert len(sizes) == 3 and unet.model_options == before
    del latent
    gc.collect()
    assert gone() is None


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": 3}, "`frame` is 3, but its `latent` has the frames 0 to 2. Choose one of them, or -1 for the middle"),
        ({"pick": 3}, "`pick` is 3, but its `variations` are 2. Pick a number from 1 to 2"),
        ({"regions": ()}, "`regions` is empty. Connect those of Regions"),
        ({"regions": regions(mask=torch.ones(2, 128, 128))}, "has 2 masks, but the latent has 3 frames"),
        ({"variation": 0.4}, "`variation` is for edits that start from inverted noise, .* Set it to 0"),
        ({"clip": None}, "Preview Seeds' `clip` is empty"),
        ({"latent": {"samples": torch.zeros(1, 4, 3, 16, 16)}}, "Connect what the sampler gets as `latent_image`"),
        ({"latent": {"samples": torch.full((3, 4, 16, 16), torch.nan)}}, "`latent` contains NaN or infinite"),
        ({"latent": {"samples": rig.latent(3) * 20}}, "`latent` is noise already, but its `model` carries no inversion"),
        ({"positive": rig.text(2, width=64)}, "Preview Seeds' `positive` is text of 64 numbers a token"),
    ],
)  # fmt: skip
def test_bad_input_is_named_before_the_model_runs(unet, clip, changes, message):
    given = {"latent": {"samples": rig.latent(3)}, "clip": clip, **changes}
    with pytest.raises(ValueError, match=message):
        previewed(rig.uncalled(unet), **given)


def test_a_checkpoint_without_a_vae_and_a_step_cache_are_refused(unet, clip):
    texts = rig.text(2), rig.text(3), {"samples": rig.latent(3)}, regions()
    with pytest.raises(ValueError, match="Preview Seeds' `vae` is empty"):
        PreviewSeeds.execute(rig.uncalled(unet), clip, None, *texts, **GIVEN)
    cached = rig.uncalled(unet)
    cached.add_wrapper_with_key("diffusion_model", "easycache", lambda *_: None)
    with pytest.raises(ValueError, match=r"cache \(easycache\) is active on Preview Seeds' `model`"):
        PreviewSeeds.execute(cached, clip, Seen(), *texts, **GIVEN)


def test_an_edit_that_no_seed_changes_is_refused(unet, clip, inverted):
    noise, inversion = inverted
    model = blended(rig.uncalled(unet), inversion)
    with pytest.raises(ValueError, match=r"does not depend on a seed.*Put Vary Noise before the sampler"):
        previewed(model, clip, noise)
    varied = VaryNoise.execute(noise, inversion, 0.4, 1, regions=regions()).args[0]
    with pytest.raises(ValueError, match=r"is not the noise of the inversion .* from before Vary Noise"):
        previewed(model, clip, varied, variation=0.4)
    mask = moving()[:, None]
    mask[1] = 0
    with pytest.raises(ValueError, match="same picture from seeds 5 and 6: nothing may change in this frame"):
        previewed(unet, clip, {"samples": rig.latent(3), "noise_mask": mask})


@pytest.mark.parametrize("frames", [1, 4])
def test_records_of_another_clip_are_named(unet, clip, frames):
    latent = {"samples": rig.latent(3)}
    blend = LatentBlend.execute(
        rig.uncalled(unet), "renoised", source={"samples": rig.latent(frames)}, mask=moving()
    ).args[0]
    with pytest.raises(ValueError, match=f"Latent Blend's source is of {frames} frames, but the latent has 3"):
        previewed(blend, clip, latent)
    flow = FlowGuidedAttention.execute(rig.uncalled(unet), torch.rand(4, 128, 128, 3), "1/1", False).args[0]
    with pytest.raises(ValueError, match="saw a clip of 4 frames, but the latent has 3"):
        previewed(flow, clip, latent)


def test_a_broken_vae_is_named(unet, clip):
    class Broken:
        def decode(self, samples):
            return samples[:, :3].movedim(1, -1) * torch.nan

    with pytest.raises(ValueError, match="Preview Seeds' `vae` decodes to NaN"):
        previewed(unet, clip, {"samples": rig.latent(3)}, vae=Broken())
