"""Bad input: what was found, what was expected, which input of which node to change, before the model runs."""

from functools import partial
from pathlib import Path

import comfy.model_base
import comfy.model_patcher
import comfy.supported_models
import folder_paths
import nodes as host
import pytest
import recipe
import rig
import torch
from safetensors.torch import save_file

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.regions import BindRegionPrompts, RegionPrompt

st_layout = partial(recipe.st_layout, mode="default", end_percent=0.5)


@pytest.fixture(scope="module")
def inverted(unet):
    return recipe.invert(unet, scheduler="normal")


def square(frames=3, size=128):
    mask = torch.zeros(frames, size, size)
    mask[:, 10:60, 10:60] = 1
    return mask


def bound(clip, mask, phrase="a cat", prompt="a cat and a dog on grass", **options):
    return BindRegionPrompts.execute(clip, prompt, RegionPrompt.execute(mask, phrase).result[0], **options).result


@pytest.mark.once
def test_masks_for_other_frames_are_told_as_words_are_bound(clip):
    with pytest.raises(
        ValueError, match=r'Region 1 "a cat" has 3 masks, but Bind Region Prompts\' `frames` has 4 frames'
    ):
        bound(clip, square(3), frames=torch.rand(4, 128, 128, 3))
    for mask, frames in (
        (square(3), 1),
        (square(1), 4),
    ):  # a single frame is only looked at, a single mask holds for all
        bound(clip, mask, frames=torch.rand(frames, 128, 128, 3))


def blended(model, inversion, mask=None):
    return LatentBlend.execute(model, "inversion", inversion, mask=square() if mask is None else mask).result[0]


def sample_fails(message, *args, **options):
    """The error comes before the network is called."""
    with pytest.raises(ValueError, match=message):
        rig.sample(rig.uncalled(args[0]), *args[1:], **options)


def test_mask_count_differs_from_frames(unet, clip):
    positive = bound(clip, square(5))[0]
    sample_fails(r'Region 1 "a cat" has 5 masks, but the latent has 3 frames.*Region Prompt', st_layout(unet), positive,
                 rig.text(2), rig.latent(3), True)  # fmt: skip


def test_blend_mask_count_differs_from_frames(unet, inverted):
    sample_fails(r"Latent Blend's `mask` has 5 masks, but the latent has 3 frames", blended(unet, inverted[1], square(5)),
                 rig.text(1), rig.text(2), inverted[0]["samples"])  # fmt: skip


def test_mask_size_differs_from_frames_is_resized_with_one_warning(unet, clip, caplog):
    positive = bound(clip, square(3, 96))[0]
    model = st_layout(unet)
    out = rig.sample(model, positive, rig.text(2), rig.latent(3), True)
    assert torch.isfinite(out).all()
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "videograin"]
    assert "96×96" in warning and "128×128" in warning


def test_empty_mask(clip):
    with pytest.raises(ValueError, match=r'Region Prompt\'s `mask` for the phrase "a cat" is empty'):
        bound(clip, torch.zeros(3, 64, 64))


def test_phrase_not_in_prompt_quotes_both_and_offers_to_append(clip):
    with pytest.raises(ValueError, match=r'"a bear".*"a cat and a dog on grass".*missing_phrase.*append it'):
        bound(clip, square(), "a bear")
    conditioning, prompt, _ = bound(clip, square(), "a bear", missing_phrase="append it")
    assert prompt == "a cat and a dog on grass, a bear"
    binding = conditioning[0][1]["videograin_binding"]
    assert binding.tokens[0].nonzero().flatten().tolist() == [9, 10]  # start, seven words, comma, the phrase


@pytest.mark.parametrize("phrase", ["a bear!", '<b onerror="x">"\'&', "wow..."])
def test_phrases_that_end_in_signs_are_appended_too(clip, phrase):
    regions = RegionPrompt.execute(square(), phrase).result[0]
    regions = RegionPrompt.execute(square(), "a bird", regions=regions).result[0]
    conditioning, _, _ = BindRegionPrompts.execute(clip, "a cat!", regions, "append it").result
    assert conditioning[0][1]["videograin_binding"].tokens.any(1).tolist() == [True, True]


def test_phrase_used_twice(clip):
    regions = RegionPrompt.execute(square(), "a cat").result[0]
    regions = RegionPrompt.execute(square(), "a cat", regions=regions).result[0]
    with pytest.raises(ValueError, match=r"Region 2.*occurs only where an earlier region has taken words of it"):
        BindRegionPrompts.execute(clip, "a cat on grass", regions)
    both = BindRegionPrompts.execute(clip, "a cat and a cat", regions).result[0][0][1]["videograin_binding"]
    assert [row.nonzero().flatten().tolist() for row in both.tokens] == [[1, 2], [4, 5]]


def test_weights_embeddings_and_long_prompts(clip):
    """The phrase keeps the weight it has in the prompt; a second 77-token chunk is found; the rest is untouched."""
    prompt = "a (cat:1.2) and " + "a dog " * 40 + "on grass with a frog"
    plain = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))[0][0]
    text, extra = bound(clip, square(), "a frog", prompt)[0][0]
    positions = extra["videograin_binding"].tokens[0].nonzero().flatten().tolist()
    assert text.shape == plain.shape == (1, 154, 192) and len(positions) == 2 and positions[0] > 77
    others = [i for i in range(154) if i not in positions]
    assert torch.equal(text[:, others], plain[:, others])
    alone = clip.encode_from_tokens_scheduled(clip.tokenize("a frog"))[0][0]
    assert torch.equal(text[:, positions], alone[:, 1:3])
    for phrase in ("cat", "(cat:1.2)"):  # the prompt's weight counts once, however the phrase is written
        weighted = bound(clip, square(), phrase, prompt)[0][0][0]
        expected = clip.encode_from_tokens_scheduled(clip.tokenize("(cat:1.2)"))[0][0]
        assert torch.allclose(weighted[:, 2], expected[:, 1])


def test_a_phrase_without_words_says_so(clip):
    with pytest.raises(ValueError, match=r'Region 1\'s phrase "embedding:nowhere" has no words'):
        bound(clip, square(), "embedding:nowhere")


def test_textual_inversion_embeddings_are_bound_like_words(clip):
    folder = Path(folder_paths.get_folder_paths("embeddings")[0])
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": torch.randn(2, 192)}, folder / "sparkle.safetensors")
    text, extra = bound(clip, square(), "embedding:sparkle", "a cat and embedding:sparkle on grass")[0][0]
    assert extra["videograin_binding"].tokens[0].nonzero().flatten().tolist() == [4, 5]
    alone = clip.encode_from_tokens_scheduled(clip.tokenize("embedding:sparkle"))[0][0]
    assert torch.equal(text[:, [4, 5]], alone[:, [1, 2]])


def test_sizes_of_latent_and_inversion_differ(unet, inverted):
    sample_fails(r"latent is 3 frames of 24×16 cells in 4 channels, but the inversion's clip is 3 frames of 16×16 cells",
                 blended(unet, inverted[1]), rig.text(1), rig.text(2), rig.latent(3, 16, 24))  # fmt: skip


def test_sampler_starts_at_another_noise_level(unet, inverted):
    sample_fails(r"stands at noise level sigma = 14\.6.*starts at sigma = .*SIGMAS", blended(unet, inverted[1]), rig.text(1),
                 rig.text(2), inverted[0]["samples"], steps=4, scheduler="normal", start_step=1)  # fmt: skip


def test_plain_ksampler_with_an_inversion(unet, inverted):
    sample_fails(r"adds fresh noise.*KSampler \(Advanced\).*add_noise", blended(unet, inverted[1]), rig.text(1),
                 rig.text(2), inverted[0]["samples"], True)  # fmt: skip


def test_noise_mask(unet, inverted):
    sample_fails(r"noise_mask.*Latent Blend's `mask`", blended(unet, inverted[1]), rig.text(1), rig.text(2),
                 inverted[0]["samples"], steps=4, scheduler="normal", noise_mask=torch.ones(3, 1, 128, 128))  # fmt: skip
    with pytest.raises(ValueError, match="carries a noise_mask"):
        DDIMInversion.execute(
            unet, rig.text(1), {"samples": rig.latent(), "noise_mask": torch.ones(1, 1, 128, 128)}, 4, "normal", 0
        )


def test_trajectory_of_another_model(inverted):
    sample_fails(r"inverted with another model.*Checkpoint, LoRAs", blended(rig.random_unet(seed=9, context_dim=64), inverted[1]),
                 rig.text(1, width=64), rig.text(2, width=64), inverted[0]["samples"], steps=4, scheduler="normal")  # fmt: skip


def test_another_lora_or_strength_is_another_model(unet, inverted):
    name = next(n for n, w in unet.model.diffusion_model.named_parameters() if w.ndim == 2)
    weight = unet.model.diffusion_model.get_parameter(name)
    key = f"diffusion_model.{name}"

    def with_lora(strength, value=0.01):
        model = unet.clone()
        model.add_patches({key: ("diff", (torch.full_like(weight, value),))}, strength)
        return model

    noise, inversion, _ = DDIMInversion.execute(
        with_lora(1.0), rig.text(1), {"samples": rig.latent(3)}, 4, "normal", 0
    ).result
    args = (rig.text(1), rig.text(2), noise["samples"])
    assert torch.isfinite(rig.sample(blended(with_lora(1.0), inversion), *args, steps=4, scheduler="normal")).all()
    for other in (with_lora(0.5), with_lora(1.0, 0.02)):  # another strength; another LoRA of the same layers
        sample_fails("LoRA strengths", blended(other, inversion), *args, steps=4, scheduler="normal")


def test_trajectory_of_another_key_set(unet, inverted):
    model = FullFrameAttention.execute(unet, "first + previous").result[0]
    sample_fails(r'seeing "own", but the sampler\'s MODEL sees "first \+ previous".*Full-Frame Attention',
                 blended(model, inverted[1]), rig.text(1), rig.text(2), inverted[0]["samples"])  # fmt: skip


def test_transformer_models_are_refused_by_every_model_node(inverted):
    dit = comfy.model_patcher.ModelPatcher(
        comfy.model_base.AuraFlow(
            comfy.supported_models.AuraFlow({"dim": 32, "n_layers": 1, "n_double_layers": 1, "n_heads": 2,
                                             "global_conddim": 32, "cond_seq_dim": 16, "dtype": torch.float32})
        ),
        torch.device("cpu"), torch.device("cpu"),
    )  # fmt: skip
    for use in (
        lambda: FullFrameAttention.execute(dit, "all frames"),
        lambda: st_layout(dit),
        lambda: blended(dit, inverted[1]),
        lambda: DDIMInversion.execute(dit, rig.text(1), {"samples": rig.latent()}, 4, "normal", 0),
    ):
        with pytest.raises(ValueError, match=r"works on Stable Diffusion UNets.*`model` input is a MMDiT"):
            use()


def test_nan_latents(unet, clip):
    bad = rig.latent()
    bad[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="DDIM Inversion's `latent` contains NaN"):
        DDIMInversion.execute(unet, rig.text(1), {"samples": bad}, 4, "normal", 0)
    sample_fails("latent contains NaN", st_layout(unet), bound(clip, square())[0], rig.text(2), bad, True)


def test_no_regions_for_st_layout(unet):
    sample_fails(
        "found no regions.*with Region Prompts in its `regions`",
        st_layout(unet),
        rig.text(1),
        rig.text(2),
        rig.latent(),
        True,
    )


def test_blend_without_area_or_source(unet, inverted):
    model = LatentBlend.execute(unet, "inversion", inverted[1]).result[0]
    sample_fails("no editable area", model, rig.text(1), rig.text(2), inverted[0]["samples"])
    with pytest.raises(ValueError, match="needs its `inversion` input"):
        LatentBlend.execute(unet, "inversion")
    with pytest.raises(ValueError, match="Connect `source`"):
        LatentBlend.execute(unet, "renoised")


def test_blend_that_could_do_nothing(unet, inverted):
    with pytest.raises(ValueError, match=r"`start_percent` \(0.8\) lies after its `end_percent` \(0.2\)"):
        LatentBlend.execute(unet, "inversion", inverted[1], mask=square(), start_percent=0.8, end_percent=0.2)
    with pytest.raises(ValueError, match="Latent Blend's `mask` is empty"):
        LatentBlend.execute(unet, "inversion", inverted[1], mask=torch.zeros(1, 64, 64))


def test_regions_on_the_negative_side_only(unet, clip):
    sample_fails("found no regions in the sampler's positive prompt", st_layout(unet), rig.text(1),
                 bound(clip, square())[0], rig.latent(3), True)  # fmt: skip


def test_rectified_flow_is_refused_wherever_its_node_stands(unet, clip):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    flow = ModelSamplingSD3().patch(unet, 3.0)[0]
    with pytest.raises(ValueError, match="samples by rectified flow"):
        DDIMInversion.execute(flow, rig.text(1), {"samples": rig.latent()}, 4, "normal", 0)
    late = ModelSamplingSD3().patch(st_layout(unet), 3.0)[0]
    sample_fails("samples by rectified flow", late, bound(clip, square())[0], rig.text(2), rig.latent(3), True)


def test_prediction_type_is_part_of_the_model(unet, inverted):
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    other = ModelSamplingDiscrete().patch(blended(unet, inverted[1]), "v_prediction", False)[0]
    sample_fails("ModelSampling nodes must be the same", other, rig.text(1), rig.text(2), inverted[0]["samples"],
                 steps=4, scheduler="normal")  # fmt: skip


def test_noise_of_another_inversion_is_warned_of(unet, inverted, caplog):
    other = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent(3, seed=8)}, 4, "normal", 0).result[0]
    rig.sample(blended(unet, inverted[1]), rig.text(1), rig.text(2), other["samples"], steps=4, scheduler="normal")
    assert sum("another latent than the inversion's" in r.getMessage() for r in caplog.records) == 1


def test_latents_of_another_vae(unet):
    with pytest.raises(ValueError, match="has 16 channels, but the model's latents have 4"):
        DDIMInversion.execute(unet, rig.text(1), {"samples": torch.randn(2, 16, 8, 8)}, 4, "normal", 0)


def test_the_same_feature_twice(unet):
    with pytest.raises(ValueError, match="passed through Full-Frame Attention already"):
        FullFrameAttention.execute(FullFrameAttention.execute(unet, "all frames").result[0], "middle")


def test_step_caches_make_inversion_meaningless(unet):
    from comfy_extras.nodes_easycache import EasyCacheNode

    cached = EasyCacheNode.execute(unet, 0.2, 0.15, 0.95, False).result[0]
    with pytest.raises(ValueError, match=r"step-skipping cache \(easycache\)"):
        DDIMInversion.execute(cached, rig.text(1), {"samples": rig.latent()}, 4, "normal", 0)


@pytest.mark.parametrize("sigmas", [[0.0, 1.0, 5.0], [3.0], [2.0, 2.0, 0.0]])
def test_sigmas_that_do_not_descend(unet, sigmas):
    with pytest.raises(ValueError, match="must descend"):
        DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent()}, 4, "normal", 0, sigmas=torch.tensor(sigmas))


def test_a_loader_without_text_encoder():
    with pytest.raises(ValueError, match="Bind Region Prompts' `clip` is empty"):
        BindRegionPrompts.execute(None, "a cat")


def test_stock_noise_mask_node_is_what_the_message_names(unet, inverted):
    masked = host.SetLatentNoiseMask().set_mask(inverted[0], torch.ones(3, 128, 128))[0]
    with pytest.raises(ValueError, match="Set Latent Noise Mask"):
        host.common_ksampler(blended(unet, inverted[1]), 0, 4, 4.0, "euler", "normal", rig.text(1), rig.text(2), masked,
                             disable_noise=True)  # fmt: skip
