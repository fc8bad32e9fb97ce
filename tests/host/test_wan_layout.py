"""Attention Layout on Wan: clusters of latent frames, for the clip's frames; it looks, and changes nothing."""

import pytest
import tiny_wan
import torch
from einops import rearrange
from wan_oracle import sampled

from pack.nodes.inversion import DDIMInversion
from pack.nodes.layout import AttentionLayout, ClustersToMask
from pack.videograin.core.attention_clusters import FEATURES, AttentionInputs, AttentionRows
from pack.videograin.jobs.attention_clusters import Observer, observe

pytestmark = pytest.mark.usefixtures("inference_mode")
HEADS = tiny_wan.HEADS


@pytest.fixture(scope="module")
def wan():
    with torch.inference_mode():
        return tiny_wan.model()


def inverted(wan, frames=3, height=6, width=6):
    source = torch.cat(
        [tiny_wan.clip(frames, height, width // 2) - 3, tiny_wan.clip(frames, height, width // 2) + 3], -1
    )
    return DDIMInversion.execute(wan, tiny_wan.text(3), {"samples": source}, 4, "simple", 0).args[1]


class Spy:
    """An attention override that keeps queries and keys of self-attention, the first of two calls in a block."""

    def __init__(self):
        self.calls, self.seen = 0, []

    def __call__(self, attention, q, k, v, heads, **rest):
        if self.calls % 2 == 0:
            self.seen.append((q[:1], k[:1]))
        self.calls += 1
        return attention(q, k, v, heads, **rest)


def test_rows_are_the_attention_within_each_latent_frame(wan):
    inversion, spied, spy = inverted(wan), wan.clone(), Spy()
    spied.model_options["transformer_options"]["optimized_attention_override"] = spy
    observer = Observer(1, "all", AttentionRows(), None)
    observe(spied, inversion, tiny_wan.text(3), 2, observer)
    rows = 0
    for q, k in spy.seen:
        q, k = (rearrange(x, "1 (f n) (h d) -> f h n d", f=3, h=HEADS).double() for x in (q, k))
        rows = rows + (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1).mean(1)
    assert len(spy.seen) == 2 * tiny_wan.LAYERS
    assert torch.allclose(observer.features.features().double(), rows / len(spy.seen), atol=1e-5)


def test_inputs_are_the_hidden_states_that_enter_self_attention(wan):
    inversion, seen = inverted(wan), []
    block = wan.model.diffusion_model.blocks[0].self_attn
    hook = block.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    observer = Observer(1, "encoder", AttentionInputs({("input", 0, 0): tiny_wan.DIM}), None)
    observe(wan, inversion, tiny_wan.text(3), 2, observer)
    hook.remove()
    total = rearrange(sum(seen), "1 (f n) d -> f n d", f=3)
    assert torch.allclose(observer.features.total, total, atol=1e-5)


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("size", [(6, 8), (7, 6)], ids=str)
def test_clusters_lie_on_the_clips_frames(wan, feature, size):
    """Halves that differ are told apart; the frames of one latent frame have one layout, of the frames' size."""
    inversion = inverted(wan, 3, *size)
    layout, preview, _ = AttentionLayout.execute(
        wan, inversion, tiny_wan.text(3), 2, 2, feature, "whole clip", blur=1
    ).args
    assert len(layout.labels) == 9 and (layout.height, layout.width) == (8 * size[0], 8 * size[1])
    assert preview.shape[:3] == (9, 8 * size[0], 8 * size[1])
    assert torch.equal(layout.labels[1:5], layout.labels[1:2].expand(4, -1, -1))
    mask = ClustersToMask.execute(layout, str(int(layout.labels[0, 0, 0]))).args[0]
    assert mask.shape == (9, 8 * size[0], 8 * size[1])
    assert mask[..., : 4 * size[1] - 8].mean() > 0.95 and mask[..., 4 * size[1] + 8 :].mean() < 0.05


def test_looking_changes_nothing(wan):
    latent = tiny_wan.clip(3, 6, 6)
    before = sampled(wan, tiny_wan.text(3), latent)
    AttentionLayout.execute(wan, inverted(wan), tiny_wan.text(3), 2, 2, FEATURES[1], "per frame")
    assert torch.equal(sampled(wan, tiny_wan.text(3), latent), before)
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in wan.model.diffusion_model.modules())


def test_clusters_that_are_followed_by_keys_are_refused(wan):
    with pytest.raises(ValueError, match=r'`scope` "followed" compares keys .* Choose "per frame"'):
        AttentionLayout.execute(wan, inverted(wan), tiny_wan.text(3), 2, 2, FEATURES[0], "followed")


def test_a_grid_that_the_model_has_not_is_named(wan):
    with pytest.raises(ValueError, match="no self-attention in the chosen blocks at 1/2"):
        AttentionLayout.execute(wan, inverted(wan), tiny_wan.text(3), 2, 2, FEATURES[0], "per frame", level="1/2")
