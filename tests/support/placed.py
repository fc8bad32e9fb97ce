"""RAD written out for a whole network with ordinary weights, and what Place Objects does seen from outside."""

import math

import rig
import torch
import torch.nn.functional as F
from einops import rearrange
from recipe import encode, half

from pack.nodes.placement import PlaceObjects
from pack.nodes.regions import RegionPrompt
from pack.videograin.features.reatco_placement import Placer

PROMPT, CAT, DOG = "a cat and a dog on grass", 2, 5  # and the rows of two words


def placed(model, clip, words="cat", mask=None, prompt=PROMPT, refinements=1, **more):
    (regions,) = RegionPrompt.execute(half() if mask is None else mask, words).args
    return PlaceObjects.execute(model, clip, prompt, regions, refinements=refinements, **more).args[0]


def encoded(clip, text=PROMPT):
    return encode(clip, text)


def looks(monkeypatch):
    """Every look of every run from now on: (x, sigma, moved)."""
    found, moved = [], Placer.moved

    def spy(self, step, x):
        before = x.clone()
        result = moved(self, step, x)
        assert torch.equal(x, before)  # the sampler's own is never written to
        found.append((before, step.sigma, result))
        return result

    monkeypatch.setattr(Placer, "moved", spy)
    return found


class Truth:
    """L and its gradient by the whole network, uncut, of frames that each see themselves.

    text: the positive prompt's encoding. words: each object's row. masks: (F, h, w) bool each, on the maps' grid.
    """

    def __init__(self, model, text, words, masks, places=(("input", 5), ("output", 2), ("output", 3))):
        self.model, self.text, self.words, self.masks, self.places = model.model, text[0][0], words, masks, places

    def scores(self, x, sigma):
        """(sum inner, sum outer, inner) with their graph down to x."""
        maps = []

        def record(q, k, v, extra):
            q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=extra["n_heads"]) for t in (q, k, v))
            found = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
            maps.append(found.unflatten(2, extra["activations_shape"][-2:]))
            return rearrange(found @ v, "b h n d -> b n (h d)")

        options = {"patches_replace": {"attn2": dict.fromkeys(self.places, record)}}
        text = self.text.expand(len(x), -1, -1).clone()
        self.model.apply_model(x, x.new_full((len(x),), sigma), c_crossattn=text, transformer_options=options)
        assert len(maps) == len(self.places)
        shares = (100 * torch.cat(maps, 1).mean(1)[..., 1:-1]).softmax(-1)
        taps = torch.tensor([math.exp(-1), 1, math.exp(-1)]) / (1 + 2 * math.exp(-1))
        kernel = torch.einsum("i,j,k->ijk", taps, taps, taps)[None, None]
        inner, outer = [], []
        for word, mask in zip(self.words, self.masks, strict=True):
            value = F.conv3d(F.pad(shares[None, None, ..., word - 1], (1,) * 6, mode="reflect"), kernel)[0, 0]
            tops = [
                [values[side].topk(max(1, int(0.2 * side.sum()))).values.mean() for side in (inside, ~inside)]
                for values, inside in zip(value, mask.clone(), strict=True)
            ]
            inner.append(torch.stack([top[0] for top in tops]).mean())
            outer.append(torch.stack([top[1] for top in tops]).mean())
        return torch.stack(inner), torch.stack(outer)

    def gradient(self, x, sigma, loss):
        """grad_x of loss(inner, outer)."""
        with torch.inference_mode(False), torch.enable_grad():
            x = x.clone().requires_grad_()
            return torch.autograd.grad(loss(*self.scores(x, sigma)), x)[0]

    def step(self, x, sigma, strength, loss):
        """x <- x - (s/alpha_bar) grad_x L, in the sampler's own scale."""
        return x - strength * (1 + sigma**2) * self.gradient(x, sigma, loss)


def whole(inner, outer):
    return (1 - inner).sum() + outer.sum()


def steps(model, scheduler="ddim_uniform", count=3):
    import comfy.samplers

    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, count)


def run(model, positive, samples, sigmas, cfg=4.0, sampler="euler", negative=None, **more):
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative or rig.text(2))
    guider.set_cfg(cfg)
    sampler = comfy.samplers.sampler_object(sampler)
    return guider.sample(torch.zeros_like(samples), samples, sampler, sigmas, disable_pbar=True, **{"seed": 0, **more})
