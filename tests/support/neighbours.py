"""Stand-ins for other packs, patching a MODEL the way each real one does, and what must come out with them."""

import oracle as exact
import rig
import torch
from comfy.ldm.modules.attention import optimized_attention
from recipe import st_layout

from pack.tools.animatediff_stand_in import pyramid
from pack.videograin.core.phrase_tokens import KEY

BLOCKS = [("input", i) for i in range(12)] + [("middle", 0)] + [("output", i) for i in range(12)]


def prompts(frames=3, height=16, width=16):
    """A positive prompt with two moving regions, a negative one, a latent."""
    return (
        exact.bound(rig.text(1), exact.regions(frames, height, width)),
        rig.text(2),
        rig.latent(frames, height, width),
    )


def truth(model, positive, frames=3, height=16, kind=exact.Oracle, **more):
    """The MODEL with ST-Layout written out from its equations, and none of this pack's patches."""
    binding = positive[0][1][KEY]
    return kind(model, "paper", binding.regions, binding.tokens, frames, height, **more).patched()


def assert_composes(neighbour, model, positive, negative, x, expected=None, step=exact.one_step):
    """Both orders of the nodes give the expected tensor, in which both have a part.

    neighbour: MODEL to MODEL. expected: what to expect, by default of the neighbour on the written-out MODEL.
    """
    if expected is None:
        expected = step(neighbour(truth(model, positive, *x.shape[:3:2])), positive, negative, x)
    before, after = (step(m, positive, negative, x) for m in (st_layout(neighbour(model)), neighbour(st_layout(model))))
    assert torch.equal(before, after)
    assert rig.rms(before - expected) < 2e-5 * rig.rms(expected)
    for alone in (st_layout(model), neighbour(model)):
        assert rig.rms(step(alone, positive, negative, x) - expected) > 1e-3 * rig.rms(expected)
    return before


# ---- attention ------------------------------------------------------------------------------------------------------


class ByPrompt(exact.Oracle):
    """Tells prompts apart by uuid, as the first call has them: a later call may hold the negative alone."""

    def __init__(self, *args):
        super().__init__(*args)
        self.sides = {}

    def told(self, extra):
        for uuid, side in zip(extra["uuids"], extra["cond_or_uncond"], strict=True):
            self.sides.setdefault(uuid, side)
        return {**extra, "cond_or_uncond": [self.sides[uuid] for uuid in extra["uuids"]]}

    def self_attention(self, q, k, v, extra):
        return super().self_attention(q, k, v, self.told(extra))

    def cross_attention(self, q, k, v, extra):
        return super().cross_attention(q, k, v, self.told(extra))


class ImageTokens:
    """An IPAdapter's own part: attention to image tokens."""

    def __init__(self, weight=0.7, seed=0):
        self.weight, self.seed, self.tokens = weight, seed, {}

    def __call__(self, q, heads):
        width = q.shape[-1]
        if width not in self.tokens:
            generator = torch.Generator().manual_seed(width + self.seed)
            self.tokens[width] = torch.randn(2, 1, 4, width, generator=generator)
        k, v = (x.expand(len(q), -1, -1) for x in self.tokens[width])
        return self.weight * optimized_attention(q, k, v, heads)


class Attn2Replace:
    """IPAdapter_plus' object: it computes the text's attention itself, later adapters are added to it in place."""

    def __init__(self, part):
        self.parts = [part]

    def add(self, part):
        self.parts.append(part)

    def __call__(self, q, k, v, extra):
        heads = extra["n_heads"]
        return optimized_attention(q, k, v, heads) + sum(part(q, heads) for part in self.parts)


def image_adapter(model, part):
    """As IPAdapter_plus puts itself on a MODEL: what stands at a block already is asked to `.add`."""
    model = model.clone()
    options = model.model_options["transformer_options"].copy()
    patches = options["patches_replace"] = options.get("patches_replace", {}).copy()
    patches["attn2"] = patches.get("attn2", {}).copy()
    for block in BLOCKS:
        if block in patches["attn2"]:
            patches["attn2"][block].add(part)
        else:
            patches["attn2"][block] = Attn2Replace(part)
    model.model_options["transformer_options"] = options
    return model


class Adapted(exact.Oracle):
    """With image tokens' parts on top."""

    def __init__(self, *args, parts):
        super().__init__(*args)
        self.parts = parts

    def cross_attention(self, q, k, v, extra):
        return super().cross_attention(q, k, v, extra) + sum(part(q, extra["n_heads"]) for part in self.parts)


def with_override(model, override):
    """As KJNodes' Sage and Flash patches do: the one key is written, whatever stood there."""
    model = model.clone()
    options = model.model_options["transformer_options"] = model.model_options["transformer_options"].copy()
    options["optimized_attention_override"] = override
    return model


# ---- windows --------------------------------------------------------------------------------------------------------


def window_by_window(unet, positive, negative, x, anchors, step, hints=None):
    """What windows of three frames out of five give, each run alone; anchors: frames put before a window and cut off.

    step: of (MODEL, positive, negative, latent, hints).
    """
    total, counts = torch.zeros_like(x), torch.zeros(5, 1, 1, 1)
    for window, anchor in zip(([0, 1, 2], [2, 3, 4]), anchors, strict=True):
        shown = anchor + window
        part = cut(positive, shown)
        model = truth(unet, part, len(shown))
        out = step(model, part, negative, x[shown], None if hints is None else hints[shown])[len(anchor) :]
        weights = pyramid(3)  # core has the same
        total[window] += out * weights
        counts[window] += weights
    return total / counts


def cut(positive, frames):
    """A bound prompt for some frames."""
    regions = positive[0][1][KEY].regions
    return exact.bound(positive, tuple(region._replace(mask=region.mask[frames]) for region in regions))


# ---- text encoders --------------------------------------------------------------------------------------------------


def negpip(model, clip):
    """As ppm's CLIP NegPip changes both: every token has a row for its key and one for its value, which a negative weight
    turns round, and the network is shown each in its place."""
    model, clip = model.clone(), clip.clone()
    encoder = clip.patcher.model.clip_l

    def encode(chunks):
        sizes = [[(token, abs(weight)) for token, weight in chunk] for chunk in chunks]
        keys, *rest = type(encoder).encode_token_weights(encoder, sizes)
        turned = torch.tensor([weight < 0 for chunk in chunks for _, weight in chunk]).to(keys.device)
        values = torch.where(turned[:, None], -keys, keys)
        return torch.stack([keys, values], 2).flatten(1, 2), *rest

    clip.patcher.add_object_patch("clip_l.encode_token_weights", encode)
    model.set_model_attn2_patch(lambda q, k, v, extra: (q, k[:, 0::2], v[:, 1::2]))
    return model, clip
