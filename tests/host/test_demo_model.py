"""The demo model through ComfyUI's stock nodes: it loads, draws what it is asked, and behaves as any checkpoint."""

from types import SimpleNamespace

import comfy.model_management
import comfy.sd
import latent_preview
import nodes
import numpy as np
import pytest
import torch
from comfy.model_patcher import ModelPatcher

from pack.demo import judge, model, world
from pack.nodes.demo import DemoClip, LoadDemoModel


@pytest.fixture(scope="module")
def demo():
    return SimpleNamespace(**dict(zip(("model", "clip", "vae"), LoadDemoModel.execute().args, strict=True)))


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


def encode(demo, text):
    return nodes.CLIPTextEncode().encode(demo.clip, text)[0]


def draw(demo, prompt, count=4, seed=11, steps=20):
    """(count, 128, 128, 3) uint8 pictures of a prompt, by the stock KSampler."""
    latent = nodes.EmptyLatentImage().generate(128, 128, count)[0]
    positive, negative = encode(demo, prompt), encode(demo, "")
    latent = nodes.KSampler().sample(demo.model, seed, steps, 5.0, "ddim", "ddim_uniform", positive, negative, latent)[
        0
    ]
    return to_bytes(nodes.VAEDecode().decode(demo.vae, latent)[0])


def to_bytes(images):
    return (images.numpy() * 255).round().astype(np.uint8)


def foreground(frame):
    """(H, W) bool: pixels unlike the frame's border, for a picture whose object is not known beforehand."""
    border = np.concatenate([frame[:8].reshape(-1, 3), frame[-8:].reshape(-1, 3)])
    return np.abs(frame - np.median(border, 0)).max(-1) > 55


def test_types_are_the_hosts(demo):
    assert isinstance(demo.model, ModelPatcher)
    assert isinstance(demo.clip, comfy.sd.CLIP)
    assert isinstance(demo.vae, comfy.sd.VAE)
    assert demo.model.model.model_type.name == "EPS"
    assert not any(parameter.requires_grad for parameter in demo.vae.first_stage_model.parameters())


@pytest.mark.parametrize("prompt", ["a panda on grass", "a firetruck on sand", "a frog in the snow"])
def test_draws_the_object_it_is_asked_for(demo, prompt):
    word = prompt.split()[1]
    found = [judge.best_word(frame, foreground(frame))[0] for frame in draw(demo, prompt)]
    assert found.count(word) >= 3, found


def test_draws_two_objects(demo):
    frames = draw(demo, "a bear and a frog in the snow", count=8)
    halves = []
    for frame in frames:
        mask = foreground(frame)
        left = mask & (np.arange(128) < 64)
        right = mask & ~(np.arange(128) < 64)
        halves.append({judge.best_word(frame, half)[0] for half in (left, right) if half.sum() > 150})
    assert sum({"bear", "frog"} == half for half in halves) >= 2, halves


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "uni_pc"])
def test_other_samplers_and_a_picture_of_another_size(demo, sampler):
    latent = nodes.EmptyLatentImage().generate(192, 128, 1)[0]
    positive, negative = encode(demo, "a cat on grass"), encode(demo, "")
    latent = nodes.KSampler().sample(demo.model, 5, 4, 5.0, sampler, "normal", positive, negative, latent)[0]
    picture = nodes.VAEDecode().decode(demo.vae, latent)[0]
    assert picture.shape == (1, 128, 192, 3) and picture.isfinite().all()


def test_same_seed_draws_the_same_after_a_reload(demo):
    fresh = SimpleNamespace(**dict(zip(("model", "clip", "vae"), model.load(), strict=True)))
    assert fresh.model.model is not demo.model.model  # nothing is cached
    np.testing.assert_array_equal(draw(demo, "a cat on grass", 1, steps=4), draw(fresh, "a cat on grass", 1, steps=4))


def test_unloaded_model_draws_again(demo):
    before = draw(demo, "a cat on grass", 1, steps=2)
    comfy.model_management.unload_all_models()
    np.testing.assert_array_equal(before, draw(demo, "a cat on grass", 1, steps=2))


def test_vae_restores_the_demo_clip(demo):
    frames = DemoClip.execute("cat", "dog", "grass", 8, 1.0, 0).args[0]
    latent = nodes.VAEEncode().encode(demo.vae, frames)[0]
    assert latent["samples"].shape == (8, 4, 16, 16)
    restored = nodes.VAEDecode().decode(demo.vae, latent)[0]
    assert -10 * torch.log10((restored - frames).square().mean()) > 21
    assert 0 <= restored.min() and restored.max() <= 1
    scaled = demo.model.model.process_latent_in(latent["samples"])
    torch.testing.assert_close(demo.model.model.process_latent_out(scaled), latent["samples"])


def test_vae_takes_the_tiled_and_inpaint_nodes(demo):
    frames = DemoClip.execute("wolf", "pig", "snow", 8, 1.0, 2).args[0][:2]
    whole = nodes.VAEDecode().decode(demo.vae, nodes.VAEEncode().encode(demo.vae, frames)[0])[0]
    tiled = nodes.VAEEncodeTiled().encode(demo.vae, frames, 64, 16)[0]
    assert tiled["samples"].shape == (2, 4, 16, 16)
    tiled = nodes.VAEDecodeTiled().decode(demo.vae, tiled, 64, 16)[0]
    assert (tiled - whole).abs().mean() < 0.05
    inpaint = nodes.VAEEncodeForInpaint().encode(demo.vae, frames, torch.ones(2, 128, 128))[0]
    assert inpaint["samples"].shape == (2, 4, 16, 16) and "noise_mask" in inpaint


def test_vae_encodes_a_clip_in_one_pass(demo, monkeypatch):
    batches = []
    whole = demo.vae.first_stage_model.encode
    monkeypatch.setattr(demo.vae.first_stage_model, "encode", lambda x: batches.append(len(x)) or whole(x))
    nodes.VAEEncode().encode(demo.vae, torch.rand(16, 128, 128, 3))
    assert batches == [16]


def test_prompt_weights_long_prompts_and_embeddings(demo, tmp_path, caplog):
    plain = encode(demo, "a cat and a dog on grass")[0][0]
    assert plain.shape == (1, 77, 128)
    weighted = encode(demo, "a (cat:1.2) and a dog on grass")[0][0]
    cat = 2  # <start> a cat
    assert (weighted - plain)[0, cat].abs().max() > 0.1
    torch.testing.assert_close(weighted[0, cat + 1 :], plain[0, cat + 1 :])
    assert encode(demo, "a cat on grass, " * 20)[0][0].shape == (1, 154, 128)

    demo.clip.tokenizer.clip_l.embedding_directory = [str(tmp_path)]
    known = demo.clip.cond_stage_model.clip_l.transformer.get_input_embeddings().weight
    (cat_id, _) = demo.clip.tokenize("cat")["l"][0][1]
    torch.save({"emb_params": known[cat_id : cat_id + 1].float().clone()}, tmp_path / "mine.pt")
    torch.save({"emb_params": torch.ones(1, 768)}, tmp_path / "other.pt")
    mine = encode(demo, "a embedding:mine and a dog on grass")[0][0]
    torch.testing.assert_close(mine, plain)
    with caplog.at_level("WARNING"):
        other = encode(demo, "a embedding:other and a dog on grass")[0][0]
    assert other.shape == (1, 77, 128) and "shape mismatch" in caplog.text


def test_clip_skip_reaches_the_text_encoder(demo):
    skipped = nodes.CLIPSetLastLayer().set_last_layer(demo.clip, -2)[0]
    a, b = encode(demo, "a cat on grass")[0][0], nodes.CLIPTextEncode().encode(skipped, "a cat on grass")[0][0][0]
    assert a.shape == b.shape and not torch.allclose(a, b)


def test_preview_resembles_the_picture(demo):
    frames = DemoClip.execute("fox", "bus", "sea", 8, 1.0, 1).args[0]
    latent = nodes.VAEEncode().encode(demo.vae, frames[:1])[0]["samples"]
    form = demo.model.model.latent_format
    previewer = latent_preview.Latent2RGBPreviewer(form.latent_rgb_factors, form.latent_rgb_factors_bias)
    preview = np.asarray(previewer.decode_latent_to_preview(demo.model.model.process_latent_in(latent)))
    small = to_bytes(frames[0].unflatten(0, (16, 8)).unflatten(2, (16, 8)).mean((1, 3)))
    assert judge.correlation(preview.reshape(-1, 3) * 1.0, small.reshape(-1, 3) * 1.0) > 0.7


def test_host_can_rebuild_each_part_from_its_loader(demo):
    for patcher in (demo.model, demo.clip.patcher, demo.vae.patcher):
        build, arguments = patcher.cached_patcher_init
        rebuilt = build(*arguments, disable_dynamic=True)
        assert type(rebuilt) is ModelPatcher
        old, new = patcher.model_state_dict(), rebuilt.model_state_dict()
        # CLIP's logit scale is core's own constant; every other tensor comes from the file.
        assert old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_predicts_nearly_the_same(demo, monkeypatch, dtype):
    monkeypatch.setattr(comfy.model_management, "unet_dtype", lambda **kwargs: dtype)
    half = model.load_unet(model.WEIGHTS)
    assert half.model.get_dtype() == dtype
    latent, context = torch.randn(2, 4, 16, 16), encode(demo, "a cat and a dog on grass")[0][0].repeat(2, 1, 1)
    sigma = torch.tensor([5.0, 5.0])
    comfy.model_management.load_models_gpu([demo.model, half])
    full = demo.model.model.apply_model(latent * 5, sigma, c_crossattn=context)
    close = half.model.apply_model(latent * 5, sigma, c_crossattn=context)
    assert (close - full).square().mean().sqrt() < 0.05 * full.square().mean().sqrt()


def test_demo_clip_node(demo):
    frames, left, right, caption, fps = DemoClip.execute("cat", "bus", "night", 12, 1.0, 4).args
    assert frames.shape == (12, 128, 128, 3) and frames.dtype == torch.float32 and frames.max() <= 1
    assert left.shape == right.shape == (12, 128, 128) and set(left.unique().tolist()) == {0.0, 1.0}
    assert caption == "a cat and a bus at night" and fps == 8.0
    clip = world.clip(("cat", "bus"), "night", 12, 1.0, 4)
    np.testing.assert_array_equal(to_bytes(frames), clip.frames)
    np.testing.assert_array_equal(right.numpy() > 0, clip.masks[1])


@pytest.mark.parametrize("node", [LoadDemoModel, DemoClip])
def test_every_input_and_output_has_a_tooltip(node):
    schema = node.GET_SCHEMA()
    assert schema.description and schema.search_aliases
    for port in [*schema.inputs, *schema.outputs]:
        assert port.tooltip and port.tooltip.endswith("."), port.id or port.display_name
