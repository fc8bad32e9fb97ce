"""What other nodes do to weights and prompts: LoRA, hooks, areas, timestep ranges, ControlNet."""

import comfy.hooks
import nodes as host
import oracle as exact
import pytest
import rig
import torch
from compatibility import COMPOSED, claim
from neighbours import assert_composes, prompts, st_layout, truth

from pack.videograin.host.conditioning import KEY


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def unet():
    return rig.random_unet()


def lora(unet):
    """A LoRA for the queries of every transformer block, by ComfyUI's own names."""
    weights, generator = {}, torch.Generator().manual_seed(3)
    for name, weight in unet.model.diffusion_model.named_parameters():
        if name.endswith("to_q.weight"):
            key = f"diffusion_model.{name.removesuffix('.weight')}"
            weights[f"{key}.lora_up.weight"] = torch.randn(len(weight), 2, generator=generator)
            weights[f"{key}.lora_down.weight"] = torch.randn(2, weight.shape[1], generator=generator) * 0.1
    return weights


@claim("neighbour", "LoRA", COMPOSED)
def test_a_lora_on_the_model(unet):
    import comfy.sd

    weights = lora(unet)
    assert_composes(lambda model: comfy.sd.load_lora_for_models(model, None, weights, 0.8, 0)[0], unet, *prompts())


@claim("neighbour", "Weight hooks (a LoRA on a prompt)", COMPOSED)
def test_a_lora_on_one_prompt(unet):
    """The hooked prompt runs in a call of its own, under its own weights."""
    positive, negative, x = prompts()
    hook = comfy.hooks.create_hook_lora(lora=lora(unet), strength_model=0.8, strength_clip=0.0)
    hooked = comfy.hooks.set_hooks_for_conditioning(positive, hook)
    expected = exact.one_step(truth(unet, positive), hooked, negative, x)
    ours = exact.one_step(st_layout(unet), hooked, negative, x)
    assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)
    for model, prompt in ((st_layout(unet), positive), (unet, hooked)):
        assert rig.rms(exact.one_step(model, prompt, negative, x) - expected) > 1e-3 * rig.rms(expected)


class TwoPrompts(exact.Oracle):
    """Another prompt and its regions where `other_at(extra)` says so."""

    def __init__(self, *args, other, other_at):
        super().__init__(*args)
        self.other, self.other_at = other, other_at

    def self_attention(self, q, k, v, extra):
        if self.other_at(extra):
            return self.other.self_attention(q, k, v, extra)
        return super().self_attention(q, k, v, extra)

    def cross_attention(self, q, k, v, extra):
        if self.other_at(extra):
            return self.other.cross_attention(q, k, v, extra)
        return super().cross_attention(q, k, v, extra)


def other_prompt(regions, seed=3):
    """Bound to other words than the first."""
    conditioning = exact.bound(rig.text(seed), regions)
    conditioning[0][1][KEY].tokens.copy_(conditioning[0][1][KEY].tokens.roll(5, 1))
    return conditioning


def plain_oracle(unet, positive, frames=3):
    binding = positive[0][1][KEY]
    return exact.Oracle(unet, "paper", binding.regions, binding.tokens, frames, 16)


@claim("neighbour", "Two positives, one with an area", COMPOSED)
def test_two_positives_one_of_them_in_an_area(unet):
    """In its half, a prompt's regions are those that lie there."""
    positive, negative, x = prompts()
    other = other_prompt(positive[0][1][KEY].regions[::-1])
    left = tuple(region._replace(mask=region.mask[..., :64]) for region in other[0][1][KEY].regions)
    inside = plain_oracle(unet, [[other[0][0], {KEY: type(other[0][1][KEY])(left, other[0][1][KEY].tokens)}]])
    half = host.ConditioningSetArea().append(other, 64, 128, 0, 0, 1.0)[0]

    def in_the_half(extra):
        height, width = extra["activations_shape"][-2:]
        return 2 * width == height

    oracle = truth(unet, positive, kind=TwoPrompts, other=inside, other_at=in_the_half)
    expected = exact.one_step(oracle, positive + half, negative, x)
    ours = exact.one_step(st_layout(unet), positive + half, negative, x)
    assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)
    for model, prompt in ((st_layout(unet), positive), (unet, positive + half)):
        assert rig.rms(exact.one_step(model, prompt, negative, x) - expected) > 1e-3 * rig.rms(expected)


@claim("neighbour", "Two positives with timestep ranges", COMPOSED)
def test_two_positives_one_after_the_other(unet):
    positive, negative, x = prompts()
    other = other_prompt(positive[0][1][KEY].regions[::-1])
    ranges = host.ConditioningSetTimestepRange()
    both = ranges.set_range(positive, 0.0, 0.4)[0] + ranges.set_range(other, 0.4, 1.0)[0]
    turn = float(unet.get_model_object("model_sampling").percent_to_sigma(0.4))

    def later(extra):
        return float(extra["sigmas"][0]) < turn

    oracle = truth(unet, positive, kind=TwoPrompts, other=plain_oracle(unet, other), other_at=later)
    args = (negative, x, True)
    expected, ours = (rig.sample(model, both, *args, steps=4) for model in (oracle, st_layout(unet)))
    assert rig.rms(ours - expected) < 1e-4 * rig.rms(expected)  # of four steps, not one
    for model, prompt in ((st_layout(unet), positive), (unet, both)):
        assert rig.rms(rig.sample(model, prompt, *args, steps=4) - expected) > 1e-3 * rig.rms(expected)


@claim("neighbour", "ControlNet with a hint for each frame", COMPOSED)
def test_controlnet_with_a_hint_for_each_frame(unet):
    positive, negative, x = prompts()
    hints = torch.rand(3, 128, 128, 3, generator=torch.Generator().manual_seed(6))
    guided = host.ControlNetApplyAdvanced().apply_controlnet(positive, negative, rig.controlnet(), hints, 1.0, 0.0, 1.0)
    expected = exact.one_step(truth(unet, positive), *guided, x)
    ours = exact.one_step(st_layout(unet), *guided, x)
    assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)
    for model, pair in ((st_layout(unet), (positive, negative)), (unet, guided)):
        assert rig.rms(exact.one_step(model, *pair, x) - expected) > 1e-3 * rig.rms(expected)
