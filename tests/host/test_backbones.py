"""A second family of models beside the UNets: what it needs is its own file (tests/support/joint_transformer.py)."""

import math

import comfy.samplers
import joint_transformer
import pytest
import rig
import torch
from einops import rearrange

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.videograin.backbones import registry
from pack.videograin.core.phrase_tokens import KEY, Binding
from pack.videograin.core.regions import Region

FRAMES, SIDE, TOKENS = 3, 6, 8
STRENGTH = {"self": 0.5, "cross": 0.8}


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(registry, "FAMILIES", (*registry.FAMILIES, joint_transformer.Joint()))
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def model():
    return joint_transformer.model()


def clip(seed=1):
    return torch.randn(1, 4, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def masks():
    found = torch.zeros(2, FRAMES, SIDE * 8, SIDE * 8)
    for frame in range(FRAMES):
        found[0, frame, : 16 + 8 * frame, :24] = 1
        found[1, frame, 24:, 16:] = 1
    return found


def prompt():
    ((text, _),) = rig.text(2, TOKENS, joint_transformer.TEXT)
    tokens = torch.zeros(2, TOKENS, dtype=torch.bool)
    tokens[0, 1:3] = tokens[1, 5] = True
    regions = tuple(Region(mask, name) for mask, name in zip(masks(), ("one", "two"), strict=True))
    return [[text, {KEY: Binding(regions, tokens)}]]


def negative():
    return rig.text(3, TOKENS, joint_transformer.TEXT)


def st_layout(model):
    return STLayoutAttention.execute(
        model, "default", STRENGTH["self"], STRENGTH["cross"], 1.0, power=0.0, background="untouched", self_size="off",
        cross_size="off",
    ).args[0]  # fmt: skip


def sampled(model, latent=None, noise=None, steps=4, callback=None):
    latent = clip() if latent is None else latent
    noise = clip(6) if noise is None else noise
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(prompt(), negative())
    guider.set_cfg(3.0)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", steps)
    sampler = comfy.samplers.ksampler("euler")
    return guider.sample(noise, latent, sampler, sigmas, callback=callback, disable_pbar=True, seed=0)


def dense(attention, q, k, v, heads, kind, positive, strength):
    """Eq. 1-2 with every matrix written out; the batch's first row is the negative half, as core orders them."""
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k, v))
    s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    lam = strength[None, None, :, None] * STRENGTH[kind]
    pull = torch.where(positive, s.amax(-1, True), s.amin(-1, True))
    return rearrange(((1 - lam) * s + lam * pull).softmax(-1) @ v, "b h n d -> b n (h d)")


class Truth:
    """The network's attention with the equations in its place, for the half that `cond_or_uncond` calls positive."""

    def __init__(self):
        cells = torch.nn.functional.avg_pool2d(masks(), 8).flatten(1) > 0.5  # (region, token of the clip)
        self.inside = cells.any(0).float()
        self.pairs = (cells[:, :, None] & cells[:, None]).any(0)
        words = prompt()[0][1][KEY].tokens
        self.words = (cells[:, :, None] & words[:, None]).any(0)
        self.calls = 0

    def __call__(self, attention, q, k, v, heads, **rest):
        kind = ("self", "cross")[self.calls % 2]
        self.calls += 1
        out = attention(q, k, v, heads, **rest)
        positive = self.pairs if kind == "self" else self.words
        for row, which in enumerate(rest["transformer_options"]["cond_or_uncond"]):
            if which == 0:
                one = slice(row, row + 1)
                out[one] = dense(attention, q[one], k[one], v[one], heads, kind, positive, self.inside)
        return out


def test_nothing_is_changed_where_nothing_is_asked(model):
    neutral = STLayoutAttention.execute(model, "default", 0.0, 0.0, 1.0).args[0]
    assert torch.equal(sampled(neutral), sampled(model))


def test_st_layout_is_the_equations_over_joint_tokens(model):
    plain, truth = sampled(model), model.clone()
    truth.model_options["transformer_options"]["optimized_attention_override"] = Truth()
    expected, ours = sampled(truth), sampled(st_layout(model))
    assert rig.rms(expected - plain) > 1e-2 * rig.rms(plain)
    assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)


def test_no_hook_is_left(model):
    sampled(st_layout(model))
    assert not any(module._forward_pre_hooks for module in model.model.diffusion_model.modules())


def test_what_is_not_edited_walks_the_source_under_flow_noise(model):
    """x = (1 - sigma) x_0 + sigma noise outside the mask, at every level, and the source itself at the end."""
    source, noise = clip(4), clip(5)
    mask = torch.zeros(FRAMES, SIDE * 8, SIDE * 8)
    mask[:, :24] = 1
    blended = LatentBlend.execute(model, "progressive", source={"samples": source}, mask=mask, boundary=0).args[0]
    shown = []
    ours = sampled(blended, source, noise, callback=lambda step, denoised, x, steps: shown.append(x.clone()))
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 4).tolist()
    outside = (..., slice(3, None), slice(None))
    for sigma, x in zip(sigmas, shown, strict=False):
        path = (1 - sigma) * source + sigma * noise
        assert rig.rms((x - path)[outside]) < 1e-5 * rig.rms(path)
    assert torch.equal(ours[outside], source[outside])
    assert rig.rms(ours - source) > 0.1 * rig.rms(source)


def test_regions_and_blend_together(model):
    blended = LatentBlend.execute(st_layout(model), "renoised", source={"samples": clip(4)}).args[0]
    ours = sampled(blended, clip(4), clip(5))
    outside = ~(torch.nn.functional.avg_pool2d(masks(), 8) > 0).any(0)
    assert torch.equal(ours[0][:, outside], clip(4)[0][:, outside])
    assert not torch.equal(
        ours,
        sampled(
            LatentBlend.execute(model, "renoised", source={"samples": clip(4)}, mask=masks()[0]).args[0],
            clip(4),
            clip(5),
        ),
    )


def test_what_it_does_not_offer_is_refused_by_name(model):
    with pytest.raises(ValueError, match=r"Full-Frame Attention needs a choice of the frames.*toy video transformer"):
        FullFrameAttention.execute(model, "all frames")


def test_inversion_waits_for_a_family_that_offers_it(model):
    with pytest.raises(ValueError, match=r"DDIM Inversion needs an inversion .*toy video transformer"):
        DDIMInversion.execute(model, prompt(), {"samples": clip()}, 4, "normal", 0)


def test_an_unknown_family_is_refused(model, monkeypatch):
    monkeypatch.setattr(registry, "FAMILIES", registry.FAMILIES[:1])
    with pytest.raises(ValueError, match="ST-Layout Attention works on Stable Diffusion UNets"):
        st_layout(model)
