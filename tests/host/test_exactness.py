"""The whole network under ST-Layout against a dense oracle written from the equations, patched in by hand."""

import comfy.samplers
import pytest
import rig
import torch
from cases import variants
from einops import rearrange
from oracle import SIGMA, Oracle, bound, dense, one_step, regions

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.core.st_layout import Modulation


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "separate"])
@pytest.mark.parametrize("mode", variants("paper", "reference"))
@pytest.mark.parametrize("frames,height,width", variants((3, 16, 16), (1, 16, 24), (17, 8, 16)))
def test_the_network_equals_the_oracle(unet, mode, frames, height, width, separately, call_separately):
    if separately:
        call_separately(unet)
    areas = regions(frames, height, width)
    positive, negative = bound(rig.text(1), areas), rig.text(2)
    x = rig.latent(frames, height, width)
    ours = STLayoutAttention.execute(unet, mode, 0.3, 1.0, 0.3, power=5.0).result[0]
    oracle = Oracle(unet, mode, areas, positive[0][1][KEY].tokens, frames, height).patched()
    expected = one_step(oracle, positive, negative, x)
    assert rig.rms(one_step(ours, positive, negative, x) - expected) < 2e-5 * rig.rms(expected)
    plain = FullFrameAttention.execute(unet, "all frames").result[0]
    assert rig.rms(one_step(plain, positive, negative, x) - expected) > 1e-3 * rig.rms(expected)  # it does something


def test_a_longer_negative_prompt_repeats_the_positive_one(unet):
    """ComfyUI pads the shorter text of a batch by repeating it: the repeated words stay bound."""
    areas = regions(2, 16, 16)
    positive, negative = bound(rig.text(1), areas), rig.text(2, tokens=154)
    x = rig.latent(2)
    ours = STLayoutAttention.execute(unet, "paper", 0.3, 1.0, 0.3, power=5.0).result[0]
    oracle = Oracle(unet, "paper", areas, positive[0][1][KEY].tokens, 2, 16).patched()
    expected = one_step(oracle, positive, negative, x)
    assert rig.rms(one_step(ours, positive, negative, x) - expected) < 2e-5 * rig.rms(expected)


def test_chunks_are_known_by_their_prompt_not_by_their_place(unet):
    """DualCFG puts the negative first and the positive last; with one prompt as both positives it equals CFG."""
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG

    areas, x = regions(2, 16, 16), rig.latent(2)
    positive, negative = bound(rig.text(1), areas), rig.text(2)
    ours = STLayoutAttention.execute(unet, "reference", 0.3, 1.0, 0.3, power=5.0).result[0]
    guider = Guider_DualCFG(ours)
    guider.set_conds(positive, positive, negative)
    guider.set_cfg(2.0, 4.0)
    dual = guider.sample(
        torch.zeros_like(x), x, comfy.samplers.ksampler("euler"), torch.tensor([SIGMA, 0.0]), disable_pbar=True, seed=0
    )
    single = one_step(ours, positive, negative, x)
    assert rig.rms(dual - single) < 1e-5 * rig.rms(single)


def test_self_attention_guidance_calls_the_negative_alone(unet):
    """SAG asks for [negative] by itself: index 0 is then the negative, and stays modulated as such."""
    from comfy_extras.nodes_sag import SelfAttentionGuidance

    areas, x = regions(2, 16, 16), rig.latent(2)
    positive, negative = bound(rig.text(1), areas), rig.text(2)
    run = {}
    for role in ("negative", "positive"):
        model = SelfAttentionGuidance.execute(unet, 0.5, 2.0).result[0]
        model = STLayoutAttention.execute(model, "paper", 0.3, 0.0, 0.3, self_role=role, power=5.0).result[0]
        calls = []

        def spy(apply, args, calls=calls):
            calls.append(args["cond_or_uncond"])
            return apply(args["input"], args["timestep"], **args["c"])

        model.set_model_unet_function_wrapper(spy)
        run[role] = one_step(model, positive, negative, x)
        assert [0] in calls
    assert torch.isfinite(run["negative"]).all()
    assert rig.rms(run["negative"] - run["positive"]) > 1e-4 * rig.rms(run["positive"])


def test_strong_regions_never_turn_attention_around(unet, monkeypatch):
    """lambda stays in 0…1 whatever the region's strength."""
    from pack.videograin.core import st_layout

    seen, original = [], st_layout.modulated_attention

    def spy(q, k, v, modulation, *rest, **named):
        seen.append(float(modulation.strength.max()))
        return original(q, k, v, modulation, *rest, **named)

    monkeypatch.setattr(st_layout, "modulated_attention", spy)
    areas = tuple(region._replace(strength=2.0) for region in regions(2, 16, 16))
    ours = STLayoutAttention.execute(unet, "paper", 1.0, 1.0, 1.0, power=5.0).result[0]
    one_step(ours, bound(rig.text(1), areas), rig.text(2), rig.latent(2))
    assert max(seen) == 1


def test_a_model_with_another_clock_is_modulated_alike(unet):
    """EDM sampling counts log sigma: the decay is read on SD's own clock, not silently 0."""
    from comfy_extras.nodes_model_advanced import ModelSamplingContinuousEDM

    positive, negative, x = bound(rig.text(1), regions(2, 16, 16)), rig.text(2), rig.latent(2)
    edm = ModelSamplingContinuousEDM().patch(unet, "v_prediction", 120.0, 0.002)[0]
    ours = STLayoutAttention.execute(edm, "paper", 0.3, 1.0, 1.0, power=5.0).result[0]
    plain = FullFrameAttention.execute(edm, "all frames").result[0]
    assert rig.rms(one_step(ours, positive, negative, x) - one_step(plain, positive, negative, x)) > 1e-3


def test_levels_are_counted_by_halvings(unet):
    """43 rows become 22, 11 and 6: the last is the eighth, though 43 / 6 is nearer to 7."""
    x, prompt = rig.latent(2, 43, 16), rig.text(1)
    eighth = FullFrameAttention.execute(unet, "own", level_8="all frames").result[0]
    assert not torch.equal(one_step(eighth, prompt, prompt, x), one_step(unet, prompt, prompt, x))


def test_a_region_without_words_leaves_the_words_alone(unet):
    """Editable, no word: its pixels attend to the prompt as ever, unless the released code's choice is asked for."""
    words = bound(rig.text(1), regions(2, 16, 16))
    words[0][1][KEY].tokens.zero_()
    args = (words, rig.text(2), rig.latent(2))
    everywhere = tuple(region._replace(mask=torch.ones_like(region.mask)) for region in words[0][1][KEY].regions)
    object.__setattr__(words[0][1][KEY], "regions", everywhere)
    ours = STLayoutAttention.execute(unet, "paper", 0.0, 1.0, 1.0, power=5.0).result[0]
    plain = FullFrameAttention.execute(unet, "all frames").result[0]
    assert rig.rms(one_step(ours, *args) - one_step(plain, *args)) < 1e-5 * rig.rms(one_step(plain, *args))


def test_real_queries_and_keys_of_the_demo_model():
    """q, k, v captured inside the trained model: relative error below 2e-6 in float32."""
    from pack.videograin.core import st_layout
    from pack.videograin.jobs import demo_model

    model, clip, _ = demo_model.load()
    captured = []

    def capture(q, k, v, extra):
        captured.append((q, k, v, extra["n_heads"]))
        return comfy.ldm.modules.attention.optimized_attention(q, k, v, extra["n_heads"])

    spied = model.clone()
    for group in ("input", "middle", "output"):
        for block in range(6):
            spied.set_model_attn1_replace(capture, group, block)
    cond = clip.encode_from_tokens_scheduled(clip.tokenize("a cat and a dog on grass"))
    one_step(spied, cond, cond, rig.latent(4))
    assert len(captured) > 3
    for q, k, v, heads in captured:
        q, k, v = (rearrange(x[:4], "f n d -> 1 (f n) d") for x in (q, k, v))
        tokens = q.shape[1]
        g = torch.Generator().manual_seed(0)
        labels, positive = torch.randint(3, (1, tokens), generator=g), torch.eye(3, dtype=torch.bool)
        lam = torch.rand(1, tokens, generator=g) * 0.9
        pairs = positive[labels[:, :, None], labels[:, None, :]]
        truth = dense(q.double(), k.double(), v.double(), lam.double(), pairs, heads)
        split = [rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k, v)]
        ours = rearrange(
            st_layout.modulated_attention(*split, Modulation(lam, labels, labels, positive)), "b h n d -> b n (h d)"
        )
        assert rig.rms(ours - truth) < 2e-6 * rig.rms(truth)
