"""Attention fusion with whole maps, recorded and put in by hand as ordinary attention replacements; the nodes at hand."""

import math
from functools import partial

import recipe
import rig
import torch
from einops import rearrange
from oracle import SIGMA

from pack.nodes.fusion import CrossAttentionFusion, SelfAttentionFusion

OLD, NEW = "a silver jeep on a road", "watercolor painting of a silver porsche on a road"


def attention_map(q, k, heads):
    q, k = (rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k))
    return (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)


def values(found, v, heads):
    return rearrange(found @ rearrange(v, "b n (h d) -> b h n d", h=heads), "b h n d -> b n (h d)")


class Truth:
    """A MODEL whose positive half follows a source; `cond_or_uncond` tells which chunk is which (0 is positive).

    all_frames: the key set, else each frame its own. inside: rows of the edit at a grid, (h, w) -> (frames, h · w) bool,
    None without self fusion. taken, gains: the words, None without cross fusion. full: rows of the latent if its own
    grid is left alone. others: replacements that act on rows inside, (attn1, attn2), None for plain attention.
    """

    def __init__(self, model, frames, all_frames=False, inside=None, taken=None, gains=None, full=None, others=None):
        self.model, self.frames, self.all_frames = model, frames, all_frames
        self.inside, self.taken, self.gains, self.full, self.others = inside, taken, gains, full, others
        self.seen = {}

    def look(self, shown, prompt, sigma=SIGMA):
        """Records queries and keys of the source everywhere, in one plain forward."""
        text = prompt[0][0].expand(len(shown), -1, -1)
        options = {"patches_replace": {kind: {} for kind in ("attn1", "attn2")}}
        for kind, record in (("attn1", self.record_self), ("attn2", self.record_cross)):
            options["patches_replace"][kind] = dict.fromkeys(places(), record)
        sigmas = torch.full((len(shown),), sigma)
        self.model.model.apply_model(shown, sigmas, c_crossattn=text, transformer_options=options)
        return self

    def record_self(self, q, k, v, extra):
        self.seen["attn1", extra["block"]] = q, k
        return self.plain_self(q, k, v, extra)

    def record_cross(self, q, k, v, extra):
        self.seen["attn2", extra["block"]] = q, k
        return values(attention_map(q, k, extra["n_heads"]), v, extra["n_heads"])

    def plain_self(self, q, k, v, extra):
        if self.all_frames:
            q, k, v = (rearrange(x, "(c f) n d -> c (f n) d", f=self.frames) for x in (q, k, v))
        out = values(attention_map(q, k, extra["n_heads"]), v, extra["n_heads"])
        return rearrange(out, "c (f n) d -> (c f) n d", f=self.frames) if self.all_frames else out

    def rows(self, extra):
        h, w = extra["activations_shape"][-2:]
        return None if self.inside is None or h == self.full else self.inside(h, w)[..., None]

    def self_attention(self, q, k, v, extra):
        out = self.others[0](q, k, v, extra) if self.others else self.plain_self(q, k, v, extra)
        inside, rows = self.rows(extra), positive(extra, self.frames)
        if inside is not None and rows is not None:
            source = self.plain_self(*self.seen["attn1", extra["block"]], v[rows], extra)
            out[rows] = torch.where(inside, out[rows], source)
        return out

    def cross_attention(self, q, k, v, extra):
        heads, rows = extra["n_heads"], positive(extra, self.frames)
        out = values(attention_map(q, k, heads), v, heads)
        if self.others:
            out = self.others[1](q, k, v, extra)
        if self.taken is None or extra["activations_shape"][-2] == self.full or rows is None:
            return out
        copies = k.shape[1] // self.taken.shape[1]  # a prompt repeated to the length of the other
        aligned = (self.taken > 0).any(0)
        source = attention_map(*self.seen["attn2", extra["block"]], heads) @ self.taken
        fused = values(source * self.gains, v[rows][:, : self.taken.shape[1]], heads)
        fused = fused + self.own_cross(q, k, v, rows, (~aligned * self.gains).repeat(copies), extra)
        inside = self.rows(extra)
        if inside is None:
            out[rows] = fused
        else:
            own = self.own_cross(q, k, v, rows, self.gains.repeat(copies), extra)
            out[rows] = torch.where(inside, own, fused)
        return out

    def own_cross(self, q, k, v, rows, gains, extra):
        """The edit's own cross-attention in some rows, its values times a gain for each key."""
        gained = v.clone()
        gained[rows] *= gains[:, None]
        if self.others:
            return self.others[1](q, k, gained, extra)[rows]
        return values(attention_map(q[rows], k[rows], extra["n_heads"]), gained[rows], extra["n_heads"])

    def patched(self):
        model = self.model.clone()
        for group, number in places():
            model.set_model_attn1_replace(self.self_attention, group, number)
            model.set_model_attn2_replace(self.cross_attention, group, number)
        return model


def places():
    return [(group, number) for group in ("input", "middle", "output") for number in range(12)]


def positive(extra, frames):
    which = extra["cond_or_uncond"]
    return slice(which.index(0) * frames, (which.index(0) + 1) * frames) if 0 in which else None


invert = partial(recipe.invert, refinements=2)


def self_fused(model, inversion, where="everywhere", start=0.0, end=1.0, prompt=None, **more):
    prompt = prompt or rig.text(1)
    return SelfAttentionFusion.execute(
        model, inversion, prompt, "custom", where, start_percent=start, end_percent=end, **more
    ).args[0]


def cross_fused(model, inversion, clip, mode="refine", emphasis="", where="outside regions", start=0.0, end=1.0,
                prompt=None, texts=(OLD, NEW), **more):  # fmt: skip
    return CrossAttentionFusion.execute(
        model, inversion, prompt or rig.text(1), "custom", clip, *texts, mode, emphasis, where,
        start_percent=start, end_percent=end, **more,
    ).args[0]  # fmt: skip


def words_fused(model, inversion, clip, words="silver, jeep", **more):
    return self_fused(model, inversion, "outside words", clip=clip, source_prompt=OLD, words=words, **more)
