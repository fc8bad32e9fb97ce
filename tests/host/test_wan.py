"""Wan: regions on a video transformer, in ComfyUI's own network, against the equations written out."""

import pytest
import rig
import tiny_wan
import torch
import wan_oracle
from comfy.ldm.wan.model import CameraWanModel, VaceWanModel
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
from wan_oracle import agree, prompt, sampled, st_layout

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.videograin.core import score_range
from pack.videograin.features import st_layout as features_of_st_layout

pytestmark = pytest.mark.usefixtures("inference_mode")


@pytest.fixture(scope="module")
def wan():
    with torch.inference_mode():
        return tiny_wan.model()


@pytest.mark.parametrize("size", [(3, 8, 10), (5, 7, 9), (1, 6, 6)], ids=str)
def test_st_layout_is_the_equations(wan, size):
    """Overlapping regions that move, latents whose sides the network fills up, a text that is mostly padding."""
    latent = tiny_wan.clip(*size)
    agree(wan, prompt(latent), latent)


@pytest.mark.parametrize("words", [12, 64], ids=["padded", "full"])
def test_a_text_as_long_as_the_clip_is_no_clip(wan, words):
    """Queries and keys have one shape in both kinds of attention."""
    latent = tiny_wan.clip(4, 8, 8)
    agree(wan, prompt(latent, 64, words), latent)


def test_image_keys_stay(wan):
    """Image-to-video: the picture's keys come first in the same module, and no word of a region is among them."""
    model = tiny_wan.model(model_type="i2v", channels=36, out_dim=16)
    latent = tiny_wan.clip(3, 6, 6)
    seen = {"clip_vision_output": Picture(torch.randn(1, 257, 1280, generator=torch.Generator().manual_seed(4)))}
    agree(model, prompt(latent), latent, calls_a_block=3, notes=seen)


class Picture:
    """CLIP vision's output, of which the model takes one thing."""

    def __init__(self, tokens):
        self.penultimate_hidden_states = tokens


def test_vaces_own_blocks_stay():
    """They have the same shapes and the same `block_index` as the model's."""
    model = tiny_wan.model(VaceWanModel, vace_layers=1, vace_in_dim=96)
    latent = tiny_wan.clip(3, 6, 6)
    positive, order = prompt(latent), []
    override = wan_oracle.Truth(positive, (6, 6))

    def without_vace(attention, *args, **rest):
        block = torch.tensor(len(order) // 2)
        order.append(block)
        if len(order) % 8 in (3, 4):  # after the first block, VACE's
            return attention(*args, **rest)
        return override(attention, *args, **rest)

    written = model.clone()
    written.model_options["transformer_options"]["optimized_attention_override"] = without_vace
    expected, ours = sampled(written, positive, latent), sampled(st_layout(model), positive, latent)
    assert rig.rms(expected - sampled(model, positive, latent)) > 1e-2 * rig.rms(expected)
    assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)


def test_latents_of_the_5b_model_have_cells_of_sixteen_pixels():
    model = tiny_wan.model(channels=48)
    latent = tiny_wan.clip(3, 5, 6, channels=48)
    agree(model, prompt(latent, pixels=16), latent, pixels=16)


@pytest.mark.parametrize("separately", [False, True], ids=["batched", "one by one"])
def test_nothing_is_changed_where_nothing_is_asked(wan, separately, call_separately):
    if separately:
        call_separately(wan)
    latent = tiny_wan.clip(3, 7, 8)
    positive, plain = prompt(latent), sampled(wan, tiny_wan.text(3), latent)
    assert torch.equal(sampled(st_layout(wan, 0.0, 0.0), positive, latent), plain)
    assert torch.equal(sampled(st_layout(wan), wan_oracle.bound(tiny_wan.text(3), ()), latent), plain)


def test_no_hook_and_no_option_is_left(wan):
    latent = tiny_wan.clip(3, 6, 6)
    model = st_layout(wan)
    sampled(model, prompt(latent), latent)
    modules = model.model.diffusion_model.modules()
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in modules)
    assert "optimized_attention_override" not in model.model_options["transformer_options"]


def test_another_packs_attention_stands_where_nothing_is_changed(wan):
    """As SageAttention's nodes put theirs there: it keeps the other half of guidance, and knows in which block it is."""
    latent, seen = tiny_wan.clip(3, 6, 6), []

    def theirs(attention, *args, **rest):
        seen.append((len(args[0]), rest["transformer_options"]["block_index"]))
        return attention(*args, **rest)

    model = wan.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = theirs
    positive = prompt(latent)
    assert torch.equal(sampled(st_layout(model), positive, latent), sampled(st_layout(wan), positive, latent))
    assert {block for _, block in seen} == {0, 1, 2}


def refused(message, model, positive, latent, **more):
    with pytest.raises(ValueError, match=message):
        sampled(model, positive, latent, **more)


def test_attention_that_goes_round_core_is_refused_by_name(wan):
    """As KJNodes' memory-efficient Sage does: regions would be without effect, and nobody would know."""
    latent, model = tiny_wan.clip(3, 6, 6), wan.clone()
    layer = model.model.diffusion_model.blocks[1].self_attn

    def forward(x, freqs, transformer_options={}):  # noqa: B006
        return layer.o(layer.v(x))

    model.add_object_patch("diffusion_model.blocks.1.self_attn.forward", forward)
    refused(r"test_wan has put attention of its own .*block 1, self_attn", st_layout(model), prompt(latent), latent)


REFERENCES = {
    "Phantom": ("time_dim_concat", {}),
    "Fun Control": ("reference_latents", {"in_dim_ref_conv": 16}),
    "Bernini": ("context_latents", {}),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_reference_pictures_are_refused(wan, kind):
    """Tokens behind the clip's or before them, which no region is for."""
    note, shape = REFERENCES[kind]
    model, latent = tiny_wan.model(layers=1, **shape) if shape else wan, tiny_wan.clip(3, 6, 6)
    picture = tiny_wan.clip(1, 6, 6, seed=5)
    notes = {note: picture if note == "time_dim_concat" else [picture]}
    plain = sampled(model, prompt(latent), latent, notes=notes)
    if torch.equal(plain, sampled(model, prompt(latent), latent)):
        pytest.skip(f"this ComfyUI has no {kind}")
    refused("36 tokens, but the clip's frames are 27", st_layout(model), prompt(latent), latent, notes=notes)
    assert torch.equal(sampled(st_layout(model, 0.0, 0.0), prompt(latent), latent, notes=notes), plain)


@pytest.mark.parametrize("count", [3, 8, 21])
def test_masks_of_another_clip_are_refused_with_both_numbers(wan, count):
    latent = tiny_wan.clip(3, 6, 6)
    found = tuple(region._replace(mask=region.mask[:1].expand(count, -1, -1)) for region in wan_oracle.regions(3, 6, 6))
    refused(
        f"has {count} masks, but the 3 frames of the latent show 9 frames",
        st_layout(wan),
        wan_oracle.bound(tiny_wan.text(3), found),
        latent,
    )


def test_masks_of_the_frames_that_the_vae_leaves_out_are_told(wan, caplog):
    latent = tiny_wan.clip(3, 6, 6)
    longer = tuple(r._replace(mask=torch.cat([r.mask, r.mask[:2]])) for r in wan_oracle.regions(3, 6, 6))
    ours = sampled(st_layout(wan), wan_oracle.bound(tiny_wan.text(3), longer), latent)
    assert torch.equal(ours, sampled(st_layout(wan), prompt(latent), latent))
    assert "are 11, but" in caplog.text and "left out the last 2" in caplog.text


def test_kin_of_wan_is_refused_by_name():
    model = tiny_wan.model(CameraWanModel, model_type="camera", channels=32, out_dim=16, layers=1)
    with pytest.raises(ValueError, match=r"is a CameraWanModel\. It is a Wan model that looks at more"):
        st_layout(model)


def test_what_wan_does_not_offer_is_refused_by_name(wan):
    with pytest.raises(ValueError, match=r"Full-Frame Attention needs a choice of the frames.*a Wan model"):
        FullFrameAttention.execute(wan, "all frames")
    with pytest.raises(
        ValueError, match=r"needs attention at several grids.* Set ST-Layout Attention's `levels` to “all”"
    ):
        STLayoutAttention.execute(wan, "reference", 0.3, 0.8, 1.0)


def test_another_models_sampling_is_refused(wan):
    (model,) = ModelSamplingDiscrete().patch(wan, "eps", False)
    with pytest.raises(ValueError, match="does not sample by rectified flow"):
        st_layout(model)


def test_text_of_another_encoder_is_refused(wan):
    latent = tiny_wan.clip(3, 6, 6)
    refused("text of 24 numbers a token, but the model reads 32", st_layout(wan), rig.text(1, 20, 24), latent)


def test_of_very_many_keys_some_tell_the_reach_of_the_scores(wan, monkeypatch):
    latent = tiny_wan.clip(3, 8, 8)
    positive = prompt(latent)
    monkeypatch.setattr(score_range, "FEWEST", 4)
    exact, fast = (sampled(st_layout(wan, fast=choice), positive, latent) for choice in (False, True))
    monkeypatch.setattr(features_of_st_layout, "MANY", 47)  # of 48
    assert torch.equal(sampled(st_layout(wan), positive, latent), fast)
    assert rig.rms(fast - exact) > 1e-3 * rig.rms(exact)


def test_several_clips_are_refused_unless_nothing_is_asked(wan):
    latent = tiny_wan.clip(3, 6, 6).repeat(2, 1, 1, 1, 1)
    positive = wan_oracle.bound(tiny_wan.text(3), wan_oracle.regions(3, 6, 6))
    assert torch.equal(sampled(st_layout(wan, 0.0, 0.0), positive, latent), sampled(wan, positive, latent))
    refused("holds 2 clips, but regions", st_layout(wan), positive, latent)
