"""Packs that bring blocks, norms, samplers and networks of their own: they compose, or are told by the name of their folder."""

import logging

import neighbours
import oracle as exact
import pytest
import rig
import torch
from compatibility import COMPOSED, REFUSED, WORKS, claim
from einops import rearrange
from neighbour_calls import Reference, absolute, couple_by_replacement, norm_over_frames, of_pack, sampled_twice
from neighbours import BLOCKS, assert_composes, prompts
from recipe import full_frame, st_layout
from torch import nn

from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.layout import AttentionLayout
from pack.videograin.comfyui.other_packs import pack_of

pytestmark = pytest.mark.usefixtures("inference_mode")


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "videograin" and r.levelno == logging.WARNING]


# ---- names ----------------------------------------------------------------------------------------------------------


def test_a_pack_is_named_by_its_folder_and_never_by_a_path():
    def function():
        pass

    class Thing:
        pass

    class Layer(nn.Module):
        pass

    assert pack_of(of_pack(function)) == "ComfyUI-Some.Pack"
    assert pack_of(of_pack(Thing)()) == pack_of(of_pack(Layer)()) == pack_of(Thing) == "ComfyUI-Some.Pack"
    assert pack_of(prompts) == "neighbours" and pack_of(Reference.plain) == "neighbour_calls"
    function.__module__ = "/somewhere/else/entirely.py"
    assert pack_of(function) == "entirely.py"


def test_one_warning_for_all_blocks_of_a_pack(unet, caplog):
    @of_pack
    def other(q, k, v, extra):
        return v

    model = unet.clone()
    for block in BLOCKS:
        model.set_model_attn1_replace(other, *block)
    with caplog.at_level(logging.WARNING, "videograin"):
        exact.one_step(full_frame(model), *prompts())
    (told,) = warnings(caplog)
    assert told.startswith("ComfyUI-Some.Pack replaces self-attention, first at block input 1") and not absolute(told)


def test_packs_that_change_tokens_are_named_by_their_folder(unet, caplog):
    @of_pack
    def merged(q, k, v, extra):
        return q[:, ::2], k, v

    @of_pack
    def spread(out, extra):
        return out.repeat_interleave(2, 1)

    model = unet.clone()
    model.set_model_attn1_patch(merged)
    model.set_model_attn1_output_patch(spread)
    with caplog.at_level(logging.WARNING, "videograin"):
        exact.one_step(full_frame(model), *prompts())
    (told,) = warnings(caplog)
    assert told.startswith("Another node (ComfyUI-Some.Pack) tiles or merges tokens") and not absolute(told)
    with pytest.raises(ValueError, match=r"Another node \(ComfyUI-Some.Pack\) tiles") as error:
        exact.one_step(st_layout(model), *prompts())
    assert not absolute(str(error.value))


# ---- blocks and norms -----------------------------------------------------------------------------------------------


class WithReference(exact.Oracle):
    """ST-Layout with tokens of a reference behind each frame's own, which belong to no region."""

    def self_attention(self, q, k, v, extra):
        member, _ = self.member(extra)
        frames, own, more = self.frames, q.shape[1], k.shape[1] - q.shape[1]
        flat = member.flatten(1).T
        positive = (flat[:, None] == flat[None]).all(-1).view(-1, frames, own)
        positive = nn.functional.pad(positive, (0, more)).flatten(1)
        q, k, v = (rearrange(x, "(c f) n d -> c (f n) d", f=frames) for x in (q, k, v))
        out = []
        for c, which in enumerate(extra["cond_or_uncond"]):
            on = which == 0
            lam = exact.lambdas(self.model, self.mode, "self", member, extra["sigmas"][0]).view(1, -1) if on else None
            out.append(exact.dense(q[c : c + 1], k[c : c + 1], v[c : c + 1], lam, positive[None], extra["n_heads"]))
        return rearrange(torch.cat(out), "c (f n) d -> (c f) n d", f=frames)


@claim("neighbour", "Advanced-ControlNet Reference, ContextRef: `style_fidelity` 0", COMPOSED)
def test_a_reference_beside_full_frames_and_regions(unet, caplog):
    """Its blocks give a replacement no `attn_precision`."""
    positive, negative, x = prompts()
    oracle = WithReference(unet, "paper", positive[0][1][exact.KEY].regions, positive[0][1][exact.KEY].tokens, 3, 16)
    expected = exact.one_step(Reference().on(oracle.patched()), positive, negative, x)
    with caplog.at_level(logging.WARNING, "videograin"):
        assert_composes(Reference().on, unet, positive, negative, x, expected)
    assert not warnings(caplog)


@claim("neighbour", "Advanced-ControlNet Reference, ContextRef: `style_fidelity` above 0", WORKS)
def test_a_second_call_for_the_negative_rows_is_told_once_and_rightly(unet, caplog):
    """What the positive half predicts is all frames' and modulated; the negative half mixes in attention to own frames."""
    positive, negative, x = prompts()
    oracle = WithReference(unet, "paper", positive[0][1][exact.KEY].regions, positive[0][1][exact.KEY].tokens, 3, 16)
    whole = oracle.self_attention
    oracle.self_attention = lambda q, k, v, extra: (
        whole(q, k, v, extra) if len(q) == 3 * len(extra["cond_or_uncond"]) else Reference.plain(q, k, v, extra)
    )
    expected = exact.one_step(Reference(0.5).on(oracle.patched()), positive, negative, x)
    with caplog.at_level(logging.WARNING, "videograin"):
        assert_composes(Reference(0.5).on, unet, positive, negative, x, expected)
    told = warnings(caplog)
    assert all("Reference" in text and "ContextRef" in text and "`style_fidelity` to 0" in text for text in told)
    assert len(told) == 2  # in each of the two runs with both once


@claim("neighbour", "AnimateDiff-Evolved v1 motion modules with `clip_norm`", REFUSED)
def test_a_norm_over_frames_is_not_joined_by_another(unet):
    message = r"`clip_norm` and ComfyUI-AnimateDiff-Evolved both have GroupNorm.*Switch `clip_norm` off"
    for model in (
        norm_over_frames(full_frame(unet, clip_norm=True)),
        full_frame(norm_over_frames(unet), clip_norm=True),
    ):
        with pytest.raises(ValueError, match=message):
            exact.one_step(model, *prompts())
        with pytest.raises(ValueError, match=message):
            DDIMInversion.execute(model, rig.text(1), {"samples": rig.latent()}, 3, "normal", 0)
    model = full_frame(norm_over_frames(unet))
    assert torch.isfinite(exact.one_step(model, *prompts())).all()
    exact.one_step(full_frame(unet, clip_norm=True), *prompts())  # nothing of it is left


# ---- samplers -------------------------------------------------------------------------------------------------------


@claim("neighbour", "AnimateDiff-Evolved iterations (a sampler that runs twice) with an inversion", REFUSED)
@pytest.mark.parametrize("declared", [True, False], ids=["before sampling", "at the second run"])
def test_a_sampler_that_runs_twice(unet, declared):
    message, source = r"more than once.*Iteration Options.*Remove these options", {"samples": rig.latent()}
    for model in (sampled_twice(full_frame(unet), declared), full_frame(sampled_twice(unet, declared))):
        with pytest.raises(ValueError, match=message):
            DDIMInversion.execute(model, rig.text(1), source, 3, "normal", 0)
    noise, inversion, _ = DDIMInversion.execute(unet, rig.text(1), source, 3, "normal", 0).args
    with pytest.raises(ValueError, match=message):
        AttentionLayout.execute(
            sampled_twice(unet, declared), inversion, rig.text(1), 2, 1, "attention rows", "per frame"
        )
    mask = torch.ones(1, 128, 128)
    blended = LatentBlend.execute(unet, "inversion", inversion, mask=mask).args[0]
    with pytest.raises(ValueError, match=message):
        rig.sample(sampled_twice(blended, declared), rig.text(2), rig.text(3), noise["samples"], scheduler="normal")


def test_regions_are_not_lost_in_a_second_run(unet):
    with pytest.raises(ValueError, match=r"more than once"):
        rig.sample(sampled_twice(st_layout(unet), declared=False), *prompts()[:2], rig.latent(), True)


# ---- attention couple -----------------------------------------------------------------------------------------------


@claim("neighbour", "attention-couple-ComfyUI (cross-attention replaced)", WORKS)
def test_a_replacement_with_words_of_its_own_is_named_once(unet, caplog):
    positive, negative, x = prompts()
    model = couple_by_replacement(unet, rig.text(7), rig.text(8))
    with caplog.at_level(logging.WARNING, "videograin"):
        exact.one_step(st_layout(model), positive, negative, x)
    (told,) = warnings(caplog)
    assert told.startswith("attention-couple-ComfyUI replaces cross-attention by one with words of its own")
    assert "`cross_strength` to 0" in told and not absolute(told)


def test_a_replacement_that_adds_is_silent(unet, caplog):
    positive, negative, x = prompts()
    model = neighbours.image_adapter(unet, neighbours.ImageTokens())
    with caplog.at_level(logging.WARNING, "videograin"):
        exact.one_step(st_layout(model), positive, negative, x)
    assert not warnings(caplog)


# ---- networks -------------------------------------------------------------------------------------------------------


@claim("neighbour", "FLATTEN's own network", REFUSED)
def test_a_network_of_a_packs_own(unet):
    class UNetModel(nn.Module):
        pass

    model = unet.clone()
    model.add_object_patch("diffusion_model", of_pack(UNetModel, "ComfyUI-FLATTEN", "modules.unet")())
    message = r"a UNetModel. It is a network of ComfyUI-FLATTEN's own: load a Stable Diffusion checkpoint with Load Checkpoint"
    with pytest.raises(ValueError, match=message):
        full_frame(model)


@claim("neighbour", "LayerDiffuse's attention sharing", REFUSED)
def test_attention_layers_of_a_packs_own(unet):
    class AttentionSharingUnit(nn.Module):
        pass

    unit = of_pack(AttentionSharingUnit, "ComfyUI-layerdiffuse", "lib_layerdiffusion.attention_sharing")()
    model = unet.clone()
    model.add_object_patch("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1", unit)
    message = r"attention layers of ComfyUI-layerdiffuse in the place of ComfyUI's.*from before that node.*`config`"
    with pytest.raises(ValueError, match=message):
        full_frame(model)
    late = full_frame(unet).clone()  # after ours
    late.add_object_patch("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2", unit)
    with pytest.raises(ValueError, match=message):
        exact.one_step(late, *prompts())
