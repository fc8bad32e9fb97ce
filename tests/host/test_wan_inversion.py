"""Wan: a clip inverted, its noise handed over at sigma 1, and the clip held outside the regions."""

import comfy.sample
import comfy.samplers
import nodes as host
import pytest
import rig
import tiny_wan
import torch
import wan_oracle
from comfy_extras.nodes_custom_sampler import CFGGuider, DisableNoise, KSamplerSelect, SamplerCustomAdvanced
from wan_oracle import st_layout

from pack.nodes.attention import STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.vary import VaryNoise
from pack.videograin.comfyui import inversion_files
from pack.videograin.core.noise_path import FLOW
from pack.videograin.core.regions import Region

pytestmark = pytest.mark.usefixtures("inference_mode")
FRAMES, SIDE = 3, 6
STEPS = 6


@pytest.fixture(scope="module")
def wan():
    with torch.inference_mode():
        return tiny_wan.model(layers=2)


@pytest.fixture(scope="module")
def source():
    return tiny_wan.clip(FRAMES, SIDE, SIDE, seed=4)


@pytest.fixture(scope="module")
def inverted(wan, source):
    """(noise, INVERSION, SIGMAS)"""
    with torch.inference_mode():
        return DDIMInversion.execute(wan, tiny_wan.text(3), {"samples": source}, 2 * STEPS, "simple", 6).args


def mask():
    """The upper left of every frame, and more of it from one to the next."""
    found = torch.zeros(1 + 4 * (FRAMES - 1), SIDE * 8, SIDE * 8)
    for frame in range(len(found)):
        found[frame, :24, : 16 + 2 * frame] = 1
    return found


def outside():
    """Cells of the latent that no frame of the mask touches."""
    groups = [mask()[:1], mask()[1:5], mask()[5:9]]
    touched = torch.stack([torch.nn.functional.max_pool2d(group, 8).amax(0) for group in groups])
    return (touched == 0)[None, None].expand(1, tiny_wan.CHANNELS, -1, -1, -1)


def blended(model, inverted, mode="inversion", **more):
    return LatentBlend.execute(model, mode, inversion=inverted[1], mask=mask(), **more).args[0]


def advanced(model, latent, positive=None, start=0, end=10000, leftover="disable", sampler="euler", noise="disable"):
    """KSampler (Advanced), whose scheduler starts at exactly 1 and whose shift is Wan's."""
    positive = positive or tiny_wan.text(5)
    return host.KSamplerAdvanced().sample(model, noise, 3, STEPS, 3.0, sampler, "simple", positive, tiny_wan.text(9, 7),
                                          latent, start, end, leftover)[0]["samples"]  # fmt: skip


def watched(model, latent, sampler="euler", positive=None):
    """(result, x at every step): the sampler's own x, from its callback."""
    seen = []
    found = rig.sample(model, positive or tiny_wan.text(5), tiny_wan.text(9, 7), latent, steps=STEPS, cfg=3.0, scheduler="simple",
                       sampler=sampler, callback=lambda step, denoised, x, steps: seen.append(x.clone()))  # fmt: skip
    return found, seen


def close(ours, truth, bound):
    return rig.rms(ours - truth) < bound * rig.rms(truth)


def test_a_clip_comes_back_from_its_noise_without_any_node_of_ours_at_the_sampler(wan, source, inverted):
    noise, _, sigmas = inverted
    guider = CFGGuider.execute(wan, tiny_wan.text(3), tiny_wan.text(9, 7), 1.0).args[0]
    sampler = KSamplerSelect.execute("euler").args[0]
    back = SamplerCustomAdvanced.execute(DisableNoise.execute().args[0], guider, sampler, sigmas, noise).args[0]
    assert sigmas[0] == FLOW.top and len(sigmas) == 2 * STEPS + 1
    assert close(back["samples"], source, 1e-3)


def test_more_refinements_bring_it_back_better(wan, source):
    errors = []
    for refinements in (0, 3):
        noise, _, sigmas = DDIMInversion.execute(
            wan, tiny_wan.text(3), {"samples": source}, 2 * STEPS, "simple", refinements
        ).args
        guider = comfy.samplers.CFGGuider(wan)
        guider.inner_set_conds({"positive": tiny_wan.text(3)})
        samples = noise["samples"]
        back = guider.sample(
            torch.zeros_like(samples), samples, comfy.samplers.ksampler("euler"), sigmas, disable_pbar=True
        )
        errors.append(rig.rms(back - source))
    assert errors[1] < errors[0] / 10


@pytest.mark.parametrize("node", ["blend", "neutral"])
def test_at_sigma_one_the_sampler_starts_from_the_inverted_noise(wan, inverted, node):
    """Core multiplies the latent by 1 - sigma = 0 there; any node of ours hands it over, also one that does nothing."""
    noise, inversion, _ = inverted
    model = blended(wan, inverted) if node == "blend" else st_layout(wan, 0.0, 0.0)
    positive = wan_oracle.bound(tiny_wan.text(5), wan_oracle.regions(FRAMES, SIDE, SIDE))
    _, seen = watched(model, noise["samples"], positive=positive)
    assert close(seen[0], inversion.latents[0], 1e-6)


SAMPLERS = [
    "euler", "euler_cfg_pp", "heun", "heunpp2", "exp_heun_2_x0", "dpm_2", "lms", "dpmpp_2m", "dpmpp_2m_cfg_pp", "ipndm", "deis",
    "res_multistep", "res_multistep_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp", "ddim", "uni_pc", "uni_pc_bh2",
    "ipndm_v", "dpm_fast", "dpm_adaptive",
]  # fmt: skip


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_deterministic_sampler_keeps_the_background(wan, source, inverted, sampler):
    """Before the last paste, and to the bit after it."""
    if sampler not in comfy.samplers.SAMPLER_NAMES:
        pytest.skip(f"this ComfyUI has no {sampler}")
    unpasted, model = [], blended(wan, inverted)

    def before_the_paste(executor, *args, **kwargs):
        unpasted.append(executor(*args, **kwargs))
        return unpasted[0]

    model.add_wrapper_with_key("outer_sample", "spy", before_the_paste)
    found, _ = watched(model, inverted[0]["samples"], sampler)
    kept = outside()
    assert close(
        unpasted[0][kept], source[kept], 3e-3 if sampler.startswith("uni_pc") else 1e-3
    )  # it takes 0.001 for 0
    assert torch.equal(found[kept], source[kept])
    assert rig.rms((found - source)[~kept]) > 0.1 * rig.rms(source)


@pytest.mark.parametrize("mode", ["inversion", "progressive"])
def test_what_is_not_edited_walks_the_inverted_path(wan, inverted, mode):
    noise, inversion, _ = inverted
    _, seen = watched(blended(wan, inverted, mode, boundary=0), noise["samples"])
    sigmas = comfy.samplers.KSampler(wan, STEPS, "cpu", "euler", "simple").sigmas.tolist()
    for sigma, x in zip(sigmas, seen, strict=False):
        assert close(x[outside()], inversion.at(sigma)[outside()], 1e-5)


def test_ksampler_advanced_in_one_run_and_in_two(wan, source, inverted):
    """As with Wan 2.2's two experts: the second stage takes up the first one's leftover noise."""
    noise, model = inverted[0], blended(wan, inverted)
    whole = advanced(model, noise)
    first = advanced(model, noise, end=3, leftover="enable")
    assert close(advanced(model, {"samples": first}, start=3), whole, 1e-5)
    assert torch.equal(whole[outside()], source[outside()])


def test_regions_inversion_and_blend_together(wan, source, inverted):
    """The regions of the prompt are the mask; ST-Layout changes what comes of the inside, and nothing outside."""
    positive = wan_oracle.bound(tiny_wan.text(5), wan_oracle.regions(FRAMES, SIDE, SIDE)[:1])
    positive[0][1]["videograin_binding"].tokens.resize_(1, 64)
    plain = LatentBlend.execute(wan, "inversion", inversion=inverted[1]).args[0]
    ours = STLayoutAttention.execute(plain, "default", 0.6, 1.0, 1.0).args[0]
    results = [watched(model, inverted[0]["samples"], positive=positive)[0] for model in (plain, ours)]
    kept = ~wan_oracle.regions(FRAMES, SIDE, SIDE)[0].mask.amax(0).bool()
    kept = torch.nn.functional.max_pool2d((~kept)[None].float(), 8)[0] == 0
    assert all(torch.equal(found[0][..., kept], source[0][..., kept]) for found in results)
    assert rig.rms(results[1] - results[0]) > 1e-2 * rig.rms(source)


def test_without_an_inversion_the_source_stands_under_the_samplers_own_noise(wan, source):
    """The plain KSampler, which always adds noise."""
    model = LatentBlend.execute(wan, "progressive", source={"samples": source}, mask=mask(), boundary=0).args[0]
    noise, seen = comfy.sample.prepare_noise(source, 0), []
    found = rig.sample(model, tiny_wan.text(5), tiny_wan.text(9, 7), source, noise=True, steps=STEPS, scheduler="simple",
                       callback=lambda step, denoised, x, steps: seen.append(x.clone()))  # fmt: skip
    clean, kept = wan.model.process_latent_in(source), outside()
    sigmas = comfy.samplers.KSampler(wan, STEPS, "cpu", "euler", "simple").sigmas.tolist()
    for sigma, x in zip(sigmas, seen, strict=False):
        assert close(x[kept], ((1 - sigma) * clean + sigma * noise)[kept], 1e-5)
    assert torch.equal(found[kept], source[kept])


# ---- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("adds no noise and starts at sigma = 1.0000", lambda noise, source: source),
        ("adds no noise and starts at sigma = 1.0000", lambda noise, source: torch.zeros_like(source)),
        (r"sampler's latent is 2 frames .*clip is 3 frames", lambda noise, source: noise[:, :, :2]),
        ("holds 2 clips", lambda noise, source: noise.repeat(2, 1, 1, 1, 1)),
    ],
    ids=["clip", "empty", "shorter", "two clips"],
)
def test_a_latent_that_is_not_the_noise_is_refused(wan, source, inverted, message, change):
    with pytest.raises(ValueError, match=message):
        advanced(rig.uncalled(blended(wan, inverted)), {"samples": change(inverted[0]["samples"], source)})


def test_a_sampler_that_starts_below_the_noise_is_refused(wan, inverted):
    with pytest.raises(ValueError, match=r"stands at noise level sigma = 0\.9999, but the sampler starts at"):
        advanced(rig.uncalled(blended(wan, inverted)), inverted[0], start=2)


def test_a_sampler_that_adds_noise_is_refused(wan, inverted):
    with pytest.raises(ValueError, match="adds fresh noise"):
        advanced(rig.uncalled(blended(wan, inverted)), inverted[0], noise="enable")


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        (torch.zeros(9, 16, 6, 6), "has 4 dimensions; frames of a Wan model have 5: clips, channels, frames"),
        (torch.ones(1, 4, 3, 6, 6), "has 4 channels, but the model's latents have 16"),
        (torch.ones(2, 16, 3, 6, 6), "holds 2 clips"),
    ],
    ids=["pictures", "channels", "two clips"],
)
def test_what_is_no_clip_of_wans_is_not_inverted(wan, latent, message):
    with pytest.raises(ValueError, match=message):
        DDIMInversion.execute(rig.uncalled(wan), tiny_wan.text(3), {"samples": latent}, 4, "simple", 0)


# ---- Vary Noise -----------------------------------------------------------------------------------------------------


def test_a_seed_is_another_edit_and_the_background_is_the_sources(wan, source, inverted):
    """By masks of the clip's nine frames; each latent frame has fresh noise of its own."""
    first, again, second = (VaryNoise.execute(*inverted[:2], 0.5, seed, mask=mask()).args[0] for seed in (1, 1, 2))
    kept, own = outside(), inverted[0]["samples"]
    assert torch.equal(first["samples"], again["samples"]) and torch.equal(first["samples"][kept], own[kept])
    strength = [rig.rms(x["samples"][~kept]) / rig.rms(own[~kept]) for x in (first, second)]
    assert all(0.7 < ratio < 1.3 for ratio in strength)
    edits = [watched(blended(wan, inverted), noise["samples"])[0] for noise in (first, second)]
    assert all(torch.equal(found[kept], source[kept]) for found in edits)
    assert rig.rms((edits[0] - edits[1])[~kept]) > 0.05 * rig.rms(source)


def test_regions_say_where_the_noise_varies(inverted):
    regions = (Region(mask(), "a cat"),)
    found = VaryNoise.execute(*inverted[:2], 0.5, 1, regions=regions).args[0]["samples"]
    assert torch.equal(found, VaryNoise.execute(*inverted[:2], 0.5, 1, mask=mask()).args[0]["samples"])
    everywhere = VaryNoise.execute(*inverted[:2], 0.5, 1).args[0]["samples"]
    assert (everywhere != inverted[0]["samples"]).float().mean() > 0.99


def test_masks_of_the_latents_frames_are_no_masks_of_the_clip(inverted):
    with pytest.raises(ValueError, match="has 3 masks, but the clip has 9 frames"):
        VaryNoise.execute(*inverted[:2], 0.5, 1, mask=mask()[:3])


# ---- files ----------------------------------------------------------------------------------------------------------


def test_an_inversion_comes_back_from_its_file(wan, inverted, private_folders):
    name = inversion_files.save(inverted[1], inverted[0]["samples"], "wan", "fp32")
    found, noise = inversion_files.load(name, wan, inverted[1].source)
    assert torch.equal(noise, inverted[0]["samples"]) and torch.equal(found.latents, inverted[1].latents)
    assert found[3:] == inverted[1][3:] and found.family == "Wan model"
    other = inverted[1].source.clone()
    other[:, :, 1] += 1
    with pytest.raises(ValueError, match="differ in 1 of 3 frames, first in frame 1"):
        inversion_files.load(name, wan, other)


def test_frames_that_did_not_settle_are_the_clips(wan, source, caplog):
    """Nine frames in three of the latent."""
    DDIMInversion.execute(wan, tiny_wan.text(3), {"samples": source}, 2, "simple", 1)
    assert "Frames 0, 1, 2, 3, 4, 5, 6, 7, 8 may come back changed" in caplog.text
