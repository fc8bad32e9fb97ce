"""Clip-wide GroupNorm in the real UNet against the released code's five-dimensional form."""

import pytest
import rig
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from einops import rearrange

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion

pytestmark = pytest.mark.usefixtures("inference_mode")


def joint(model, kind="own"):
    return FullFrameAttention.execute(model, kind, clip_norm=True).args[0]


def step(model, frames=3, **more):
    return rig.sample(model, rig.text(2), rig.text(3), rig.latent(frames), noise=True, steps=1, **more)


def in_five_dimensions(model, run, chunks):
    """`run`, whose model calls hold so many chunks, with every GroupNorm of a ResNet and of the head written out: mean and variance over (frames, h, w)."""

    def written_out(norm, x):
        x = rearrange(x, "(c f) (g d) h w -> c g d f h w", c=chunks, g=norm.num_groups).double()
        mean = x.mean((2, 3, 4, 5), keepdim=True)
        variance = (x - mean).square().mean((2, 3, 4, 5), keepdim=True)
        x = rearrange((x - mean) / (variance + norm.eps).sqrt(), "c g d f h w -> (c f) (g d) h w").float()
        return x * norm.weight[:, None, None] + norm.bias[:, None, None]

    network = model.model.diffusion_model
    norms = [network.out[0]]
    for module in network.modules():
        if isinstance(module, ResBlock):
            norms += [module.in_layers[0], module.out_layers[0]]
    for norm in norms:
        norm.forward = lambda x, norm=norm: written_out(norm, x)
    try:
        return run()
    finally:
        for norm in norms:
            del norm.forward


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
def test_it_equals_the_five_dimensional_form(unet, separately, call_separately):
    if separately:
        call_separately(unet)
    truth = in_five_dimensions(unet, lambda: step(unet), chunks=1 if separately else 2)
    ours, plain = step(joint(unet)), step(unet)
    assert rig.rms(ours - truth) < 1e-5 * rig.rms(truth)
    assert rig.rms(plain - truth) > 1e-3 * rig.rms(truth)


def test_one_frame_and_switched_off_are_the_plain_model(unet):
    assert torch.equal(step(joint(unet), 1), step(unet, 1))
    assert torch.equal(step(FullFrameAttention.execute(unet, "own", clip_norm=False).args[0]), step(unet))


def test_statistics_of_a_window_are_its_own(unet):
    five = {"frames": 5, "cfg": 1.0}
    windows = step(rig.windowed(joint(unet)), **five)
    truth = in_five_dimensions(unet, lambda: step(rig.windowed(unet), **five), chunks=1)
    assert rig.rms(windows - truth) < 1e-5 * rig.rms(truth)
    assert rig.rms(windows - step(joint(unet), **five)) > 1e-3 * rig.rms(windows)


def test_live_in_inversion_and_told_when_it_is_missing(unet):
    noise, inversion, _ = DDIMInversion.execute(
        joint(unet), rig.text(1), {"samples": rig.latent()}, 3, "ddim_uniform", 1
    ).args
    plain = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent()}, 3, "ddim_uniform", 1).args[0]
    assert not torch.equal(noise["samples"], plain["samples"])
    assert inversion.key_sets == "own, clip-wide GroupNorm"
    mask = torch.ones(1, 128, 128)
    rig.sample(LatentBlend.execute(joint(unet), "inversion", inversion, mask=mask).args[0], rig.text(2), rig.text(3),
               noise["samples"])  # fmt: skip
    without = LatentBlend.execute(unet, "inversion", inversion, mask=mask).args[0]
    with pytest.raises(ValueError, match=r'seeing "own, clip-wide GroupNorm", but .* sees "own"'):
        rig.sample(without, rig.text(2), rig.text(3), noise["samples"])


def test_nothing_is_left_after_an_error_and_st_layout_goes_along(unet):
    from oracle import bound, regions

    model = STLayoutAttention.execute(joint(unet, "all frames"), "paper", 0.3, 1.0, 1.0, power=5.0).args[0]
    positive = bound(rig.text(2), regions(3, 16, 16))
    expected = rig.sample(model, positive, rig.text(3), rig.latent(), noise=True)

    def fail(q, k, v, extra):
        raise RuntimeError

    faulty = model.clone()
    faulty.set_model_attn2_replace(fail, "output", 5)
    with pytest.raises(RuntimeError):
        rig.sample(faulty, positive, rig.text(3), rig.latent(), noise=True)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in unet.model.diffusion_model.modules())
    assert torch.equal(rig.sample(model, positive, rig.text(3), rig.latent(), noise=True), expected)
