"""Wan beside what people use with it: context windows, LoRA, caches, guidance that skips layers, and what is refused by name."""

import json
import types

import folder_paths
import nodes as host
import pytest
import rig
import tiny_wan
import torch
import wan_oracle
from comfy.ldm.modules.attention import optimized_attention
from comfy.ldm.wan.model import VaceWanModel
from comfy_extras.nodes_context_windows import WanContextWindowsManualNode
from comfy_extras.nodes_easycache import EasyCacheNode
from comfy_extras.nodes_slg import SkipLayerGuidanceDiT
from comfy_extras.nodes_wan import WanVaceToVideo
from safetensors.torch import save_file
from wan_oracle import agree, prompt, sampled, st_layout

from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion

pytestmark = pytest.mark.usefixtures("inference_mode")


@pytest.fixture(scope="module")
def wan():
    with torch.inference_mode():
        return tiny_wan.model(layers=2)


def windowed(model, freenoise=False):
    """Windows of three latent frames that overlap by one."""
    return WanContextWindowsManualNode.execute(model, 9, 5, "standard_static", 1, False, "pyramid", freenoise).args[0]


def refused(message, model, positive, latent, **more):
    with pytest.raises(ValueError, match=message):
        sampled(model, positive, latent, **more)


@pytest.mark.parametrize("freenoise", [False, True])
def test_regions_keep_their_places_in_context_windows(wan, freenoise):
    latent = tiny_wan.clip(7, 6, 6)
    agree(windowed(wan, freenoise), prompt(latent), latent)


def test_an_inverted_clip_goes_through_windows_but_not_with_shuffled_noise(wan):
    source = tiny_wan.clip(5, 6, 6)
    noise, inversion, _ = DDIMInversion.execute(wan, tiny_wan.text(3), {"samples": source}, 6, "simple", 2).args
    mask = torch.zeros(17, 48, 48)
    mask[:, :24] = 1

    def edit(freenoise):
        model = LatentBlend.execute(windowed(wan, freenoise), "inversion", inversion, mask=mask).args[0]
        return rig.sample(model, tiny_wan.text(5), tiny_wan.text(9, 7), noise["samples"], scheduler="simple")

    found = edit(False)
    assert torch.equal(found[..., 3:, :], source[..., 3:, :]) and not torch.equal(found, source)
    with pytest.raises(ValueError, match="Switch `freenoise` off"):
        edit(True)


def test_a_lora_acts_as_ever(wan):
    model = wan.clone()
    generator = torch.Generator().manual_seed(2)
    name = "diffusion_model.blocks.1.self_attn.q.weight"
    model.add_patches({name: ("diff", (0.2 * torch.randn(96, 96, generator=generator),))}, 1.0)
    latent = tiny_wan.clip(3, 6, 6)
    agree(model, prompt(latent), latent)
    assert not torch.equal(sampled(model, prompt(latent), latent), sampled(wan, prompt(latent), latent))


def test_guidance_that_skips_a_layer(wan):
    """It shows the network the positive prompt once more, without a block."""
    model = SkipLayerGuidanceDiT.execute(wan, 2.0, 0.0, 1.0, "1", "", 0.0).args[0]
    latent = tiny_wan.clip(3, 6, 6)
    agree(model, prompt(latent), latent)
    assert not torch.equal(sampled(model, prompt(latent), latent), sampled(wan, prompt(latent), latent))


def test_a_cache_that_skips_steps_keeps_the_regions(wan):
    model, latent = EasyCacheNode.execute(wan, 1e-9, 0.0, 1.0, False).args[0], tiny_wan.clip(3, 6, 6)
    positive = prompt(latent)
    assert torch.equal(sampled(st_layout(model), positive, latent), sampled(st_layout(wan), positive, latent))
    skipping = EasyCacheNode.execute(wan, 10.0, 0.0, 1.0, False).args[0]
    found = [sampled(m, positive, latent, steps=5) for m in (st_layout(skipping), st_layout(wan))]
    assert not torch.equal(*found) and found[0].isfinite().all()


def test_at_cfg_one_there_is_only_the_positive_half(wan):
    latent = tiny_wan.clip(3, 6, 6)
    agree(wan, prompt(latent), latent, cfg=1.0)


def by_itself(layer):
    """Attention to the text as WanVideoNAG of KJNodes has it: a second call for the prompt to stay away from, the first half alone."""

    def forward(self, x, context, transformer_options={}, **more):  # noqa: B006
        q, k, v = self.norm_q(self.q(x)), self.norm_k(self.k(context)), self.v(context)
        half = -(-len(q) // 2)
        parts = [optimized_attention(q[rows], k[rows], v[rows], heads=self.num_heads, transformer_options=transformer_options)
                 for rows in (slice(0, half), slice(half, None)) if len(q[rows])]  # fmt: skip
        away = optimized_attention(
            q[:half], k[:half] * 0.5, v[:half], heads=self.num_heads, transformer_options=transformer_options
        )
        return self.o(torch.cat(parts) - 0.1 * torch.cat([away] * len(parts)))

    return types.MethodType(forward, layer)


def test_a_second_call_for_the_text_stays_and_a_split_batch_is_refused(wan):
    model, latent = wan.clone(), tiny_wan.clip(3, 6, 6)
    layer = model.model.diffusion_model.blocks[0].cross_attn
    model.add_object_patch("diffusion_model.blocks.0.cross_attn.forward", by_itself(layer))
    positive = prompt(latent)
    ours = sampled(st_layout(model), positive, latent, cfg=1.0)
    assert rig.rms(ours - sampled(model, positive, latent, cfg=1.0)) > 1e-2 * rig.rms(ours)
    refused(r"A part of the batch attends by itself \(1 of 2 prompts\)", st_layout(model), positive, latent)


def test_a_reference_picture_of_vace_is_refused():
    """It stands as a frame before the clip's. A clip whose first frame is to stay has none, nor one without a picture at all."""
    model, vae = tiny_wan.model(VaceWanModel, vace_layers=1, vace_in_dim=96), tiny_wan.vae()
    frames = torch.rand(9, 48, 48, 3, generator=torch.Generator().manual_seed(0))
    kept = torch.ones(9, 48, 48)
    kept[0] = 0

    def edit(**given):
        positive, _, latent, _ = WanVaceToVideo.execute(
            prompt(tiny_wan.clip(3, 6, 6)), tiny_wan.text(9, 7), vae, 48, 48, 9, 1, 1.0, **given
        ).args
        notes = {name: value for name, value in positive[0][1].items() if name.startswith("vace_")}
        return sampled(st_layout(model), positive, latent["samples"], notes=notes)

    assert edit(control_video=frames, control_masks=kept).isfinite().all() and edit().isfinite().all()
    with pytest.raises(ValueError, match="put 1 reference picture before the clip's frames"):
        edit(control_video=frames, control_masks=kept, reference_image=frames[:1])


def test_an_area_of_a_prompt_has_the_regions_of_its_place(wan):
    """A prompt for the right half: as if the clip and its masks were that half."""
    latent = tiny_wan.clip(3, 6, 8)
    whole, noise = wan_oracle.regions(3, 6, 8), tiny_wan.clip(3, 6, 8, seed=7)
    half = tuple(region._replace(mask=region.mask[..., 32:]) for region in whole)
    text = tiny_wan.text(3)
    alone = sampled(st_layout(wan), wan_oracle.bound(text, half), latent[..., 4:], noise=noise[..., 4:])
    within = sampled(st_layout(wan), wan_oracle.bound(text, whole), latent, noise=noise, notes={"area": (6, 4, 0, 4)})
    assert rig.rms(within[..., 4:] - alone) < 1e-5 * rig.rms(alone)


def test_an_area_of_some_frames_is_refused(wan):
    latent = tiny_wan.clip(3, 6, 6)
    refused("of some frames only", st_layout(wan), prompt(latent), latent, notes={"area": (2, 6, 6, 0, 0, 0)})


def test_blocks_that_are_compiled_give_the_same_numbers(wan):
    """They run uncompiled where something is changed in them, and compiled elsewhere."""
    compiled, latent, ran = wan.clone(), tiny_wan.clip(3, 6, 6), []

    def backend(graph, inputs):
        return lambda *args: ran.append(1) or graph(*args)

    for number, block in enumerate(wan.model.diffusion_model.blocks):
        compiled.add_object_patch(f"diffusion_model.blocks.{number}", torch.compile(block, backend=backend))
    positive = prompt(latent)
    assert (
        torch.allclose(sampled(compiled, positive, latent), sampled(wan, positive, latent), rtol=1e-4, atol=1e-4)
        and ran
    )
    ran.clear()
    assert torch.equal(sampled(st_layout(compiled), positive, latent), sampled(st_layout(wan), positive, latent))
    assert not ran


def test_two_experts_share_the_steps_with_leftover_noise(wan):
    """As Wan 2.2's: the first sampler hands over at a level below 1, and regions act in both."""
    experts, latent = (wan, tiny_wan.model(layers=2, seed=5)), tiny_wan.clip(3, 6, 6)
    positive, negative = prompt(latent), tiny_wan.text(9, 7)

    def edit(models):
        first, second = models
        stage = host.KSamplerAdvanced().sample(first, "enable", 3, 4, 3.0, "euler", "simple", positive, negative,
                                               {"samples": latent}, 0, 2, "enable")[0]  # fmt: skip
        return host.KSamplerAdvanced().sample(second, "disable", 3, 4, 3.0, "euler", "simple", positive, negative,
                                              stage, 2, 4, "disable")[0]["samples"]  # fmt: skip

    def written(model):
        model = model.clone()
        override = wan_oracle.Truth(positive, tuple(latent.shape[-2:]))
        model.model_options["transformer_options"]["optimized_attention_override"] = override
        return model

    ours, expected, plain = edit([st_layout(m) for m in experts]), edit([written(m) for m in experts]), edit(experts)
    assert rig.rms(expected - plain) > 1e-2 * rig.rms(expected)
    assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)


def test_from_a_file_by_the_stock_loader(wan, tmp_path, monkeypatch):
    """Nodes that are neutral give the graph without them, to the bit."""
    weights = {name: weight.clone() for name, weight in wan.model.diffusion_model.state_dict().items()}
    shape = {"num_heads": tiny_wan.HEADS, "text_dim": tiny_wan.TEXT}
    save_file(weights, tmp_path / "wan.safetensors", {"config": json.dumps({"transformer": shape})})
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "diffusion_models", ([str(tmp_path)], {".safetensors"}))
    (model,) = host.UNETLoader().load_unet("wan.safetensors", "default")
    latent = tiny_wan.clip(3, 7, 6)
    plain = sampled(model, tiny_wan.text(3), latent)
    assert torch.equal(plain, sampled(wan, tiny_wan.text(3), latent))
    everywhere = LatentBlend.execute(model, "progressive", source={"samples": latent}, mask=torch.ones(1, 56, 48)).args[
        0
    ]
    assert torch.equal(sampled(st_layout(everywhere, 0.0, 0.0), prompt(latent), latent), plain)


def test_a_first_frame_that_is_kept_by_the_5b_model():
    """Wan22ImageToVideoLatent: a noise mask, and a time of its own for each frame."""
    model, latent = tiny_wan.model(channels=48, layers=2), tiny_wan.clip(3, 6, 6, channels=48)
    mask = torch.ones(1, 1, 3, 6, 6)
    mask[:, :, 0] = 0
    agree(model, prompt(latent, pixels=16), latent, pixels=16, mask=mask)
    assert rig.rms((sampled(st_layout(model), prompt(latent, pixels=16), latent, mask=mask) - latent)[:, :, 0]) < 1e-6
