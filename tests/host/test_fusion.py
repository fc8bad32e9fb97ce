"""Self- and Cross-Attention Fusion in the real UNet: whose maps, where, when; no map outlives its step."""

import math
import weakref

import comfy.samplers
import pytest
import rig
import torch
from cases import variants
from fused import NEW, OLD, Truth, attention_map, cross_fused, invert, self_fused, words_fused
from oracle import SIGMA, Oracle, bound, one_step, regions
from recipe import close, edit, full_frame, st_layout

from pack.nodes.attention import STLayoutAttention
from pack.nodes.inversion import DDIMInversion
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.backbones import registry
from pack.videograin.comfyui import memory
from pack.videograin.comfyui.plan import KEY, records
from pack.videograin.comfyui.source_pass import Source
from pack.videograin.core.phrase_tokens import KEY as BINDING
from pack.videograin.core.regions import Grid, membership
from pack.videograin.jobs import demo_model
from pack.videograin.jobs.fusion import aligned_words

pytestmark = pytest.mark.usefixtures("inference_mode")


# ---- neutral is exact -----------------------------------------------------------------------------------------------


def test_no_share_of_the_schedule_is_the_plain_model(unet, clip):
    noise, inversion, _ = invert(unet)
    plain = edit(unet, noise)
    for start, end in ((0.0, 0.0), (0.4, 0.4)):
        assert torch.equal(edit(self_fused(unet, inversion, start=start, end=end), noise), plain)
        assert torch.equal(
            edit(cross_fused(unet, inversion, clip, emphasis="silver: 3", start=start, end=end), noise), plain
        )
    assert not torch.equal(edit(self_fused(unet, inversion), noise), plain)
    assert not torch.equal(edit(cross_fused(unet, inversion, clip), noise), plain)
    assert KEY not in unet.model_options.get("transformer_options", {})


def test_before_and_after_its_share_it_is_the_plain_model(unet, clip):
    noise, inversion, _ = invert(unet)
    late = rig.latent(seed=9)
    for fused in (self_fused(unet, inversion, end=0.5), cross_fused(unet, inversion, clip, end=0.5)):
        assert not torch.equal(edit(fused, noise, last_step=2), edit(unet, noise, last_step=2))
        assert torch.equal(*(edit(model, {"samples": late}, start_step=2) for model in (fused, unet)))
    for fused in (self_fused(unet, inversion, start=0.5), cross_fused(unet, inversion, clip, start=0.5)):
        assert torch.equal(edit(fused, noise, last_step=2), edit(unet, noise, last_step=2))
        assert not torch.equal(*(edit(model, {"samples": late}, start_step=2) for model in (fused, unet)))


def test_regions_that_cover_everything_leave_nothing_to_fuse(unet, clip):
    noise, inversion, _ = invert(unet)
    areas = tuple(region._replace(mask=torch.ones_like(region.mask)) for region in regions(3, 16, 16))
    words = bound(rig.text(2), areas)
    plain = edit(unet, noise, words)
    assert torch.equal(edit(self_fused(unet, inversion, "outside regions"), noise, words), plain)
    assert torch.equal(edit(cross_fused(unet, inversion, clip), noise, words), plain)
    emphasised = edit(cross_fused(unet, inversion, clip, emphasis="silver: 3"), noise, words)
    assert not torch.equal(emphasised, plain)


# ---- against whole maps recorded and put in by hand -----------------------------------------------------------------


def masks(areas, frames):
    """The rows that are the edit's, at any grid."""
    found = torch.stack([region.mask > 0.5 for region in areas])
    return lambda h, w: membership(found, Grid(frames, h, w)).any(0).flatten(1)


def nowhere(frames):
    return lambda h, w: torch.zeros(frames, h * w, dtype=torch.bool)


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
@pytest.mark.parametrize("where", variants("outside regions", "everywhere"))
@pytest.mark.parametrize(
    "frames,height,width,all_frames", variants((3, 16, 16, False), (3, 16, 16, True), (2, 13, 18, True))
)
def test_self_fusion_equals_whole_maps(unet, where, separately, frames, height, width, all_frames, call_separately):
    model = full_frame(unet) if all_frames else unet
    _, inversion, _ = invert(model, frames=frames, height=height, width=width)
    areas, x = regions(frames, height, width), rig.latent(frames, height, width, seed=5)
    inside = nowhere(frames) if where == "everywhere" else masks(areas, frames)
    truth = Truth(unet, frames, all_frames, inside, full=height).look(inversion.at(SIGMA), rig.text(1))
    if separately:
        call_separately(unet)
    prompts = bound(rig.text(2), areas), rig.text(3), x
    ours = one_step(self_fused(model, inversion, where), *prompts)
    close(ours, one_step(truth.patched(), *prompts), one_step(model, *prompts))


def words_of(clip, mode, emphasis):
    words, _ = aligned_words(
        clip, *((OLD, NEW) if mode == "refine" else (OLD, "a red porsche on a road")), mode, emphasis
    )
    return words.taken, words.gains


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
@pytest.mark.parametrize(
    "mode,emphasis", variants(("refine", "porsche: 4\na road: 0"), ("refine", ""), ("replace", "red: 2"))
)
def test_cross_fusion_equals_whole_maps(unet, clip, mode, emphasis, separately, call_separately):
    _, inversion, _ = invert(unet)
    taken, gains = words_of(clip, mode, emphasis)
    truth = Truth(unet, 3, taken=taken, gains=gains, full=16).look(inversion.at(SIGMA), rig.text(1))
    if separately:
        call_separately(unet)
    prompts = rig.text(2), rig.text(3), rig.latent(seed=5)
    texts = (OLD, NEW) if mode == "refine" else (OLD, "a red porsche on a road")
    ours = one_step(cross_fused(unet, inversion, clip, mode, emphasis, texts=texts), *prompts)
    close(ours, one_step(truth.patched(), *prompts), one_step(unet, *prompts))


def test_a_longer_negative_prompt_changes_nothing(unet, clip):
    """ComfyUI then repeats the positive text: repeated words stay aligned and emphasised."""
    _, inversion, _ = invert(unet)
    taken, gains = words_of(clip, "refine", "porsche: 4")
    truth = Truth(unet, 3, taken=taken, gains=gains, full=16).look(inversion.at(SIGMA), rig.text(1))
    prompts = rig.text(2), rig.text(3, tokens=154), rig.latent(seed=5)
    ours = one_step(cross_fused(unet, inversion, clip, emphasis="porsche: 4"), *prompts)
    close(ours, one_step(truth.patched(), *prompts), one_step(unet, *prompts))


@pytest.mark.parametrize("levels", variants("all", "below full resolution"))
def test_with_st_layout_the_regions_keep_the_modulated_edit(unet, clip, levels):
    """Both fusions outside the regions, emphasis everywhere: inside, the modulated network with emphasised values."""
    model = st_layout(unet)
    _, inversion, _ = invert(model)
    areas, taken_gains = regions(3, 16, 16), words_of(clip, "refine", "porsche: 4")
    positive = bound(rig.text(2), areas)
    modulated = Oracle(unet, "paper", areas, positive[0][1][BINDING].tokens, 3, 16)
    truth = Truth(
        unet, 3, True, masks(areas, 3), *taken_gains, full=None if levels == "all" else 16,
        others=(modulated.self_attention, modulated.cross_attention),
    ).look(inversion.at(SIGMA), rig.text(1))  # fmt: skip
    ours = self_fused(model, inversion, "outside regions", levels=levels)
    ours = cross_fused(ours, inversion, clip, emphasis="porsche: 4", levels=levels)
    prompts = positive, rig.text(3), rig.latent(seed=5)
    close(one_step(ours, *prompts), one_step(truth.patched(), *prompts), one_step(model, *prompts))


def test_with_st_layout_of_the_negative_half_self_fusion_may_be_everywhere(unet):
    """The reference mode modulates self-attention of the half that fusion leaves alone."""
    _, inversion, _ = invert(full_frame(unet))
    model = STLayoutAttention.execute(unet, "reference", 0.3, 0.0, 1.0, power=5.0).args[0]
    prompts = bound(rig.text(2), regions(3, 16, 16)), rig.text(3), rig.latent(seed=5)
    ours = one_step(self_fused(model, inversion), *prompts)
    assert rig.rms(ours - one_step(model, *prompts)) > 1e-3 * rig.rms(ours)


# ---- the mask from words --------------------------------------------------------------------------------------------


def where_words_are(model, inversion, positions, threshold, size):
    """The mask of the released code, from whole maps: the words' columns, mean over layers and heads, max-pool, …"""
    truth = Truth(model, 3).look(inversion.at(SIGMA), rig.text(1))
    maps = [
        attention_map(q, k, rig.HEADS)[..., positions].sum(-1).mean(1).view(3, size, size)
        for (kind, _), (q, k) in truth.seen.items()
        if kind == "attn2" and q.shape[1] == size**2
    ]
    wide = torch.nn.functional.max_pool2d(torch.stack(maps).mean(0)[:, None], 3, 1, 1)

    def inside(h, w):
        rows = torch.nn.functional.interpolate(wide, (h, w), mode="nearest")[:, 0].flatten(1)
        return rows / rows.amax(1, keepdim=True) > threshold

    return truth, inside


@pytest.mark.parametrize("positive", variants("with regions", "plain"))
def test_the_words_of_the_source_prompt_keep_the_edit(unet, clip, positive):
    _, inversion, _ = invert(unet)
    areas = regions(3, 16, 16)
    truth, inside = where_words_are(unet, inversion, [2, 3], 0.6, 16)  # "silver jeep"; the only level of 256 tokens
    prompts = rig.text(2), rig.text(3), rig.latent(seed=5)
    if positive == "with regions":  # what they cover is the edit's too
        covered, seen = masks(areas, 3), inside
        inside = lambda h, w: seen(h, w) | covered(h, w)  # noqa: E731
        prompts = bound(rig.text(2), areas), *prompts[1:]
    share = inside(16, 16).float().mean()
    assert 0.1 < share < 0.9
    truth.inside = inside
    ours = one_step(words_fused(unet, inversion, clip, threshold=0.6, levels="all"), *prompts)
    close(ours, one_step(truth.patched(), *prompts), one_step(unet, *prompts))


# ---- which source, at which step ------------------------------------------------------------------------------------


def shown_to(model):
    """(latent, sigma) of every call that shows the source: such a call has one chunk, the edit's two."""
    seen = []

    def spy(apply, args):
        if len(args["cond_or_uncond"]) == 1:
            seen.append((args["input"].clone(), float(args["timestep"][0])))
        return apply(args["input"], args["timestep"], **args["c"])

    spied = model.clone()
    spied.set_model_unet_function_wrapper(spy)
    return spied, seen


@pytest.mark.once
def test_the_released_pairs_are_those_of_fatezeros_inversion(unet):
    """At step j of 50 the network sees Z[49 - j], which stands one level lower, at timestep 981 - 20j."""
    noise, inversion, _ = invert(unet, frames=1, steps=50, height=8, width=8)
    spied, seen = shown_to(self_fused(unet, inversion, source_pair="as released"))
    edit(spied, noise, steps=50)
    clock = unet.get_model_object("model_sampling")
    assert len(seen) == 50
    for j, (latent, sigma) in enumerate(seen):
        assert round(float(clock.timestep(torch.tensor(sigma)))) == 981 - 20 * j
        lower, low = inversion.latents[j + 1], float(inversion.sigmas[j + 1])
        vp = lower / math.sqrt(1 + low**2)
        assert torch.allclose(latent / math.sqrt(1 + sigma**2), vp, atol=1e-5)


def test_the_exact_pairs_are_the_sources_own_path(unet):
    noise, inversion, _ = invert(unet)
    spied, seen = shown_to(self_fused(unet, inversion))
    edit(spied, noise)
    assert [sigma for _, sigma in seen] == pytest.approx(inversion.sigmas[:-1].tolist())
    assert all(torch.equal(latent, level) for (latent, _), level in zip(seen, inversion.latents, strict=False))


@pytest.mark.once
def test_the_source_is_looked_at_once_for_all_who_read_it_alike(unet, clip):
    noise, inversion, _ = invert(unet)
    prompt = rig.text(1)
    read_from_a_workflow = "".join(["ex", "act"])  # equal to the default, another object
    both = self_fused(unet, inversion, prompt=prompt, end=0.8, source_pair=read_from_a_workflow)
    both = cross_fused(both, inversion, clip, prompt=prompt, end=0.3)
    both = InjectSourceFeatures.execute(both, inversion, prompt, 0.3, 0.3).args[0]
    spied, seen = shown_to(both)
    edit(spied, noise)
    assert len(seen) == 3  # of four steps, to the longest share's end
    apart = self_fused(unet, inversion, prompt=prompt)
    apart = cross_fused(apart, inversion, clip, prompt=prompt, source_pair="as released")
    spied, seen = shown_to(apart)
    ours = edit(spied, noise)
    assert len(seen) == 8 and torch.isfinite(ours).all()


@pytest.mark.once
def test_the_same_prompt_keeps_the_sources_maps_and_rebuilds_no_worse():
    """CFG 1, source prompt, everything fused: outputs differ by the values alone, and the clip stays its own."""
    from pack.nodes.demo import DemoClip

    model, clip, vae = demo_model.load()
    frames, _, _, caption, *_ = DemoClip.execute("wolf", "pig", "snow", 8, 1.0, 0).args
    prompt, empty = (clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in (caption, ""))
    source = vae.encode(frames[:2])
    noise, inversion, sigmas = DDIMInversion.execute(model, prompt, {"samples": source}, 8, "ddim_uniform", 0).args

    def error(model, cfg):
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(prompt, empty)
        guider.set_cfg(cfg)
        start = noise["samples"]
        found = guider.sample(torch.zeros_like(start), start, comfy.samplers.sampler_object("euler"), sigmas, seed=0)
        return rig.rms(found - source)

    more, plain = {"prompt": prompt, "levels": "all"}, {cfg: error(model, cfg) for cfg in (1.0, 5.0)}
    for pair in ("exact", "as released"):
        fused = self_fused(model, inversion, source_pair=pair, **more)
        fused = cross_fused(fused, inversion, clip, texts=(caption, caption), source_pair=pair, **more)
        assert all(error(fused, cfg) < plain[cfg] for cfg in plain)


# ---- memory ---------------------------------------------------------------------------------------------------------


def kept(source):
    return sum(t.nbytes for windows in source._features.values() for found in windows.values() for t in found)


@pytest.mark.parametrize("steps", variants(3, 6))
def test_no_map_and_no_feature_outlives_its_step(unet, clip, steps, monkeypatch):
    """What is held of the source is bounded by one step's queries and keys, however many steps there are."""
    peaks, alive, keep = [], [], Source.keep

    def spy(self, place, area, window, tensors):
        alive.extend(weakref.ref(tensor) for tensor in tensors)
        keep(self, place, area, window, tensors)
        peaks.append(kept(self))

    monkeypatch.setattr(Source, "keep", spy)
    noise, inversion, _ = invert(unet, steps=steps)
    prompt = rig.text(1)
    model = cross_fused(self_fused(unet, inversion, prompt=prompt), inversion, clip, prompt=prompt)
    counts = []
    edit(model, noise, steps=steps, callback=lambda *_: counts.append(sum(ref() is not None for ref in alive)))
    assert set(counts) == {0} and len(counts) >= steps
    # 1/2 and 1/4 of 16² before and after the middle, which has 1/8; self q and k, cross q, 77 cross k, in float32.
    layers = ((3, 64, 64), (3, 64, 16), (1, 64, 4))  # count, channels, tokens
    expected = sum(count * channels * 3 * (3 * tokens + 77) * 4 for count, channels, tokens in layers)
    assert max(peaks) == expected == source_bytes(records(model), [3, 4, 16, 16], unet.model.diffusion_model, 4)


def source_bytes(plan, shape, network, number):
    return sum(record.source_bytes(rig.work(shape, network, number)) for record in plan)


def test_sixteen_frames_at_512_take_half_a_gigabyte_where_the_original_takes_150(unet, clip):
    """Stable Diffusion 1.5 in half precision, both fusions with the original's layers; no weight is allocated."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    shape = {"model_channels": 320, "channel_mult": [1, 2, 4, 4], "num_res_blocks": [2] * 4, "num_heads": 8,
             "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_output": [1] * 9 + [0] * 3,
             "transformer_depth_middle": 1, "context_dim": 768}  # fmt: skip
    big = UNetModel(**{**rig.SD15_SHAPE, **shape}, operations=comfy.ops.disable_weight_init, device="meta")
    levels = registry.of(big).sites(big)
    assert len(levels) == 16 and sorted(levels.values()) == [1] * 5 + [2] * 5 + [4] * 5 + [8]
    _, inversion, _ = invert(unet)
    plan = records(cross_fused(self_fused(unet, inversion), inversion, clip))
    held = source_bytes(plan, [16, 4, 64, 64], big, 2)
    trajectory = 51 * 16 * 4 * 64 * 64 * 4
    assert held + trajectory < 0.6e9
    size = [3, 4, 16, 16]  # and core is told
    assert memory.extra_bytes(plan, size, unet.model) > source_bytes(plan, size, unet.model.diffusion_model, 4)
