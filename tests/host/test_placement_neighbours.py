"""Place Objects beside other nodes: Latent Blend and its mode irjs, what it refuses, memory, detections for VISOR."""

import logging

import comfy.ops
import comfy.sample
import pytest
import rig
import torch
from cases import variants
from einops import rearrange
from fused import cross_fused, invert, self_fused
from placed import PROMPT, encoded, looks, placed, run, steps
from recipe import full_frame, half, st_layout

from pack.nodes.attention import FullFrameAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.evaluate import EvaluateEdit
from pack.nodes.placement import PlaceObjects
from pack.nodes.regions import RegionPrompt
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.backbones.unet import UNet, output_blocks
from pack.videograin.comfyui import memory
from pack.videograin.comfyui.plan import records
from pack.videograin.core.latent_blend import blend_mask
from pack.videograin.features.reatco_placement import Placement

pytestmark = pytest.mark.usefixtures("inference_mode")


# ---- Latent Blend ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", variants("inversion", "renoised", "irjs"))
def test_nothing_moves_where_latent_blend_holds_the_source(unet, clip, monkeypatch, mode):
    seen = looks(monkeypatch)
    noise, inversion, sigmas = invert(unet, encoded(clip))
    blended = LatentBlend.execute(placed(unet, clip), mode, inversion, mask=half()).args[0]
    ours = run(blended, encoded(clip), noise["samples"], sigmas)
    outside = blend_mask(half(), 16, 16).expand(3, 4, -1, -1) == 0
    for x, _, moved in seen[:1]:
        assert torch.equal(moved[outside], x[outside]) and not torch.equal(moved[~outside], x[~outside])
    if mode != "irjs":
        assert torch.equal(ours[outside], inversion.source[outside])


def by_hand(model, mask, source, positive, x, sigmas, seeds):
    """ReAtCo's joint sampling: the source's noised latent outside the mask, then an Euler step from the mixture."""
    scale, mask = model.model.process_latent_out, blend_mask(mask, 16, 16)
    for seed, sigma, lower in zip(seeds, sigmas, sigmas[1:], strict=False):
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        x = mask * x + (1 - mask) * (model.model.process_latent_in(source) + sigma * noise)
        x = model.model.process_latent_in(run(model, positive, scale(x), torch.stack([sigma, lower])))
    return scale(x)


@pytest.mark.parametrize("noise,seeds", variants(("fresh", (7, 8, 9)), ("fixed", (7, 7, 7))))
def test_irjs_is_reatcos_joint_sampling(unet, clip, noise, seeds):
    source, start, sigmas, text = rig.latent(seed=3), rig.latent(), steps(unet), encoded(clip)
    blended = LatentBlend.execute(unet, "irjs", source={"samples": source}, mask=half(), noise=noise).args[0]
    ours = run(blended, text, start, sigmas, seed=7)
    truth = by_hand(unet, half(), source, text, unet.model.process_latent_in(start), sigmas, seeds)
    assert rig.rms(ours - truth) < 1e-4 * rig.rms(truth)
    inside = blend_mask(half(), 16, 16).expand_as(ours) == 1
    assert not torch.equal(ours[~inside], source[~inside])  # the model's own, nothing is pasted
    renoised = LatentBlend.execute(unet, "renoised", source={"samples": source}, mask=half()).args[0]
    if noise == "fresh":  # inside, the model has seen the same
        assert torch.equal(ours[inside], run(renoised, text, start, sigmas, seed=7)[inside])


def test_irjs_with_everything_editable_is_no_blend(unet, clip):
    args = (encoded(clip), rig.text(2), rig.latent(), True)
    blended = LatentBlend.execute(unet, "irjs", source={"samples": rig.latent()}, mask=torch.ones(1, 128, 128)).args[0]
    assert torch.equal(rig.sample(blended, *args), rig.sample(unet, *args))


def test_fixed_noise_is_the_one_the_sampler_starts_from(unet, clip):
    """Where the sampler adds this seed's noise to the source itself, the first step sees no seam at all."""
    source, text, seen = rig.latent(), encoded(clip), []

    def spy(apply, args):
        seen.append(args["input"][:3].clone())
        return apply(args["input"], args["timestep"], **args["c"])

    for noise in ("fixed", None):
        model = unet.clone()
        model.set_model_unet_function_wrapper(spy)
        if noise:
            model = LatentBlend.execute(model, "irjs", source={"samples": source}, mask=half(), noise=noise).args[0]
        rig.sample(model, text, rig.text(2), source, True, seed=5, steps=2, scheduler="karras")
    assert torch.allclose(seen[0], seen[len(seen) // 2], atol=0.02 * float(seen[0].std()))  # sqrt(1 + sigma²) there


# ---- refused before the GPU works -----------------------------------------------------------------------------------


def refused(model, positive, message, *args, **more):
    with pytest.raises(ValueError, match=message):
        rig.sample(model, positive, rig.text(2), rig.latent(), True, *args, **more)


def test_self_fusion_everywhere_would_pin_what_is_to_move(unet, clip):
    noise, inversion, _ = invert(unet)
    fused = self_fused(placed(unet, clip), inversion, end=0.8)
    with pytest.raises(ValueError, match=r"pins every outline.*`start_percent` 0.5"):
        rig.sample(fused, encoded(clip), rig.text(2), noise["samples"])
    later = self_fused(placed(unet, clip), inversion, start=0.5)
    assert torch.isfinite(rig.sample(later, encoded(clip), rig.text(2), noise["samples"], steps=4)).all()


def test_prompts_that_are_not_the_words_are_refused(unet, clip):
    model, text = placed(unet, clip), encoded(clip)
    refused(model, [*text, *encoded(clip, "a dog")], "several texts")
    refused(model, rig.text(1, tokens=40), "encoded in 77 tokens, but the sampler's `positive` has 40")
    refused(
        model, [[text[0][0], {"area": (8, 8, 0, 0), "strength": 1.0, "set_area_to_bounds": False}]], "limited to a part"
    )


def test_masks_and_levels_that_do_not_fit_are_refused(unet, clip):
    refused(placed(unet, clip, mask=half(5)), encoded(clip), "5 masks for “cat”, but the latent has 3 frames")
    shallow = rig.random_unet(
        transformer_depth=[1, 0, 0, 0], transformer_depth_output=[0] * 6 + [1, 1], transformer_depth_middle=0
    )
    refused(placed(shallow, clip), encoded(clip), "no cross-attention at 1/4 .* `level`")


def test_a_step_cache_and_a_noise_mask_are_refused(unet, clip):
    from comfy_extras.nodes_easycache import EasyCacheNode

    cached = EasyCacheNode.execute(placed(unet, clip), 0.2, 0.15, 0.95, False).args[0]
    refused(cached, encoded(clip), "EasyCache is active")
    blended = LatentBlend.execute(unet, "irjs", source={"samples": rig.latent()}, mask=half()).args[0]
    refused(blended, encoded(clip), "noise_mask", noise_mask=torch.ones(1, 1, 16, 16))


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({}, "nothing to place"),
        ({"boxes": "cat: 1, 1, 20, 20"}, "Connect the frames to its `frames`"),
        ({"boxes": "kat: 1, 1, 20, 20", "frames": (3, 64, 64, 3)}, 'names "kat".*closest there is "cat"'),
        ({"boxes": "cat: 90, 1, 20, 20", "frames": (3, 64, 64, 3)}, "outside the picture, which is 64×64"),
        ({"boxes": "cat: 1, 1, 9, 9\na cat: 20, 20, 9, 9", "frames": (3, 64, 64, 3)}, "share words"),
    ],
)
def test_objects_that_cannot_be_placed_are_named(unet, clip, inputs, message):
    inputs = {name: torch.zeros(value) if name == "frames" else value for name, value in inputs.items()}
    with pytest.raises(ValueError, match=message):
        PlaceObjects.execute(unet, clip, PROMPT, **inputs)
    (wordless,) = RegionPrompt.execute(half(), "").args
    with pytest.raises(ValueError, match=r"Region 1 .* no phrase"):
        PlaceObjects.execute(unet, clip, PROMPT, wordless)


def test_without_a_blend_the_log_says_what_drifts(unet, clip, caplog):
    with caplog.at_level(logging.INFO, "videograin"):
        rig.sample(placed(unet, clip), encoded(clip), rig.text(2), rig.latent(), True)
    assert "the rest of the picture drifts" in caplog.text and "MB for gradients" in caplog.text


# ---- with attention nodes -------------------------------------------------------------------------------------------


def test_maps_are_measured_before_modulation(unet, clip, monkeypatch):
    """ST-Layout brings its key set and changes the edit, never what Place Objects looks at."""
    from oracle import bound, regions

    seen = looks(monkeypatch)
    text = bound(encoded(clip), regions(3, 16, 16))
    for model in (st_layout(placed(unet, clip)), full_frame(placed(unet, clip))):
        run(model, text, rig.latent(), steps(unet)[:2])
    assert torch.equal(seen[0][2], seen[1][2]) and not torch.equal(seen[0][0], seen[0][2])


def test_boxes_and_masks_come_out_as_regions_and_one_mask(unet, clip):
    (regions,) = RegionPrompt.execute(half(1, 64, 64), "a cat").args
    boxes, frames = "a dog: 40, 8, 16, 16 @ 0; 48, 8, 16, 16 @ 2", torch.zeros(3, 64, 64, 3)
    model, mask, objects = PlaceObjects.execute(unet, clip, PROMPT, regions, boxes, frames).args
    assert [region.phrase for region in objects] == ["a cat", "a dog"] and mask.shape == (3, 64, 64)
    assert mask[:, 8:24, 40:56].flatten(1).mean(1).tolist() == [1, 0.75, 0.5] and mask[:, :, :32].all()
    cat, dog = records(model)[0].places
    assert cat.tokens.nonzero().tolist() == [[2]] and dog.tokens.nonzero().tolist() == [[5]]  # without articles


# ---- memory ---------------------------------------------------------------------------------------------------------


def fused_attention(attention, q, k, v, heads, **more):
    """What a GPU's kernel keeps: no map. The CPU's kernel of the kind, for it can be asked without data."""
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k, v))
    return rearrange(torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0], "b h n d -> b n (h d)")


@pytest.mark.parametrize("height,width,most", variants((64, 64, 0.35), (56, 96, 0.46)))
def test_the_cut_network_keeps_a_third_of_a_gigabyte_for_a_frame(height, width, most):
    """Stable Diffusion 1.5 in half precision, counted without data; and the reckoning told to ComfyUI agrees."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    shape = {"model_channels": 320, "channel_mult": [1, 2, 4, 4], "num_res_blocks": [2] * 4, "num_heads": 8, "context_dim": 768,
             "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_output": [1] * 9 + [0] * 3}  # fmt: skip
    options = {**rig.SD15_SHAPE, **shape, "dtype": torch.float16, "operations": comfy.ops.disable_weight_init}
    with torch.inference_mode(False):
        network = UNetModel(**options, device="meta").requires_grad_(False)
        weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
        kept, alive = {}, []

        def pack(tensor):
            alive.append(tensor)
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage.nbytes()
            return tensor

        x = torch.empty(1, 4, height, width, dtype=torch.float16, device="meta", requires_grad=True)
        text = torch.empty(1, 77, 768, dtype=torch.float16, device="meta")
        sites = [site for site, level in UNet().sites(network).items() if level == 4]
        assert output_blocks(sites) == 6  # output block 5 is the last
        with UNet().cut_after(network, sites), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            override = {"optimized_attention_override": fused_attention}
            network(x, torch.zeros(1, device="meta"), text, transformer_options=override)
    counted = sum(size for storage, size in kept.items() if storage not in weights) / 2**30
    assert counted < most
    record = Placement((), 0, torch.empty(0), "default", 1.0, 1.0, 0, 1.0, 0.2, level=4)
    one, two = (record.looked_bytes(rig.work([n, 4, height, width], network, 2)) for n in (1, 2))
    assert (two - one) / 2**30 == pytest.approx(counted, rel=0.05)
    assert one > two - one + 1.5e9  # and the weights of that part


def test_comfyui_is_told(unet, clip, monkeypatch):
    monkeypatch.setattr(
        unet.model, "memory_usage_factor", 0.01
    )  # so that gradients are the larger part, as in a real network
    plan, asked = records(placed(unet, clip)), []
    looking = plan[0].looked_bytes(rig.work([3, 4, 16, 16], unet.model.diffusion_model, 4))

    def executor(model, shape, conds, *args, **kwargs):
        asked.append(shape[0])

    for model in (unet, placed(unet, clip)):
        memory.prepare_sampling(executor, model, [3, 4, 16, 16], {}, model_options=model.model_options)
    plain = unet.model.memory_required([6, 4, 16, 16])
    assert asked[0] == 3 and 2 * asked[1] * plain / 6 >= looking > plain


# ---- VISOR ----------------------------------------------------------------------------------------------------------


def test_evaluate_edit_gives_visor_of_the_detections(clip):
    frames = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    seen = "cat: 0,0,10,10 @ 0; 40,0,10,10 @ 1\ndog: 20,0,10,10 @ 0; 20,0,10,10 @ 1"
    given = {"detections": seen, "relations": "a cat left of a dog"}
    *_, table, _, visor = EvaluateEdit.execute(frames, frames, **given).args
    assert visor == 50 and "| VISOR, conditional | 50.0 |" in table and "| Object accuracy | 100.0 |" in table
    (regions,) = RegionPrompt.execute(half(1, 64, 64), "cat").args
    (regions,) = RegionPrompt.execute(1 - half(1, 64, 64), "the dog", regions=regions).args
    assert EvaluateEdit.execute(frames, frames, regions, detections=seen).args[-1] == 50
    *_, table, _, visor = EvaluateEdit.execute(frames, frames, detections="none", relations="cat left of dog").args
    assert visor == 0 and "**never detected: “cat”, “dog”**" in table
    (twins,) = RegionPrompt.execute(half(1, 64, 64), "a car").args
    (twins,) = RegionPrompt.execute(1 - half(1, 64, 64), "a car", regions=twins).args
    cars = "car: 0,0,10,10 at 0; 40,0,10,10 at 0; 40,0,10,10 at 1"
    assert EvaluateEdit.execute(frames, frames, twins, detections=cars).args[-1] == 50
    *_, table, _, visor = EvaluateEdit.execute(frames, frames, twins, detections="car: 0,0,9,9 at 0").args
    assert visor == 0 and "**never detected: 2 × “car”**" in table
    *_, table, _, visor = EvaluateEdit.execute(frames, frames).args
    assert visor != visor and "needs `detections` and `relations` or two `regions` with phrases" in table


# ---- what else acts in a network that is cut off behind the layers looked at --------------------------------------------


@pytest.mark.parametrize("other", ["injected", "cross fused", "clip norm"])
def test_it_looks_without_the_source_and_with_half_a_network(unet, clip, caplog, other):
    """Its looks come between the evaluations that have a source, in a network without the later blocks and the head."""
    noise, inversion, sigmas = invert(unet)
    model = {
        "injected": lambda: InjectSourceFeatures.execute(unet, inversion, rig.text(1), 1.0, 1.0).args[0],
        "cross fused": lambda: cross_fused(unet, inversion, clip, texts=(PROMPT, PROMPT), prompt=encoded(clip)),
        "clip norm": lambda: FullFrameAttention.execute(unet, "all frames", clip_norm=True).args[0],
    }[other]()
    start = noise["samples"] if other != "clip norm" else rig.latent()
    found = run(placed(model, clip, end_percent=1.0), encoded(clip), start, sigmas)
    assert torch.isfinite(found).all()
    assert not torch.equal(found, run(model, encoded(clip), start, sigmas))
    assert not [record for record in caplog.records if "no features of the source" in record.getMessage()]


def test_words_of_another_prompt_are_told(unet, clip, caplog):
    caplog.set_level(logging.WARNING)
    start, sigmas = rig.latent(), steps(unet)
    run(placed(unet, clip), encoded(clip), start, sigmas)
    assert "another text" not in caplog.text
    run(placed(unet, clip), encoded(clip, "a cat and a dog at night"), start, sigmas)
    assert "Place Objects' `prompt` is another text than the sampler's `positive` holds" in caplog.text


def test_fixed_noise_is_the_samplers_own_whatever_chose_it(unet):
    """Latent From Batch makes the sampler draw other frames' noise from the seed."""
    source, seen = rig.latent(seed=3), []

    def spy(apply, args):
        seen.append(args["input"][:3].clone())
        return apply(args["input"], args["timestep"], **args["c"])

    noise = comfy.sample.prepare_noise(source, 5, [4, 5, 6])
    for blending in (False, True):
        model = unet.clone()
        model.set_model_unet_function_wrapper(spy)
        if blending:
            model = LatentBlend.execute(model, "irjs", source={"samples": source}, mask=half(), noise="fixed").args[0]
        comfy.sample.sample(
            model, noise, 1, 4.0, "euler", "karras", rig.text(1), rig.text(2), source, seed=5, disable_pbar=True
        )
    plain, blended = seen
    assert rig.rms(blended - plain) < 1e-2 * rig.rms(plain)
