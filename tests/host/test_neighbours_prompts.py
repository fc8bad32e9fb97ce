"""What other nodes do to weights and prompts: LoRA, hooks, areas, timestep ranges, ControlNet."""

import comfy.hooks
import nodes as host
import oracle as exact
import pytest
import rig
import torch
from cases import variants
from compatibility import COMPOSED, claim
from fused import NEW, OLD, cross_fused, invert, words_fused
from neighbours import assert_composes, negpip, prompts, truth
from placed import encoded, looks, placed, run, steps
from recipe import encode, full_frame, st_layout

from pack.videograin.comfyui.prompts import bind
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.jobs.show_attention import ShowSettings, show_attention

pytestmark = pytest.mark.usefixtures("inference_mode")


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


# ---- two rows a token -----------------------------------------------------------------------------------------------

NEGPIP = claim("neighbour", "CLIP NegPip (two rows a token)", COMPOSED)
WORDS = "a cat and a dog on grass"


def both(clip, prompt=WORDS, replace=True):
    """A prompt with the two regions of the equations."""
    regions = exact.regions(3, 16, 16)
    named = tuple(region._replace(phrase=phrase) for region, phrase in zip(regions, ("cat", "a dog"), strict=True))
    return bind(clip, prompt, named, replace=replace)[0]


@NEGPIP
def test_a_phrases_rows_are_replaced_wherever_a_token_has_several(unet, clip):
    _, twice = negpip(unet, clip)
    for prompt in (WORDS, "grass, " * 45 + WORDS):
        plain, found = both(clip, prompt)[0], both(twice, prompt)[0]
        assert found[0].shape[1] == 2 * plain[0].shape[1]
        assert torch.equal(found[0][:, 0::2], plain[0]) and torch.equal(found[0][:, 1::2], plain[0])
        assert not torch.equal(plain[0], encode(clip, prompt)[0][0])
        assert torch.equal(found[1][KEY].tokens, plain[1][KEY].tokens) and found[1][KEY].rows == 2
    turned = both(twice, "a (cat:-1.2) and a dog on grass")[0][0]
    assert torch.allclose(turned[:, 4], encode(clip, "(cat:1.2)")[0][0][:, 1], atol=1e-5)
    assert torch.equal(turned[:, 5], -turned[:, 4])


@NEGPIP
@pytest.mark.parametrize("negative", variants("blur", "blur " * 90), ids=["alike", "longer"])
def test_regions_of_tokens_with_two_rows(unet, clip, negative):
    """A longer negative prompt has the positive repeated."""
    model, twice = negpip(unet, clip)
    positive, x = both(twice, "a (cat:-1.2) and a dog on grass"), rig.latent()
    assert_composes(lambda model: negpip(model, clip)[0], unet, positive, encode(twice, negative), x)
    assert not torch.equal(
        *(
            exact.one_step(model, both(twice, text), encode(twice, ""), x)
            for text in (WORDS, "a (cat:-1) and a dog on grass")
        )
    )


@NEGPIP
def test_regions_where_every_row_is_a_key(unet, clip):
    """The CLIP of NegPip without its MODEL: the network takes both rows for words."""
    positive, x = both(negpip(unet, clip)[1]), rig.latent()
    negative = encode(negpip(unet, clip)[1], "")
    by_row = exact.Binding(positive[0][1][KEY].regions, positive[0][1][KEY].tokens.repeat_interleave(2, 1))
    expected = exact.one_step(truth(unet, [[positive[0][0], {KEY: by_row}]]), positive, negative, x)
    ours = exact.one_step(st_layout(unet), positive, negative, x)
    assert rig.rms(ours - expected) < 2e-5 * rig.rms(expected)


@NEGPIP
def test_objects_are_placed_by_the_same_words(unet, clip, monkeypatch):
    seen, x = looks(monkeypatch), rig.latent()
    for model, text in ((unet, clip), negpip(unet, clip)):
        run(placed(model, text, refinements=0), encoded(text), x, steps(unet), negative=encode(text, ""))
    plain, ours = (seen[number][2] - seen[number][0] for number in (0, 3))
    assert rig.rms(ours - plain) < 1e-5 * rig.rms(plain) and rig.rms(plain) > 0


@NEGPIP
@pytest.mark.parametrize("negative", variants("", "blur " * 90), ids=["alike", "longer"])
def test_words_are_fused_with_two_rows_a_token(unet, clip, negative):
    results = []
    for model, text in ((unet, clip), negpip(unet, clip)):
        _, inversion, _ = invert(model, encode(text, OLD))
        prompts = encode(text, NEW), encode(text, negative), rig.latent(seed=5)
        fused = cross_fused(model, inversion, text, emphasis="porsche: 4", prompt=encode(text, OLD))
        results += [exact.one_step(each, *prompts) for each in (fused, model)]
    plain, without, ours, _ = results
    assert rig.rms(ours - plain) < 2e-5 * rig.rms(plain)
    assert rig.rms(plain - without) > 1e-3 * rig.rms(plain)


@NEGPIP
@pytest.mark.once
def test_words_are_shown_where_they_look(unet, clip):
    shown = []
    for model, text in ((unet, clip), negpip(unet, clip)):
        _, inversion, _ = invert(full_frame(model), encode(text, WORDS), steps=2)
        found = show_attention(
            st_layout(model), inversion, both(text), torch.rand(3, 128, 128, 3), ShowSettings(0.0, 1.0, 1, "", "1/2"),
            encode(text, "blur " * 90),
        )  # fmt: skip
        shown.append(torch.stack([column.maps for column in found.phrases]))
    plain, ours = shown
    assert (ours - plain).abs().max() < 1e-5 < (plain[:, 0] - plain[:, 1]).abs().max()


@pytest.mark.once
def test_two_rows_a_token_without_their_model_are_told(unet, clip):
    _, twice = negpip(unet, clip)
    _, inversion, _ = invert(unet)
    message = r"`clip` gives 2 rows for each token \(CLIP NegPip\), but its `model` takes every row for a word"
    for node in (lambda: placed(unet, twice), lambda: cross_fused(unet, inversion, twice),
                 lambda: words_fused(unet, inversion, twice, prompt=encode(twice, OLD))):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            node()


@pytest.mark.once
def test_rows_that_are_no_multiple_of_the_tokens_are_told(clip):
    odd = clip.clone()
    encoder = clip.patcher.model.clip_l

    def one_more(chunks):
        rows, *rest = type(encoder).encode_token_weights(encoder, chunks)
        return torch.cat([rows, rows[:, -1:]], 1), *rest

    odd.patcher.add_object_patch("clip_l.encode_token_weights", one_more)
    with pytest.raises(ValueError, match=r"gives 78 rows for 77 tokens.*another node has changed the CLIP"):
        both(odd)
