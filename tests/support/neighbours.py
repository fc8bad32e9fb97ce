"""Stand-ins for other packs, patching a MODEL the way each real one does, and what must come out with them."""

from functools import partial

import comfy.patcher_extension
import comfy.samplers
import oracle as exact
import rig
import torch
from comfy.ldm.modules.attention import optimized_attention
from einops import rearrange
from recipe import st_layout
from torch import nn

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

PYRAMID = {3: [1.0, 2.0, 1.0]}  # core's weights of a window's frames, and AnimateDiff-Evolved's


def sliding_windows(model, windows=((0, 1, 2), (2, 3, 4)), total=5):
    """AnimateDiff-Evolved's windows: a CALC_COND_BATCH wrapper that says in `ad_params` which frames a call holds.

    `ad_params` come from a sampling function of its own, in the place of core's while a run lasts.
    """

    def evolved(ordinary, model, x, timestep, uncond, cond, scale, model_options, **more):
        options = {**model_options["transformer_options"], "ad_params": {"full_length": total, "sub_idxs": None}}
        return ordinary(
            model, x, timestep, uncond, cond, scale, {**model_options, "transformer_options": options}, **more
        )

    def outer(executor, *args, **kwargs):
        ordinary = comfy.samplers.sampling_function
        comfy.samplers.sampling_function = partial(evolved, ordinary)
        try:
            return executor(*args, **kwargs)
        finally:
            comfy.samplers.sampling_function = ordinary

    def slide(executor, network, conds, x, timestep, model_options):
        sums, counts = [torch.zeros_like(x) for _ in conds], torch.zeros(total, 1, 1, 1)
        shown = model_options["transformer_options"]["ad_params"]
        for window in windows:
            frames = list(window)
            shown |= {"context_length": len(window), "sub_idxs": frames}
            part = executor(network, conds, x[frames], timestep[frames], model_options)
            weights = torch.tensor(PYRAMID[len(window)]).view(-1, 1, 1, 1)
            for out, result in zip(sums, part, strict=True):
                out[frames] += result * weights
            counts[frames] += weights
        return [out / counts for out in sums]

    model = model.clone()
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.OUTER_SAMPLE, "ADE", outer)
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.CALC_COND_BATCH, "ADE", slide)
    return model


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
        weights = torch.tensor(PYRAMID[3]).view(-1, 1, 1, 1)
        total[window] += out * weights
        counts[window] += weights
    return total / counts


def cut(positive, frames):
    """A bound prompt for some frames."""
    regions = positive[0][1][KEY].regions
    return exact.bound(positive, tuple(region._replace(mask=region.mask[frames]) for region in regions))


class MotionModule(nn.Module):
    """Attention along time at every pixel, as an AnimateDiff layer has it."""

    def __init__(self, channels):
        super().__init__()
        generator = torch.Generator().manual_seed(channels)
        self.weight = nn.Parameter(torch.randn(3, channels, channels, generator=generator) / (2 * channels**0.5), False)

    def forward(self, x, frames):
        tokens = rearrange(x, "(c f) d h w -> (c h w) f d", f=frames)
        q, k, v = (tokens @ weight for weight in self.weight)
        moved = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        back = rearrange(moved, "(c h w) f d -> (c f) d h w", c=len(x) // frames, h=x.shape[2])
        return x + 0.5 * back


def motion_modules(model):
    """As AnimateDiff-Evolved does: layers put into the network's blocks while it is loaded, called by a patch."""
    network, model = model.model.diffusion_model, model.clone()
    blocks = [network.input_blocks[1], network.input_blocks[3], network.output_blocks[5]]
    layers = [MotionModule(channels) for channels in (32, 64, 64)]

    def inject(patcher):
        for block, layer in zip(blocks, layers, strict=True):
            block.insert(1, layer)  # before the spatial transformer, whose number in the block grows

    def eject(patcher):
        for block in blocks:
            del block[1]

    def call(layer, x, emb, context, options, *rest):
        return layer(x, len(x) // len(options["cond_or_uncond"]))

    model.set_injections("ADE", [comfy.patcher_extension.PatcherInjection(inject=inject, eject=eject)])
    model.set_model_patch((MotionModule, call), "forward_timestep_embed_patch")
    return model


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
