"""Inversion and blend inside ComfyUI: round trips, samplers, and that the pieces meet where they should."""

import nodes as host
import pytest
import rig
import torch
from cases import variants

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.demo import DemoClip
from pack.nodes.inversion import DDIMInversion
from pack.nodes.regions import BindRegionPrompts, RegionPrompt
from pack.videograin.comfyui.progress import Notes
from pack.videograin.core.ddim_inversion import CONVENTIONS
from pack.videograin.core.latent_blend import blend_mask
from pack.videograin.jobs import invert

DETERMINISTIC = ["euler", "dpm_2", "dpmpp_2m_cfg_pp"]  # of an order each; test_samplers.py has them all
STEPS, SCHEDULER = 8, "normal"


@pytest.fixture(scope="module")
def clip_latent(demo):
    frames, left, right, caption, *_ = DemoClip.execute("wolf", "pig", "snow", 8, 1.0, 0).result
    return frames, demo[2].encode(frames), caption, (left, right)


def encode(demo, prompt):
    return demo[1].encode_from_tokens_scheduled(demo[1].tokenize(prompt))


@pytest.fixture(scope="module")
def inverted(demo, clip_latent):
    """Two frames of the demo clip, inverted in 8 steps."""
    _, latent, caption, masks = clip_latent
    model = FullFrameAttention.execute(demo[0], "all frames").result[0]
    source = {"samples": latent[:2]}
    noise, inversion, sigmas = DDIMInversion.execute(model, encode(demo, caption), source, STEPS, SCHEDULER, 1).result
    return model, noise["samples"], inversion, sigmas, masks[0][:2]


def psnr(a, b):
    return -10 * float(torch.log10((a - b).square().mean()))


@pytest.mark.once
def test_round_trip_of_the_demo_clip(demo, clip_latent):
    """Invert, denoise with the same prompt: latent error and decoded PSNR for the papers' step and refined ones."""
    model, _, vae = demo
    frames, latent, caption = clip_latent[0][::4], clip_latent[1][::4], clip_latent[2]
    positive = encode(demo, caption)
    error, quality = {}, {}
    for refinements in (0, 3):
        noise = DDIMInversion.execute(model, positive, {"samples": latent}, 12, "ddim_uniform", refinements).result[0]
        back = rig.sample(model, positive, positive, noise["samples"], steps=12, cfg=1.0)
        error[refinements] = rig.rms(back - latent) / rig.rms(latent)
        quality[refinements] = psnr(vae.decode(back), frames)
    ceiling = psnr(vae.decode(latent), frames)
    print(f"latent error {error}, PSNR {quality}, the VAE's own {ceiling}")  # noqa: T201 - shown with -s and on failure
    # At 50 steps what is lost is 0.04 dB (metrics.json); at 12 the path itself is coarse.
    assert error[3] < error[0] / 2.5 and quality[3] > max(quality[0] + 4, ceiling - 3)
    assert quality[3] > quality[0]


@pytest.mark.once
def test_every_frame_comes_back(demo, clip_latent):
    """Two frames that plain iteration loses, by 11.6 and 9.8 dB, with the same number of calls."""
    model, _, vae = demo
    frames, latent, caption = clip_latent[0][[1, 5]], clip_latent[1][[1, 5]], clip_latent[2]
    model = FullFrameAttention.execute(model, "all frames").result[0]
    positive, notes = encode(demo, caption), Notes()
    levels = invert.schedule(model, "ddim_uniform", 12)
    noise, _ = invert.invert(
        model, positive, {"samples": latent}, levels, invert.Method(CONVENTIONS[1], 2), invert.Reporting(notes)
    )
    back = rig.sample(model, positive, positive, noise["samples"], steps=12, cfg=1.0)
    for frame in range(2):
        ceiling = psnr(vae.decode(latent)[frame], frames[frame])
        assert psnr(vae.decode(back)[frame], frames[frame]) > ceiling - 1
    assert notes.lines == []


def test_frames_that_do_not_settle_are_named_by_their_place_in_the_clip(caplog):
    model, latent = rig.small_unet(), {"samples": rig.latent(3)}
    levels = invert.schedule(model, "ddim_uniform", 2)
    for refinements in (0, 1):
        notes = Notes()
        invert.invert(
            model,
            rig.text(1),
            latent,
            levels,
            invert.Method(CONVENTIONS[1], refinements),
            invert.Reporting(notes, numbers=(4, 5, 9)),
        )
        assert len(notes.lines) == refinements
    assert (
        notes.lines[0].startswith("Frames 4, 5, 9 may come back changed") and "set `refinements` to 2" in notes.lines[0]
    )
    assert caplog.messages.count(notes.lines[0]) == 1


def test_sampling_starts_at_the_top_of_the_trajectory(demo, inverted):
    model, noise, inversion, sigmas, _ = inverted
    seen = []

    def spy(apply, args):
        seen.append((args["input"], float(args["timestep"][0])))
        return apply(args["input"], args["timestep"], **args["c"])

    spied = model.clone()
    spied.set_model_unet_function_wrapper(spy)
    prompt = encode(demo, "a bear and a frog in the snow")
    rig.sample(spied, prompt, prompt, noise, steps=STEPS, cfg=1.0, scheduler=SCHEDULER)
    x, sigma = seen[0]
    assert sigma == pytest.approx(float(sigmas[0]), rel=1e-6)
    assert rig.rms(x - inversion.latents[0]) < 1e-6 * rig.rms(x)


def test_sigmas_input_and_output_agree_with_the_widgets(demo, clip_latent):
    _, latent, caption, _ = clip_latent
    source, prompt = {"samples": latent[:1]}, encode(demo, caption)
    first = DDIMInversion.execute(demo[0], prompt, source, 4, "karras", 0).result
    again = DDIMInversion.execute(demo[0], prompt, source, 50, "normal", 0, sigmas=first[2]).result
    assert torch.equal(first[0]["samples"], again[0]["samples"]) and torch.equal(first[2], again[2])


def test_the_custom_sampler_takes_the_sigmas(demo, inverted):
    """SamplerCustomAdvanced with DisableNoise and DDIM Inversion's SIGMAS is KSampler (Advanced)."""
    from comfy_extras.nodes_custom_sampler import CFGGuider, DisableNoise, KSamplerSelect, SamplerCustomAdvanced

    model, noise, inversion, sigmas, mask = inverted
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).result[0]
    positive, negative = encode(demo, "a bear and a pig in the snow"), encode(demo, "")
    custom = SamplerCustomAdvanced.execute(
        DisableNoise.execute()[0],
        CFGGuider.execute(blended, positive, negative, 4.0)[0],
        KSamplerSelect.execute("euler")[0],
        sigmas,
        {"samples": noise},
    )[0]["samples"]
    assert torch.equal(custom, rig.sample(blended, positive, negative, noise, steps=STEPS, scheduler=SCHEDULER))


@pytest.mark.once
def test_v_prediction_models_invert(unet_v):
    positive = rig.text(1)
    latent = rig.latent(2)
    error = {}
    for refinements in (0, 6):
        noise = DDIMInversion.execute(unet_v, positive, {"samples": latent}, 16, "ddim_uniform", refinements).result[0]
        error[refinements] = rig.rms(
            rig.sample(unet_v, positive, positive, noise["samples"], steps=16, cfg=1.0) - latent
        )
    assert error[6] < error[0] / 5


@pytest.fixture
def unet_v():
    return rig.small_unet(v_prediction=True)


@pytest.mark.parametrize("sampler", variants(*DETERMINISTIC))
def test_blend_keeps_the_background(demo, inverted, sampler):
    """Within 1e-3 in latent units before the final paste, to the bit after it; the object does change."""
    model, noise, inversion, _, mask = inverted
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask, grow=0).result[0]
    unpasted = []

    def spy(executor, *args, **kwargs):
        unpasted.append(executor(*args, **kwargs))
        return unpasted[0]

    blended.add_wrapper_with_key("outer_sample", "spy", spy)  # inside ours: before the paste
    positive, negative = encode(demo, "a bear and a pig in the snow"), encode(demo, "")
    out = rig.sample(blended, positive, negative, noise, steps=STEPS, sampler=sampler, scheduler=SCHEDULER)
    outside = (blend_mask(mask, 24, 24) == 0).expand_as(out)
    scale = demo[0].model.latent_format.scale_factor
    assert rig.rms((unpasted[0] - inversion.source)[outside]) * scale < 1e-3
    assert torch.equal(out[outside], inversion.source[outside])
    assert rig.rms((out - inversion.source)[~outside]) * scale > 0.1


@pytest.mark.parametrize("sampler", variants("dpmpp_2m_sde", "euler_ancestral", "lcm", "dpmpp_3m_sde"))
def test_renoised_blend_serves_random_samplers(demo, inverted, sampler):
    model, _, inversion, _, mask = inverted
    blended = LatentBlend.execute(model, "renoised", source={"samples": inversion.source}, mask=mask, grow=0).result[0]
    positive, negative = encode(demo, "a bear and a pig in the snow"), encode(demo, "")
    out = rig.sample(
        blended, positive, negative, inversion.source, noise=True, steps=STEPS, sampler=sampler, scheduler=SCHEDULER
    )
    outside = (blend_mask(mask, 24, 24) == 0).expand_as(out)
    assert torch.isfinite(out).all() and torch.equal(out[outside], inversion.source[outside])


@pytest.mark.once
def test_the_regions_of_all_prompts_are_editable(demo, inverted):
    """Two prompts combined: the second one's region is not frozen to the source."""
    model, noise, inversion, *_ = inverted
    clip, conditionings = demo[1], []
    for side, phrase in ((slice(0, 96), "a bear"), (slice(96, 192), "a frog")):
        mask = torch.zeros(1, 192, 192)
        mask[..., side] = 1
        regions = RegionPrompt.execute(mask, phrase).result[0]
        conditionings += BindRegionPrompts.execute(clip, "a bear and a frog in the snow", regions).result[0]
    blended = LatentBlend.execute(model, "inversion", inversion).result[0]
    out = rig.sample(blended, conditionings, encode(demo, ""), noise, steps=STEPS, scheduler=SCHEDULER)
    for half in (out[..., :12] - inversion.source[..., :12], out[..., 12:] - inversion.source[..., 12:]):
        assert rig.rms(half) > 0.05


@pytest.mark.once
def test_a_random_sampler_on_the_inverted_path_is_warned_of(demo, inverted, caplog):
    model, noise, inversion, _, mask = inverted
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).result[0]
    prompt = encode(demo, "a bear and a pig in the snow")
    for sampler, warned in (("euler", 0), ("euler_ancestral", 1)):
        caplog.clear()
        rig.sample(blended, prompt, prompt, noise, steps=STEPS, scheduler=SCHEDULER, sampler=sampler, cfg=1.0)
        assert sum("adds noise on the way" in record.getMessage() for record in caplog.records) == warned


def test_unfinished_sampling_keeps_the_source_at_its_noise_level(demo, inverted):
    """Stopping early and going on in a second sampler gives the same clip as one sampler."""
    model, noise, inversion, _, mask = inverted
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).result[0]
    positive, negative = encode(demo, "a bear and a pig in the snow"), encode(demo, "")

    def stage(samples, start, end, leftover):
        return host.common_ksampler(
            blended, 0, STEPS, 4.0, "euler", SCHEDULER, positive, negative, {"samples": samples},
            disable_noise=True, start_step=start, last_step=end, force_full_denoise=not leftover,
        )[0]["samples"]  # fmt: skip

    whole = stage(noise, 0, 100, False)
    halves = stage(stage(noise, 0, 4, True), 4, 100, False)
    assert rig.rms(whole - halves) < 1e-3 * rig.rms(whole)


@pytest.mark.once
def test_the_same_run_twice_gives_the_same_bits(demo, inverted):
    model, noise, inversion, _, mask = inverted
    blended = LatentBlend.execute(model, "inversion", inversion, mask=mask).result[0]
    args = (encode(demo, "a bear and a pig in the snow"), encode(demo, ""), noise)
    assert torch.equal(*(rig.sample(blended, *args, steps=STEPS, scheduler=SCHEDULER) for _ in range(2)))
