"""Other packs on the same MODEL: both effects are there, whoever came first."""

import logging
from functools import partial

import nodes as host
import oracle as exact
import pytest
import recipe
import rig
import torch

from pack.nodes.attention import FullFrameAttention
from pack.nodes.inversion import DDIMInversion
from pack.videograin.core.phrase_tokens import KEY

st_layout = partial(recipe.st_layout, end_percent=0.3)


def test_another_self_attention_stands_at_its_block_and_is_named_once(unet, caplog):
    def perturbed(q, k, v, extra):
        return v

    patched = unet.clone()
    patched.set_model_attn1_replace(perturbed, "middle", 0)
    with caplog.at_level(logging.WARNING, "videograin"):
        rig.sample(
            st_layout(patched),
            exact.bound(rig.text(1), exact.regions(2, 16, 16)),
            rig.text(2),
            rig.latent(2),
            noise=True,
        )
    warnings = [record.getMessage() for record in caplog.records if "replaces self-attention" in record.getMessage()]
    assert len(warnings) == 1 and "middle 0" in warnings[0] and perturbed.__module__ in warnings[0]


def test_an_attention_override_sees_the_unmodulated_calls(unet):
    seen = []

    def override(function, *args, **kwargs):
        seen.append(args[0].shape)
        return function(*args, **kwargs)

    args = (rig.text(1), rig.text(2), rig.latent(2), True)
    plain = FullFrameAttention.execute(unet, "all frames").result[0]
    sped_up = plain.clone()
    sped_up.model_options["transformer_options"]["optimized_attention_override"] = override
    assert torch.equal(rig.sample(sped_up, *args), rig.sample(plain, *args))
    assert any(shape[1] == 2 * 16 * 16 for shape in seen)


@pytest.fixture
def control():
    return rig.controlnet()


def test_controlnet_acts_in_inversion_and_in_the_edit(unet, control):
    hint = torch.rand(2, 128, 128, 3, generator=torch.Generator().manual_seed(6))
    model = st_layout(unet)
    positive, negative = exact.bound(rig.text(1), exact.regions(2, 16, 16)), rig.text(2)
    guided = host.ControlNetApplyAdvanced().apply_controlnet(positive, negative, control, hint, 1.0, 0.0, 1.0)
    assert guided[0][0][1][KEY] is positive[0][1][KEY]  # the regions travel on
    latent = {"samples": rig.latent(2)}
    free, bound = (
        DDIMInversion.execute(model, source, latent, 3, "ddim_uniform", 0).result[0]["samples"]
        for source in (positive, guided[0])
    )
    assert rig.rms(bound - free) > 1e-3 * rig.rms(free)
    free, bound = (rig.sample(model, *pair, rig.latent(2), noise=True) for pair in ((positive, negative), guided))
    assert rig.rms(bound - free) > 1e-3 * rig.rms(free)


def test_prompts_with_areas_keep_their_own_roles(unet):
    """ComfyUI completes the negative side with copies of an area's prompt; each chunk still gets its own regions."""
    areas, x = exact.regions(2, 16, 16), rig.latent(2)
    positive, negative = exact.bound(rig.text(1), areas), rig.text(2)
    left = host.ConditioningSetArea().append(exact.bound(rig.text(3), areas), 64, 128, 0, 0, 1.0)[0]
    calls = []

    def spy(apply, args):
        calls.append(tuple(args["input"].shape[-2:]))
        return apply(args["input"], args["timestep"], **args["c"])

    model = st_layout(unet)
    model.set_model_unet_function_wrapper(spy)
    out = exact.one_step(model, positive + left, negative, x)
    assert (16, 8) in calls and (16, 16) in calls and torch.isfinite(out).all()
    assert not torch.equal(out, exact.one_step(model, positive, negative, x))


def test_merged_tokens_turn_full_frame_attention_off_there_with_one_warning(unet, caplog):
    """ToMe shortens the query at the finest level; the rest of the network still sees all frames."""
    from comfy_extras.nodes_tomesd import TomePatchModel

    def merged(model):
        torch.manual_seed(0)
        return rig.sample(TomePatchModel.execute(model, 0.3).result[0], rig.text(1), rig.text(2), rig.latent(2), True)

    with caplog.at_level(logging.WARNING, "videograin"):
        out = merged(FullFrameAttention.execute(unet, "all frames").result[0])
    warnings = {r.getMessage() for r in caplog.records if "tiles or merges" in r.getMessage()}
    assert torch.isfinite(out).all() and not torch.equal(out, merged(unet)) and warnings
    assert len(warnings) == sum("tiles or merges" in r.getMessage() for r in caplog.records)


def test_the_plain_ksampler_edits_without_an_inversion(unet):
    positive = exact.bound(rig.text(1), exact.regions(2, 16, 16))
    model = st_layout(unet)
    out = host.common_ksampler(model, 1, 3, 4.0, "euler", "normal", positive, rig.text(2), {"samples": rig.latent(2)})[
        0
    ]
    assert torch.isfinite(out["samples"]).all()
