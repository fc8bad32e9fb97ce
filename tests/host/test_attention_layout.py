"""Attention Layout inside ComfyUI: it looks, and changes nothing."""

import pytest
import rig
import torch
from einops import rearrange

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.demo import DemoClip
from pack.nodes.inversion import DDIMInversion
from pack.nodes.layout import AttentionLayout, ClustersToMask
from pack.videograin.core import cross_frame
from pack.videograin.core.attention_clusters import FEATURES, AttentionRows
from pack.videograin.jobs import demo_model
from pack.videograin.jobs.attention_clusters import Observer, observe


def invert(frames=8, steps=10):
    model, clip, vae = demo_model.load()
    pictures, left, right, caption, *_ = DemoClip.execute("wolf", "pig", "snow", 8, 1.0, 2).result
    model = FullFrameAttention.execute(model, cross_frame.ALL).result[0]
    source = clip.encode_from_tokens_scheduled(clip.tokenize(caption))
    latent = {"samples": vae.encode(pictures[:frames])}
    _, inversion, _ = DDIMInversion.execute(model, source, latent, steps, "ddim_uniform", 0).result
    return model, inversion, source, clip, caption, (left > 0.5, right > 0.5)


@pytest.fixture(scope="module")
def inverted():
    return invert()


def iou(a, b):
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.once
def test_clusters_find_and_name_the_objects(inverted):
    model, inversion, source, clip, caption, (left, right) = inverted
    found, preview, text = AttentionLayout.execute(
        model, inversion, source, 3, 10, FEATURES[0], "per frame", level="1/1", clip=clip, prompt=caption
    ).result
    assert found.labels.shape == (8, 24, 24) and preview.shape == (8, 192, 192, 3)
    assert set(found.names) == {"wolf", "pig", "snow"} and len(text.splitlines()) == 3
    for word, truth in (("wolf", left), ("pig", right)):
        assert iou(ClustersToMask.execute(found, word).result[0] > 0.5, truth) > 0.5
    everything_else = ClustersToMask.execute(found, "wolf, pig", invert=True).result[0] > 0.5
    assert iou(everything_else, ~(left | right)) > 0.8


@pytest.mark.once
def test_followed_clusters_keep_to_their_object(inverted):
    """The frame in the middle is as it is without; the others have its numbers, and names come from the whole clip."""
    model, inversion, source, clip, caption, (left, right) = inverted
    args = (model, inversion, source, 3, 4, FEATURES[0])
    found, _, _ = AttentionLayout.execute(*args, "followed", level="1/1", clip=clip, prompt=caption).result
    frames = AttentionLayout.execute(*args, "per frame", level="1/1").result[0].labels
    assert len(set(zip(found.labels[4].flatten().tolist(), frames[4].flatten().tolist(), strict=True))) == 3
    for word, truth in (("wolf", left), ("pig", right)):
        mask = ClustersToMask.execute(found, word).result[0] > 0.5
        assert all(iou(mask[f], truth[f]) > 0.45 for f in range(8))


@pytest.mark.once
def test_followed_needs_every_layer_it_compares(inverted):
    """HyperTile hides the finest ones."""
    from comfy_extras.nodes_hypertile import HyperTile

    model, inversion, source, *_ = inverted
    tiled = HyperTile.execute(model, 64, 2, 0, False)[0]
    with pytest.raises(
        ValueError, match="Attention Layout could not see self-attention at block input 1: another node"
    ):
        AttentionLayout.execute(tiled, inversion, source, 3, 1, FEATURES[1], "followed")


@pytest.mark.once
def test_features_are_those_of_the_network_itself():
    """Against attention captured by an ordinary patch at the same levels."""
    model, inversion, source, *_ = invert(frames=3, steps=3)
    observer = Observer(1, "all", AttentionRows(), None)
    observe(model, inversion, source, 0, observer)

    rows, own = [], demo_model.load_unet(demo_model.FOLDER / demo_model.PAINTER)

    def capture(q, k, v, extra):
        if q.shape[1] == 576:
            split = [rearrange(x, "f n (h d) -> f h n d", h=extra["n_heads"]) for x in (q, k)]
            rows.append((split[0] @ split[1].transpose(-1, -2) / split[0].shape[-1] ** 0.5).softmax(-1).mean(1))
        whole = (rearrange(x, "f n (h d) -> 1 h (f n) d", h=extra["n_heads"]) for x in (q, k, v))
        out = torch.nn.functional.scaled_dot_product_attention(*whole)
        return rearrange(out, "1 h (f n) d -> f n (h d)", f=len(q))

    for group in ("input", "middle", "output"):
        for block in range(6):
            own.set_model_attn1_replace(capture, group, block)
    sigmas = inversion.sigmas[:-1]
    for level, sigma in enumerate(sigmas.tolist()):
        x = own.model.process_latent_out(inversion.latents[level].clone())
        rig.sample(own, source, source, x, cfg=1.0, sigmas=torch.tensor([sigma, 0.0]))
    expected = torch.stack(rows).mean(0)
    assert rig.rms(observer.features.features() - expected) < 1e-4 * rig.rms(expected)


@pytest.mark.parametrize("feature", FEATURES)
def test_the_levels_of_a_deep_network(feature):
    """An SD-shaped UNet has attention at 1/1, 1/2 and 1/4; a level without any says so."""
    model = rig.random_unet()
    latent = {"samples": rig.latent(2)}
    _, inversion, _ = DDIMInversion.execute(model, rig.text(1), latent, 3, "normal", 0).result
    args = (model, inversion, rig.text(1), 3, 2, feature, "whole clip", 0)
    for level, size in (("1/1", 16), ("1/2", 8), ("1/4", 4), ("auto", 16)):
        assert AttentionLayout.execute(*args, level).result[0].labels.shape == (2, size, size)
        followed = AttentionLayout.execute(*args[:6], "followed", 0, level).result[0]
        assert followed.labels.shape == (2, size, size)
    with pytest.raises(ValueError, match=r"no self-attention in the chosen blocks at 1/8.*`level` or `blocks`"):
        observe(model, inversion, rig.text(1), 1, Observer(8, "encoder", AttentionRows(), None))


@pytest.mark.once
def test_looking_is_bound_to_the_inverted_model(inverted):
    _, inversion, source, *_ = inverted
    plain = demo_model.load_unet(demo_model.FOLDER / demo_model.PAINTER)
    with pytest.raises(ValueError, match='seeing "all frames", but Attention Layout\'s `model` sees "own"'):
        AttentionLayout.execute(plain, inversion, source, 3, 1, FEATURES[0], "per frame")
    other = FullFrameAttention.execute(rig.random_unet(), cross_frame.ALL).result[0]
    with pytest.raises(ValueError, match="inverted with another model"):
        AttentionLayout.execute(other, inversion, source, 3, 1, FEATURES[0], "per frame")


@pytest.mark.once
def test_regions_on_the_model_do_not_disturb_the_look(inverted):
    """The sampler's MODEL may be connected: modulation is not live here."""
    model, inversion, source, *_ = inverted
    regional = STLayoutAttention.execute(model, "default", 0.3, 1.0, 0.5, power=5.0).result[0]
    args = (inversion, source, 3, 2, FEATURES[0], "per frame")
    first, second = (AttentionLayout.execute(m, *args).result[0].labels for m in (model, regional))
    assert torch.equal(first, second)
