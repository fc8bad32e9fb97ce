"""ST-Layout written densely from the equations, as ordinary attention replacements: the truth of the host tests."""

import math

import comfy.samplers
import torch
from einops import rearrange

from pack.videograin.core.phrase_tokens import KEY, Binding
from pack.videograin.core.regions import Grid, Region, membership

SIGMA = 12.0


def regions(frames, height, width):
    """Two moving, overlapping regions and background, at pixel size."""
    masks = torch.zeros(2, frames, height * 8, width * 8)
    for f in range(frames):
        masks[0, f, : height * 4 + 8 * (f % 3), : width * 4] = 1
        masks[1, f, height * 2 :, width * 3 :] = 1
    return tuple(Region(mask, phrase) for mask, phrase in zip(masks, ("one", "two"), strict=True))


def bound(conditioning, regions):
    tokens = torch.zeros(2, conditioning[0][0].shape[1], dtype=torch.bool)
    tokens[0, 2:4] = True
    tokens[1, 7] = True
    return [[conditioning[0][0], {KEY: Binding(regions, tokens)}]]


def lambdas(model, mode, kind, member, sigma=SIGMA):
    """lambda of every token, (frames, tokens), spelled out from the equations."""
    frames = member.shape[1]
    timestep = float(model.get_model_object("model_sampling").timestep(torch.tensor(float(sigma))))
    tau5 = ((timestep - 1) / 1000) ** 5
    covered = member.float()
    if kind == "cross":
        size = torch.einsum("kfn,kf->fn", covered, covered.mean(2))
        return tau5 * (1 - size).clamp(0, 1)
    if mode == "reference":
        size = torch.einsum("kfn,k->fn", covered, covered.mean((1, 2))) / frames
    else:
        flat = member.flatten(1).T
        size = (flat[:, None] == flat[None]).all(-1).float().mean(1).view(frames, -1)
    return 0.3 * tau5 * (1 - size).clamp(0, 1)


def dense(q, k, v, lam, positive, heads):
    q, k, v = (rearrange(x, "b n (h d) -> b h n d", h=heads) for x in (q, k, v))
    s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if lam is not None:
        lam = lam[:, None, :, None]
        s = (1 - lam) * s + lam * torch.where(positive[:, None], s.amax(-1, True), s.amin(-1, True))
    return rearrange(s.softmax(-1) @ v, "b h n d -> b n (h d)")


class Oracle:
    """Plain attention replacements for every site, told by `cond_or_uncond` which chunk is which (0 is positive)."""

    def __init__(self, model, mode, regions, tokens, frames, full_height):
        self.model, self.mode, self.tokens, self.frames, self.full_height = model, mode, tokens, frames, full_height
        self.masks = torch.stack([region.mask > 0.5 for region in regions])

    def member(self, extra):
        h, w = extra["activations_shape"][-2:]
        rule = "nearest" if self.mode == "reference" else "area"
        return membership(self.masks, Grid(self.frames, h, w), rule).flatten(2), h

    def self_attention(self, q, k, v, extra):
        member, height = self.member(extra)
        flat = member.flatten(1).T
        positive = (
            (flat[:, None] & flat[None]).any(-1) if self.mode == "reference" else (flat[:, None] == flat[None]).all(-1)
        )
        q, k, v = (rearrange(x, "(c f) n d -> c (f n) d", f=self.frames) for x in (q, k, v))
        out = []
        for c, which in enumerate(extra["cond_or_uncond"]):
            on = which == 1 and height < self.full_height if self.mode == "reference" else which == 0
            lam = lambdas(self.model, self.mode, "self", member, extra["sigmas"][0]).view(1, -1) if on else None
            out.append(dense(q[c : c + 1], k[c : c + 1], v[c : c + 1], lam, positive[None], extra["n_heads"]))
        return rearrange(torch.cat(out), "c (f n) d -> (c f) n d", f=self.frames)

    def cross_attention(self, q, k, v, extra):
        member, height = self.member(extra)
        tokens = self.tokens.repeat(1, k.shape[1] // self.tokens.shape[1])
        positive = torch.einsum("kfn,kl->fnl", member.float(), tokens.float()) > 0
        out = []
        for c, which in enumerate(extra["cond_or_uncond"]):
            rows = slice(c * self.frames, (c + 1) * self.frames)
            on = which == 0 and (self.mode != "reference" or height < self.full_height)
            lam = lambdas(self.model, self.mode, "cross", member, extra["sigmas"][0]) if on else None
            out.append(dense(q[rows], k[rows], v[rows], lam, positive, extra["n_heads"]))
        return torch.cat(out)

    def patched(self):
        model = self.model.clone()
        for group, count in (("input", 12), ("middle", 1), ("output", 12)):
            for block in range(count):
                model.set_model_attn1_replace(self.self_attention, group, block)
                model.set_model_attn2_replace(self.cross_attention, group, block)
        return model


def one_step(model, positive, negative, x, cfg=4.0, sigma=SIGMA):
    """The guided x_0 of a single Euler step from sigma to 0."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider.sample(
        torch.zeros_like(x), x, comfy.samplers.ksampler("euler"), torch.tensor([sigma, 0.0]), disable_pbar=True, seed=0
    )
