"""Nodes and packs that patch attention: both effects are there, whoever came first, and it is the expected tensor."""

import logging

import comfy.samplers
import neighbours
import oracle as exact
import pytest
import rig
import torch
from comfy.ldm.modules.attention import optimized_attention
from compatibility import COMPOSED, claim
from neighbours import BLOCKS, assert_composes, prompts, truth
from recipe import st_layout

pytestmark = pytest.mark.usefixtures("inference_mode")


@claim("neighbour", "IPAdapter", COMPOSED)
def test_adapters_added_to_each_other_on_both_sides_of_our_node(unet):
    """IPAdapter_plus calls `.add` on what stands at a block: it meets its own object, never ours."""
    positive, negative, x = prompts()
    first, second = neighbours.ImageTokens(), neighbours.ImageTokens(0.4, seed=1)
    expected = exact.one_step(
        truth(unet, positive, kind=neighbours.Adapted, parts=(first, second)), positive, negative, x
    )

    def add(model, *parts):
        for part in parts:
            model = neighbours.image_adapter(model, part)
        return model

    orders = (
        st_layout(add(unet, first, second)),
        add(st_layout(unet), first, second),
        add(st_layout(add(unet, first)), second),
    )
    ours = [exact.one_step(model, positive, negative, x) for model in orders]
    assert torch.equal(ours[0], ours[1]) and torch.equal(ours[0], ours[2])
    assert rig.rms(ours[0] - expected) < 2e-5 * rig.rms(expected)
    one = truth(unet, positive, kind=neighbours.Adapted, parts=(first,))
    assert rig.rms(exact.one_step(one, positive, negative, x) - expected) > 1e-3 * rig.rms(expected)


@pytest.mark.parametrize("node", ["FreeU", "FreeU_V2"])
@claim("neighbour", "FreeU", COMPOSED)
def test_free_u(unet, node):
    import comfy_extras.nodes_freelunch as freelunch

    assert_composes(lambda model: getattr(freelunch, node).execute(model, 1.3, 1.4, 0.9, 0.2)[0], unet, *prompts())


@claim("neighbour", "Perturbed-Attention Guidance", COMPOSED)
def test_perturbed_attention_guidance(unet, caplog):
    """Its own pass has its own attention in the middle block, the rest of that pass is the modulated network."""
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    with caplog.at_level(logging.WARNING, "videograin"):
        assert_composes(lambda model: PerturbedAttentionGuidance.execute(model, 3.0)[0], unet, *prompts())
    assert any("middle 0" in record.getMessage() for record in caplog.records)


@claim("neighbour", "Self-Attention Guidance", COMPOSED)
def test_self_attention_guidance(unet):
    """It records the middle block's per-frame attention, and asks for the negative prompt alone."""
    from comfy_extras.nodes_sag import SelfAttentionGuidance

    def guided(model):
        return SelfAttentionGuidance.execute(model, 0.5, 2.0)[0]

    positive, negative, x = prompts()
    oracle = neighbours.ByPrompt(unet, "paper", *bound_parts(positive), 3, 16)
    model = guided(oracle.patched())
    record = model.model_options["transformer_options"]["patches_replace"]["attn1"]["middle", 0, 0]

    def recorded(q, k, v, extra):
        record(q, k, v, extra)
        return oracle.self_attention(q, k, v, extra)

    model.set_model_attn1_replace(recorded, "middle", 0, 0)
    assert_composes(guided, unet, positive, negative, x, exact.one_step(model, positive, negative, x))


def bound_parts(positive):
    binding = positive[0][1][exact.KEY]
    return binding.regions, binding.tokens


class ThreePrompts(exact.Oracle):
    """DualCFG's chunks: 0 negative, 1 middle, 2 positive. The middle one has no regions of its own."""

    def self_attention(self, q, k, v, extra):
        sides = [0 if side else 1 for side in extra["cond_or_uncond"]]
        return super().self_attention(q, k, v, {**extra, "cond_or_uncond": sides})

    def cross_attention(self, q, k, v, extra):
        sides = [0 if side == 2 else 1 for side in extra["cond_or_uncond"]]
        return super().cross_attention(q, k, v, {**extra, "cond_or_uncond": sides})


@claim("neighbour", "DualCFG", COMPOSED)
def test_dual_guidance(unet):
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG

    def step(model, positive, negative, x):
        guider = Guider_DualCFG(model)
        guider.set_conds(positive, rig.text(6), negative)
        guider.set_cfg(2.0, 4.0)
        sigmas = torch.tensor([exact.SIGMA, 0.0])
        return guider.sample(torch.zeros_like(x), x, comfy.samplers.ksampler("euler"), sigmas, seed=0)

    positive, negative, x = prompts()
    expected = step(truth(unet, positive, kind=ThreePrompts), positive, negative, x)
    ours = step(st_layout(unet), positive, negative, x)
    assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)
    assert rig.rms(step(unet, positive, negative, x) - expected) > 1e-3 * rig.rms(expected)


class Overridden(exact.Oracle):
    """Where nothing is modulated, an override's attention: here with a gain, so that it is seen."""

    gain = 1.05

    def self_attention(self, q, k, v, extra):
        return self.gained(super().self_attention(q, k, v, extra), extra)

    def cross_attention(self, q, k, v, extra):
        return self.gained(super().cross_attention(q, k, v, extra), extra)

    def gained(self, out, extra):
        out = out.clone()
        for chunk, side in enumerate(extra["cond_or_uncond"]):
            out[chunk * self.frames : (chunk + 1) * self.frames] *= 1.0 if side == 0 else self.gain
        return out


@claim("neighbour", "Attention override (SageAttention, FlashAttention)", COMPOSED)
def test_an_attention_override_takes_what_is_not_modulated(unet):
    """As strict as the real ones: no mask, and only the head sizes it knows."""

    def override(function, q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False, **more):
        if mask is not None:
            raise ValueError("Flash attention does not support attention masks")
        if q.shape[-1] // heads not in (16, 32, 64):  # of this network
            raise ValueError(f"Unsupported head_dim: {q.shape[-1] // heads}")
        return Overridden.gain * optimized_attention(q, k, v, heads)

    positive, negative, x = prompts()
    expected = exact.one_step(truth(unet, positive, kind=Overridden), positive, negative, x)
    assert_composes(lambda model: neighbours.with_override(model, override), unet, positive, negative, x, expected)


@claim("neighbour", "A DIFFUSION_MODEL wrapper that patches at run time", COMPOSED)
def test_a_wrapper_that_patches_while_the_network_runs(unet):
    part = neighbours.ImageTokens()
    replace = neighbours.Attn2Replace(part)

    def late(executor, *args, **kwargs):
        *args, options = args
        patches = {**options.get("patches_replace", {}), "attn2": dict.fromkeys(BLOCKS, replace)}
        return executor(*args, {**options, "patches_replace": patches}, **kwargs)

    def wrapped(model):
        model = model.clone()
        model.add_wrapper_with_key("diffusion_model", "late", late)
        return model

    positive, negative, x = prompts()
    expected = exact.one_step(truth(unet, positive, kind=neighbours.Adapted, parts=(part,)), positive, negative, x)
    assert_composes(wrapped, unet, positive, negative, x, expected)
