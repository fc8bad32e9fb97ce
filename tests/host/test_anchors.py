"""Anchor Attention in the real UNet: who sees whom, against whole score matrices with what is not seen masked out."""

import math
from functools import partial

import comfy.model_base
import comfy.samplers
import pytest
import recipe
import rig
import torch
from cases import variants
from einops import rearrange
from oracle import SIGMA, Oracle, bound, one_step, regions
from placed import PROMPT, encoded, looks, placed, run
from recipe import close, full_frame, half
from torch.overrides import TorchFunctionMode

from pack.nodes.anchors import AnchorAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.motion import FlowGuidedAttention
from pack.nodes.regions import BindRegionPrompts, RegionPrompt
from pack.nodes.show import ShowAttention
from pack.videograin.backbones import registry
from pack.videograin.comfyui import memory
from pack.videograin.comfyui.plan import describe, records
from pack.videograin.core import attention_probs
from pack.videograin.core.latent_blend import blend_mask
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.features.via_anchors import COPIES
from pack.videograin.jobs import demo_model

pytestmark = pytest.mark.usefixtures("inference_mode")
invert = partial(recipe.invert, frames=4, steps=3, refinements=1)
st_layout = partial(recipe.st_layout, end_percent=0.3)


def anchored(model, count=2, mode="concat", **more):
    return AnchorAttention.execute(model, count, mode, **more).args[0]


def visible(frames, anchors, mode="concat", gather="all anchors", everything=False):
    """(frames, frames) bool: row sees column."""
    sees = torch.zeros(frames, frames, dtype=torch.bool)
    sees[:, list(anchors)] = True
    if mode == "concat":
        sees |= torch.ones(frames, frames, dtype=torch.bool) if everything else torch.eye(frames, dtype=torch.bool)
    for anchor in anchors:
        row = [other for other in anchors if gather == "all anchors" or other <= anchor]
        sees[anchor] = False
        sees[anchor, row] = True
    return sees


class Truth(Oracle):
    """ST-Layout, or with modulated=False ordinary attention, where a frame sees what `sees` says."""

    def __init__(self, sees, *args, modulated=True):
        super().__init__(*args)
        self.sees, self.modulated = sees, modulated

    def lambdas(self, flat, allowed):
        """lambda of every query: the size term is the share of its own kind among the keys it sees."""
        timestep = float(self.model.get_model_object("model_sampling").timestep(torch.tensor(SIGMA)))
        same = (flat[:, None] == flat[None]).all(-1)
        size = (same & allowed).sum(1) / allowed.sum(1)
        return 0.3 * ((timestep - 1) / 1000) ** 5 * (1 - size)

    def self_attention(self, q, k, v, extra):
        member, _ = self.member(extra)
        flat, tokens = member.flatten(1).T, member.shape[2]
        allowed = self.sees.repeat_interleave(tokens, 0).repeat_interleave(tokens, 1)
        same = (flat[:, None] == flat[None]).all(-1)
        out = []
        for c, which in enumerate(extra["cond_or_uncond"]):
            rows = slice(c * self.frames, (c + 1) * self.frames)
            pair = [rearrange(x[rows], "f n (h d) -> h (f n) d", h=extra["n_heads"]) for x in (q, k, v)]
            s = pair[0] @ pair[1].transpose(-1, -2) / math.sqrt(pair[0].shape[-1])
            if which == 0 and self.modulated:
                lam = self.lambdas(flat, allowed)[:, None]
                top = s.masked_fill(~allowed, -math.inf).amax(-1, True)
                low = s.masked_fill(~allowed, math.inf).amin(-1, True)
                s = (1 - lam) * s + lam * torch.where(same, top, low)
            weights = s.masked_fill(~allowed, -math.inf).softmax(-1)
            out.append(rearrange(weights @ pair[2], "h (f n) d -> f n (h d)", f=self.frames))
        return torch.cat(out)

    def cross_attention(self, q, k, v, extra):
        if self.modulated:
            return super().cross_attention(q, k, v, extra)
        from comfy.ldm.modules.attention import optimized_attention

        return optimized_attention(q, k, v, extra["n_heads"])


# ---- exact ----------------------------------------------------------------------------------------------------------

CASES = [
    (5, 16, 16, {"count": 2}, {}, None),
    (5, 16, 16, {"count": 3, "mode": "swap"}, {"mode": "swap"}, None),
    (5, 16, 16, {"count": 3, "gather": "earlier anchors"}, {"gather": "earlier anchors"}, None),
    (4, 13, 18, {"count": 2}, {"everything": True}, "all frames"),
    (4, 8, 16, {"count": 9, "frames": "3, 1"}, {}, "own"),
    (2, 8, 16, {"count": 4}, {}, None),  # every frame is an anchor
]


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
@pytest.mark.parametrize("frames,height,width,settings,meaning,key_set", variants(*CASES))
def test_the_network_equals_the_oracle(
    unet, frames, height, width, settings, meaning, key_set, separately, call_separately
):
    """Plain and modulated: with regions, anchors carry their own masks, at any size, in one call or in two."""
    if separately:
        call_separately(unet)
    model = anchored(unet if key_set is None else full_frame(unet, key_set), **settings)
    chosen = {5: {2: (0, 4), 3: (0, 2, 4)}, 4: {2: (0, 3), 9: (1, 3)}, 2: {4: (0, 1)}}[frames][settings["count"]]
    areas, x = regions(frames, height, width), rig.latent(frames, height, width)
    positive, negative = bound(rig.text(1), areas), rig.text(2)
    args = (unet, "paper", areas, positive[0][1][KEY].tokens, frames, height)
    sees = visible(frames, chosen, **meaning)
    for modulated, ours in ((False, model), (True, st_layout(model))):
        truth = Truth(sees, *args, modulated=modulated).patched()
        expected = one_step(truth, positive, negative, x)
        close(one_step(ours, positive, negative, x), expected, one_step(unet, positive, negative, x))


def test_no_anchor_is_the_plain_model_to_the_bit(unet):
    args = (bound(rig.text(1), regions(3, 16, 16)), rig.text(2), rig.latent(3))
    assert torch.equal(one_step(anchored(unet, 0), *args), one_step(unet, *args))
    assert torch.equal(one_step(st_layout(anchored(unet, 0)), *args), one_step(st_layout(unet), *args))
    assert torch.equal(
        one_step(st_layout(anchored(unet, 0), "reference"), *args), one_step(st_layout(unet, "reference"), *args)
    )
    assert describe(records(anchored(unet, 0)), registry.of(unet.model.diffusion_model)) == "own"
    assert not torch.equal(one_step(anchored(unet), *args), one_step(unet, *args))


def test_with_every_frame_an_anchor_it_is_all_frames(unet):
    args = (bound(rig.text(1), regions(3, 16, 16)), rig.text(2), rig.latent(3))
    for wrap in (lambda model: model, st_layout):
        all_frames = one_step(wrap(full_frame(unet)), *args)
        assert rig.rms(one_step(wrap(anchored(unet, 8)), *args) - all_frames) < 2e-5 * rig.rms(all_frames)


@pytest.mark.parametrize("wrap", [lambda model: model, st_layout], ids=["plain", "st-layout"])
def test_a_frame_is_the_same_whatever_else_is_in_the_batch(unet, wrap):
    """Gather: anchors depend on anchors only. Swap: a frame on itself and them. So chunks need no cache and no overlap."""
    x, areas = rig.latent(7, 8, 16), regions(7, 8, 16)
    whole = one_step(wrap(anchored(unet, 0, frames="1, 4")), bound(rig.text(1), areas), rig.text(2), x)
    picked = [0, 1, 3, 4]
    some = tuple(region._replace(mask=region.mask[picked]) for region in areas)
    part = one_step(wrap(anchored(unet, 0, frames="1, 3")), bound(rig.text(1), some), rig.text(2), x[picked])
    assert rig.rms(part - whole[picked]) < 2e-5 * rig.rms(whole)


# ---- cost -----------------------------------------------------------------------------------------------------------


class Multiplications(TorchFunctionMode):
    """Counts query–key pairs of every attention call."""

    pairs = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.nn.functional.scaled_dot_product_attention:
            q, k = args[:2]
            self.pairs += math.prod(q.shape[:-1]) * k.shape[-2]
        return func(*args, **(kwargs or {}))


def test_the_cost_of_a_frame_does_not_grow_with_the_clip(unet, monkeypatch):
    import comfy.ldm.modules.attention as core

    monkeypatch.setattr("pack.videograin.comfyui.attention.optimized_attention", core.attention_pytorch)

    def pairs(model, frames):
        with Multiplications() as counted:
            one_step(model, rig.text(1), rig.text(2), rig.latent(frames, 8, 8))
        return counted.pairs

    few, many = (pairs(anchored(unet, 2), frames) for frames in (6, 18))
    extra = pairs(anchored(unet, 2), 7) - few  # one more frame
    assert extra > 0 and many - few == 12 * extra
    assert pairs(full_frame(unet), 18) - pairs(full_frame(unet), 6) > 12 * extra * 2


def test_core_is_told_what_anchors_add(unet):
    shape = [8, 4, 32, 32]
    queries = 2 * 8 * 32 * 32 * 32 * 4
    assert memory.extra_bytes(records(unet), shape, unet.model) == 0
    assert memory.extra_bytes(records(anchored(unet)), shape, unet.model) == COPIES * queries


# ---- with the other nodes -------------------------------------------------------------------------------------------


def test_the_inversion_sees_the_same_anchors_and_says_so(unet):
    model = anchored(unet)
    noise, inversion, _ = invert(model)
    assert inversion.key_sets == "own; anchors (2 frames; concat; all anchors)"
    assert rig.rms(noise["samples"] - invert(unet)[0]["samples"]) > 1e-4 * rig.rms(noise["samples"])
    mask = torch.zeros(1, 128, 128)
    mask[..., 64:] = 1
    other = LatentBlend.execute(anchored(unet, 3), "inversion", inversion, mask=mask).args[0]
    with pytest.raises(ValueError, match=r"anchors \(2 frames.*anchors \(3 frames.*Anchor Attention.*before DDIM"):
        rig.sample(other, rig.text(1), rig.text(2), noise["samples"], steps=3)


def test_show_attention_sees_what_a_frame_sees(unet, monkeypatch):
    """A frame that is no anchor looks at itself and the anchors, and nowhere else."""
    model = st_layout(anchored(unet, 2))
    _, inversion, _ = invert(model)
    words = bound(rig.text(2), regions(4, 16, 16))
    maps, original = [], attention_probs.point_shares

    def record(*args):
        maps.append(original(*args))
        return maps[-1]

    monkeypatch.setattr("pack.videograin.jobs.show_attention.point_shares", record)
    ShowAttention.execute(model, inversion, words, torch.zeros(4, 128, 128, 3), 0.0, 1.0, 2, points="20, 20, 1")
    assert maps
    for found in maps:  # (before and after, points, frames, tokens)
        frames = found[:, 0].sum(-1)
        assert torch.allclose(frames.sum(-1), torch.ones(2), atol=1e-4)
        assert (frames[:, 2] == 0).all() and (frames[:, [0, 1, 3]] > 0).all()


def test_motion_paths_follow_anchored_attention(unet):
    frames = torch.rand(4, 128, 128, 3, generator=torch.Generator().manual_seed(0))
    model = FlowGuidedAttention.execute(anchored(unet), frames, "1/1", True).args[0]
    args = (rig.text(1), rig.text(2), rig.latent(4))
    moved = one_step(model, *args)
    assert torch.isfinite(moved).all() and not torch.equal(moved, one_step(anchored(unet), *args))


def test_anchors_mix_with_regions_placement_and_the_boundary(unet, monkeypatch):
    """Place Objects takes its gradient through anchored attention; what is outside the mask stays to the bit."""
    seen, clip = looks(monkeypatch), demo_model.load_clip(demo_model.FOLDER / demo_model.PAINTER)
    (region,) = RegionPrompt.execute(half(), "cat").args
    positive = BindRegionPrompts.execute(clip, PROMPT, region).args[0]
    model = st_layout(anchored(unet))
    noise, inversion, sigmas = DDIMInversion.execute(
        model, encoded(clip), {"samples": rig.latent(3)}, 3, "ddim_uniform", 0
    ).args
    mixed = LatentBlend.execute(placed(model, clip), "progressive", inversion, boundary=3).args[0]
    out = run(mixed, positive, noise["samples"], sigmas)
    x, _, moved = seen[0]
    assert torch.isfinite(out).all() and not torch.equal(moved, x)
    outside = (blend_mask(half(), 16, 16) == 0).expand_as(out)
    assert torch.equal(out[outside], inversion.source[outside])


# ---- clashes and mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["first + previous", "middle"])
def test_two_answers_to_one_question_are_refused_in_either_order(unet, kind):
    for model in (anchored(full_frame(unet, kind)), full_frame(anchored(unet), kind)):
        with pytest.raises(ValueError, match=rf"Full-Frame Attention's “{kind[:4]}.*Anchor Attention.*Choose “own”"):
            one_step(model, rig.text(1), rig.text(2), rig.latent(3))


@pytest.mark.parametrize("windowed_first", [False, True])
def test_context_windows_are_refused_before_sampling(unet, windowed_first):
    model = anchored(rig.windowed(unet)) if windowed_first else rig.windowed(anchored(unet))
    calls = []
    model.set_model_unet_function_wrapper(lambda apply, args: calls.append(1))
    with pytest.raises(ValueError, match=r"context windows, which do not hold.*Edit in Chunks"):
        one_step(model, rig.text(1), rig.text(2), rig.latent(6))
    assert not calls


def test_windows_of_another_pack_are_refused_at_the_first_call(unet):
    """AnimateDiff-Evolved says in `ad_params` which frames a call holds."""
    model = anchored(unet, 2).clone()
    model.model_options["transformer_options"]["ad_params"] = {"sub_idxs": [0, 1, 2, 3]}
    with pytest.raises(ValueError, match=r"frames 0, 4, are not all among the .* frames of a model call"):
        one_step(model, rig.text(1), rig.text(2), rig.latent(5))


@pytest.mark.parametrize(
    "text,message",
    [("0, last", "“last”, which is no frame number"), ("-1", "“-1”, which is no frame number"),
     (" ".join(map(str, range(65))), "names 65 frames.*at most 64")],
)  # fmt: skip
def test_frames_that_cannot_be_are_refused_at_once(unet, text, message):
    with pytest.raises(ValueError, match=message):
        anchored(unet, frames=text)


def test_a_frame_the_clip_does_not_have_is_refused_before_sampling(unet):
    with pytest.raises(ValueError, match="names frame 9, but the clip has 3 frames, 0 to 2"):
        one_step(anchored(unet, frames="0; 9"), rig.text(1), rig.text(2), rig.latent(3))


def test_a_second_one_is_refused(unet):
    with pytest.raises(ValueError, match="passed through Anchor Attention already"):
        anchored(anchored(unet))


# ---- instruct-pix2pix: VIA's own editor, with core's nodes ----------------------------------------------------------


def instruct(model, frames, x, blend=None, steps=3):
    """DualCFGGuider over text and picture, from fresh noise; `frames` of the clip in `x`, the source's latent."""
    from comfy_extras.nodes_custom_sampler import DualCFGGuider

    positive, middle, negative = ([[rig.text(seed)[0][0], {"concat_latent_image": x[frames]}]] for seed in (1, 2, 3))
    negative[0][1].pop("concat_latent_image")
    guider = DualCFGGuider.execute(model, positive, middle, negative, 7.5, 1.5, "regular").args[0]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))[frames]
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
    euler = comfy.samplers.sampler_object("euler")
    return guider.sample(noise, torch.zeros_like(x[frames]), euler, sigmas, disable_pbar=True, seed=0)


def test_instruct_pix2pix_has_anchors_and_the_progressive_boundary():
    """Three chunks a call, eight channels, no inversion: frames are the same from a part of the clip as from all."""
    unet, x = rig.random_unet(base=comfy.model_base.SD15_instructpix2pix, in_channels=8), rig.latent(6, 8, 16)
    everything, picked = list(range(6)), [0, 2, 3, 5]
    whole = instruct(anchored(unet, 2), everything, x)
    part = instruct(anchored(unet, 2), picked, x)
    assert rig.rms(part - whole[picked]) < 1e-4 * rig.rms(whole)
    assert rig.rms(instruct(unet, everything, x) - whole) > 1e-2 * rig.rms(whole)
    mask = torch.zeros(1, 64, 128)
    mask[..., 64:] = 1
    blended = LatentBlend.execute(anchored(unet, 2), "progressive", source={"samples": x}, mask=mask).args[0]
    out = instruct(blended, everything, x)
    assert torch.equal(out[..., :8], x[..., :8]) and rig.rms((out - whole)[..., 8:]) > 1e-3 * rig.rms(whole)
