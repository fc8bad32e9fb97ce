"""Nodes that skip or compile work, and a second pass: the edit is the same edit."""

import comfy.utils
import pytest
import rig
import torch
from compatibility import COMPOSED, claim
from neighbours import prompts, truth
from recipe import st_layout

from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.videograin.core.latent_blend import blend_mask

STEPS = 8
NETWORK = rig.small_unet
pytestmark = pytest.mark.usefixtures("inference_mode")


def cached(model, name):
    """LazyCache or EasyCache, so that it skips steps of a random network."""
    import comfy_extras.nodes_easycache as nodes

    return getattr(nodes, f"{name}Node").execute(model, 3.0, 0.1, 0.95, False)[0]


def counted(model, calls):
    """Notes the rows of every call that reaches the network."""

    def spy(executor, x, *args, **kwargs):
        calls.append(len(x))
        return executor(x, *args, **kwargs)

    model = model.clone()
    model.add_wrapper_with_key("diffusion_model", "zz spy", spy)
    return model


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=claim("neighbour", f"{name} in editing", COMPOSED))
        for name in ("LazyCache", "EasyCache")
    ],
)
def test_a_step_cache_skips_steps_of_the_same_edit(unet, name):
    positive, negative, x = prompts(2)
    run = {"steps": STEPS, "scheduler": "normal"}
    calls = []
    expected = rig.sample(counted(cached(truth(unet, positive, 2), name), calls), positive, negative, x, True, **run)
    written_out = len(calls)
    assert written_out < STEPS
    for order in (lambda model: cached(st_layout(model), name), lambda model: st_layout(cached(model, name))):
        calls.clear()
        ours = rig.sample(counted(order(unet), calls), positive, negative, x, True, **run)
        assert len(calls) == written_out
        assert rig.rms(ours - expected) < 1e-4 * rig.rms(expected)
    whole = rig.sample(st_layout(unet), positive, negative, x, True, **run)
    assert rig.rms(whole - expected) > 1e-3 * rig.rms(expected)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=claim("neighbour", f"{name} in editing", COMPOSED))
        for name in ("LazyCache", "EasyCache")
    ],
)
def test_a_skipped_step_is_blended_too(unet, name):
    noise, inversion, _ = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent(2)}, STEPS, "normal", 0).args
    mask = torch.zeros(1, 128, 128)
    mask[:, 32:96, 32:96] = 1
    unpasted, calls = [], []

    def before_the_paste(executor, *args, **kwargs):
        unpasted.append(executor(*args, **kwargs))
        return unpasted[-1]

    model = LatentBlend.execute(cached(unet, name), "inversion", inversion, mask=mask).args[0]
    model.add_wrapper_with_key("outer_sample", "spy", before_the_paste)
    prompt = rig.text(2), rig.text(3), noise["samples"]
    rig.sample(counted(model, calls), *prompt, steps=STEPS, scheduler="normal")
    assert len(calls) < STEPS
    outside = (blend_mask(mask, 16, 16) == 0).expand_as(inversion.source)
    assert rig.rms((unpasted[0] - inversion.source)[outside]) * unet.model.latent_format.scale_factor < 1e-3


@claim("neighbour", "torch.compile (runs uncompiled)", COMPOSED)
def test_a_compiled_network(unet, caplog):
    """Over steps in which modulation fades and ends: core's node drops the guards on what changes between them."""
    import torch._dynamo
    from comfy_extras.nodes_torch_compile import TorchCompileModel

    def compiled(model):
        return TorchCompileModel.execute(model, "eager")[0]

    positive, negative, x = prompts(2)
    run = {"steps": 3, "scheduler": "normal"}
    expected = rig.sample(truth(unet, positive, 2), positive, negative, x, True, **run)
    ending = rig.sample(st_layout(unet, end_percent=0.5), positive, negative, x, True, **run)
    try:
        ours = rig.sample(st_layout(compiled(unet)), positive, negative, x, True, **run)
        assert rig.rms(ours - expected) < 1e-4 * rig.rms(expected)
        for model in (st_layout(compiled(unet), end_percent=0.5), compiled(st_layout(unet, end_percent=0.5))):
            assert torch.equal(rig.sample(model, positive, negative, x, True, **run), ending)
    finally:
        torch._dynamo.reset()
    assert "runs uncompiled here" in caplog.text


@claim("neighbour", "A second pass at another size", COMPOSED)
def test_a_second_pass_at_another_size(unet):
    """Upscaled in the latent and sampled again from the middle: the regions are read at the new size."""
    positive, negative, x = prompts(2)

    def passes(model):
        first = rig.sample(model, positive, negative, x, True, steps=2)
        larger = comfy.utils.common_upscale(first, 24, 20, "bilinear", "disabled")
        return rig.sample(model, positive, negative, larger, True, steps=2, start_step=1)

    expected = passes(truth(unet, positive, 2))  # the paper's mode does not ask for the latent's size
    ours = passes(st_layout(unet))
    assert ours.shape[-2:] == (20, 24)
    assert rig.rms(ours - expected) < 1e-4 * rig.rms(expected)
    assert rig.rms(passes(unet) - expected) > 1e-3 * rig.rms(expected)
