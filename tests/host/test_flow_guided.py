"""Flow-Guided Attention in the real UNet: neutral where nothing moves, live in inversion, in any order."""

import pytest
import rig
import torch
from einops import rearrange

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.motion import FlowGuidedAttention
from pack.videograin.comfyui import wrappers
from pack.videograin.comfyui.plan import KEY
from pack.videograin.core.flatten import paths, token_steps
from pack.videograin.features.flatten_paths import Motion

pytestmark = pytest.mark.usefixtures("inference_mode")


def shifted(frames=3, by=16, side=128):
    """A clip whose content moves to the right, (frames, side, side, 3)."""
    g = torch.Generator().manual_seed(0)
    wide = torch.nn.functional.interpolate(
        torch.rand(1, 3, 12, 24, generator=g), (side, side * 2), mode="bicubic"
    ).clamp(0, 1)[0]
    wide = wide.movedim(0, -1)
    return torch.stack([wide[:, side - f * by : 2 * side - f * by] for f in range(frames)])


def flow(frames=3, side=128, x=16.0):
    found = torch.zeros(frames - 1, side, side, 2)
    found[..., 0] = x
    return found


def step(model, **options):
    return rig.sample(model, rig.text(2), rig.text(3), rig.latent(), noise=True, steps=1, **options)


def test_it_equals_attention_along_the_paths_written_by_hand(unet):
    """Every attn1 at the finest level, replaced by hand with the equations."""
    table = paths(token_steps(flow(), 16, 16))

    def by_hand(q, k, v, extra):
        heads = extra["n_heads"]
        split = [rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k, v)]
        dense = rearrange(torch.nn.functional.scaled_dot_product_attention(*split), "b h n d -> b n (h d)")
        if q.shape[1] != 256:
            return dense
        out = dense.clone()
        q, k, x, out = (rearrange(t, "(c f) n (h d) -> c f n h d", f=3, h=heads) for t in (q, k, dense, out))
        for row in table.tolist():
            points = [(f, t) for f, t in enumerate(row) if t >= 0]
            keys = torch.stack([k[:, f, t] for f, t in points], 2)  # (c, h, points, d)
            values = torch.stack([x[:, f, t] for f, t in points], 2)
            for f, t in points:
                weights = (torch.einsum("chd,chpd->chp", q[:, f, t], keys) / q.shape[-1] ** 0.5).softmax(-1)
                out[:, f, t] = torch.einsum("chp,chpd->chd", weights, values)
        return rearrange(out, "c f n h d -> (c f) n (h d)")

    truth = unet.clone()
    for group, number in (("input", 1), ("output", 6), ("output", 7)):
        truth.set_model_attn1_replace(by_hand, group, number)
    ours = wrappers.add(unet, Motion(flow(), None, (1,), True))
    found, wanted = step(ours), step(truth)
    assert rig.rms(found - wanted) < 1e-4 * rig.rms(wanted)
    assert rig.rms(found - step(unet)) > 1e-3 * rig.rms(wanted)


def test_a_clip_without_links_is_the_plain_model(unet):
    away = wrappers.add(unet, Motion(flow(x=999.0), None, (1, 2, 4), True))  # every path leaves the frame at once
    torch.testing.assert_close(step(away), step(unet), rtol=1e-5, atol=1e-5)


def test_the_order_of_nodes_does_not_matter(unet):
    images = shifted()
    a = FlowGuidedAttention.execute(FullFrameAttention.execute(unet, "all frames").args[0], images, "1/1", False).args[
        0
    ]
    b = FullFrameAttention.execute(FlowGuidedAttention.execute(unet, images, "1/1", False).args[0], "all frames").args[
        0
    ]
    assert torch.equal(step(a), step(b))
    assert KEY not in unet.model_options.get("transformer_options", {})


@pytest.mark.parametrize("occlusion", [False, True])
def test_dis_finds_the_shift_and_the_paths_are_drawn(unet, occlusion):
    images = shifted()
    model, drawn = FlowGuidedAttention.execute(unet, images, "1/1", occlusion).args
    record = next(r for r in model.model_options["transformer_options"][KEY] if isinstance(r, Motion))
    middle = record.flow[:, 32:96, 32:80]
    assert (middle[..., 0].median() - 16).abs() < 1 and middle[..., 1].abs().median() < 1
    assert (record.hidden is not None) == occlusion
    assert drawn.shape == images.shape and (drawn.amax(-1) > 0.9).sum() > 100


def test_live_in_inversion_and_told_when_it_is_missing(unet):
    moving = wrappers.add(unet, Motion(flow(), None, (1,), True))
    noise, inversion, _ = DDIMInversion.execute(
        moving, rig.text(1), {"samples": rig.latent()}, 3, "ddim_uniform", 1
    ).args
    plain, _, _ = DDIMInversion.execute(unet, rig.text(1), {"samples": rig.latent()}, 3, "ddim_uniform", 1).args
    assert not torch.equal(noise["samples"], plain["samples"]) and "flow" in inversion.key_sets
    mask = torch.ones(1, 128, 128)
    blended = LatentBlend.execute(moving, "inversion", inversion, mask=mask).args[0]
    rig.sample(blended, rig.text(2), rig.text(3), noise["samples"])
    without = LatentBlend.execute(unet, "inversion", inversion, mask=mask).args[0]
    with pytest.raises(
        ValueError, match="Full-Frame Attention, Anchor Attention and Flow-Guided Attention before DDIM"
    ):
        rig.sample(without, rig.text(2), rig.text(3), noise["samples"])


def test_with_st_layout_the_modulated_output_is_what_flows(unet):
    """The dense (modulated) attention comes first; both change the result."""
    from pack.videograin.core.phrase_tokens import KEY as BOUND
    from pack.videograin.core.phrase_tokens import Binding
    from pack.videograin.core.regions import Region

    masks = torch.zeros(3, 128, 128)
    masks[:, :, 64:] = 1
    binding = Binding((Region(masks, "a", 1.0),), torch.arange(77)[None] == 3)
    positive = [[rig.text(2)[0][0], {BOUND: binding}]]
    both, one = (
        STLayoutAttention.execute(m, "paper", 0.5, 1.0, 1.0, power=5.0).args[0]
        for m in (wrappers.add(unet, Motion(flow(), None, (1,), True)), unet)
    )
    found = [rig.sample(m, positive, rig.text(3), rig.latent(), noise=True, steps=1) for m in (both, one)]
    assert rig.rms(found[0] - found[1]) > 1e-3 * rig.rms(found[1])


def test_bad_input_is_told(unet):
    with pytest.raises(ValueError, match="holds one frame"):
        FlowGuidedAttention.execute(unet, shifted(1), "1/1", False)
    with pytest.raises(ValueError, match=r"saw a clip of 2 frames, but the latent has 3.*`images`"):
        step(FlowGuidedAttention.execute(unet, shifted(2), "1/1", False).args[0])
    once = FlowGuidedAttention.execute(unet, shifted(), "1/1", False).args[0]
    with pytest.raises(ValueError, match="passed through Flow-Guided Attention already"):
        FlowGuidedAttention.execute(once, shifted(), "1/1", False)
    with pytest.raises(ValueError, match="Flow-Guided Attention's `optical_flow` is a str"):
        FlowGuidedAttention.execute(unet, shifted(), "1/1", False, optical_flow="raft")
