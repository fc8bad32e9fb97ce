"""Neutral settings equal the same graph without the node, bit for bit; the original MODEL is never touched."""

import copy

import comfy.model_management
import pytest
import rig
import torch
from recipe import encode, full_frame, half, st_layout

from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.regions import BindRegionPrompts, RegionPrompt


def bound(clip, *phrases):
    regions = ()
    for phrase in phrases:
        (regions,) = RegionPrompt.execute(half(), phrase, regions=regions).result
    return BindRegionPrompts.execute(clip, "a cat and a dog on grass", regions).result[0]


def test_own_frames_are_the_plain_model(unet):
    args = (rig.text(1), rig.text(2), rig.latent(), True)
    assert torch.equal(rig.sample(full_frame(unet, "own"), *args), rig.sample(unet, *args))
    assert not torch.equal(rig.sample(full_frame(unet), *args), rig.sample(unet, *args))
    own_everywhere = full_frame(unet, "all frames", **{f"level_{level}": "own" for level in (1, 2, 4, 8)})
    assert torch.equal(rig.sample(own_everywhere, *args), rig.sample(unet, *args))


def test_one_frame_sees_itself_either_way(unet):
    args = (rig.text(1), rig.text(2), rig.latent(1), True)
    assert torch.equal(rig.sample(full_frame(unet), *args), rig.sample(unet, *args))


@pytest.mark.parametrize(
    "settings", [{"self_strength": 0.0, "cross_strength": 0.0}, {"end_percent": 0.0}], ids=["strength 0", "no steps"]
)
def test_st_layout_without_strength_is_the_full_frame_model(unet, clip, settings):
    args = (bound(clip, "a cat"), rig.text(2), rig.latent(), True)
    assert torch.equal(rig.sample(st_layout(unet, **settings), *args), rig.sample(full_frame(unet), *args))
    assert not torch.equal(rig.sample(st_layout(unet), *args), rig.sample(full_frame(unet), *args))


def test_st_layout_without_regions_is_the_full_frame_model_and_says_so(unet, clip, caplog):
    empty = BindRegionPrompts.execute(clip, "a cat and a dog on grass").result[0]
    args = (empty, rig.text(2), rig.latent(), True)
    assert torch.equal(rig.sample(st_layout(unet), *args), rig.sample(full_frame(unet), *args))
    assert "Bind Region Prompts' `regions` is empty" in caplog.text


def test_st_layout_after_its_last_step_is_the_full_frame_model(unet, clip):
    """Modulated for the first half: a run over the second half alone is not."""
    args = (bound(clip, "a cat"), rig.text(2), rig.latent(), True)
    late = {"steps": 10, "start_step": 6}
    ours, plain = st_layout(unet, end_percent=0.5), full_frame(unet)
    assert torch.equal(rig.sample(ours, *args, **late), rig.sample(plain, *args, **late))
    assert not torch.equal(rig.sample(ours, *args, steps=10), rig.sample(plain, *args, steps=10))


def test_binding_nothing_is_a_plain_encode(clip):
    ours, plain = (
        BindRegionPrompts.execute(clip, "a (cat:1.3) and a dog").result[0],
        encode(clip, "a (cat:1.3) and a dog"),
    )
    assert torch.equal(ours[0][0], plain[0][0])
    kept = BindRegionPrompts.execute(
        clip, "a cat and a dog on grass", RegionPrompt.execute(half(), "a cat").result[0], encode_phrases_alone=False
    ).result[0]
    assert torch.equal(kept[0][0], encode(clip, "a cat and a dog on grass")[0][0])


def test_blend_with_everything_editable_is_no_blend(unet):
    model = full_frame(unet)
    noise, inversion, _ = DDIMInversion.execute(
        model, rig.text(1), {"samples": rig.latent()}, 4, "ddim_uniform", 1
    ).result
    blended = LatentBlend.execute(model, "inversion", inversion, mask=torch.ones(1, 128, 128)).result[0]
    args = (rig.text(3), rig.text(2), noise["samples"])
    assert torch.equal(rig.sample(blended, *args, steps=4), rig.sample(model, *args, steps=4))
    renoised = LatentBlend.execute(
        model, "renoised", source={"samples": rig.latent()}, mask=torch.ones(3, 128, 128)
    ).result[0]
    assert torch.equal(rig.sample(renoised, *args, noise=True), rig.sample(model, *args, noise=True))


def snapshot(model):
    return copy.deepcopy(
        (model.model_options, model.wrappers, model.callbacks, list(model.patches), model.object_patches)
    )


@pytest.mark.parametrize("fault", [None, comfy.model_management.InterruptProcessingException, RuntimeError])
def test_the_original_model_survives_run_interrupt_and_exception(unet, clip, fault):
    args = (bound(clip, "a cat"), rig.text(2), rig.latent(), True)
    before, plain = snapshot(unet), rig.sample(unet, *args)
    edited = st_layout(full_frame(unet))
    expected = rig.sample(edited, *args)
    after_nodes = snapshot(edited)

    if fault is not None:
        calls = []

        def fail(q, k, v, extra):
            calls.append(1)
            if len(calls) == 12:
                raise fault
            return comfy.ldm.modules.attention.optimized_attention(q, k, v, extra["n_heads"])

        faulty = edited.clone()
        faulty.set_model_attn2_replace(fail, "middle", 0)
        with pytest.raises(fault):
            rig.sample(faulty, *args, steps=20)
    assert snapshot(unet) == before and snapshot(edited) == after_nodes
    assert torch.equal(rig.sample(unet, *args), plain)
    assert torch.equal(rig.sample(edited, *args), expected)
