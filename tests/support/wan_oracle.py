"""ST-Layout on Wan written densely from the equations in float64, in the place of core's attention: the truth of its tests."""

import math

import comfy.samplers
import rig
import tiny_wan
import torch
from einops import rearrange

from pack.nodes.attention import STLayoutAttention
from pack.videograin.core.phrase_tokens import KEY, Binding
from pack.videograin.core.regions import Region

SELF, CROSS = 0.3, 0.8  # strengths


def regions(frames, height, width, pixels=8):
    """Two regions that move and overlap, for each frame of a clip of `frames` latent frames of height × width cells."""
    count = 1 + 4 * (frames - 1)
    masks = torch.zeros(2, count, height * pixels, width * pixels)
    for frame in range(count):
        masks[0, frame, : height * pixels // 2 + 2 * (frame % 7), : width * pixels // 2 + 3] = 1
        masks[1, frame, height * pixels // 3 :, width * pixels // 3 + 2 * (frame % 5) :] = 1
    return tuple(Region(mask, phrase) for mask, phrase in zip(masks, ("one", "two"), strict=True))


def bound(conditioning, regions):
    """The regions tied to words 2 and 3, and to word 7."""
    tokens = torch.zeros(2, conditioning[0][0].shape[1], dtype=torch.bool)
    tokens[0, 2:4] = tokens[1, 7] = True
    return [[conditioning[0][0], {KEY: Binding(regions, tokens)}]]


def covered(regions, cells, pixels=8):
    """(K, latent frames, rows, columns) bool: tokens of 2×2 cells of which a latent frame's four frames cover half or more."""
    rows, columns = (-(-side // 2) for side in cells)
    count = 1 + (len(regions[0].mask) - 1) // 4
    found = torch.zeros(len(regions), count, rows, columns, dtype=torch.bool)
    for number, region in enumerate(regions):
        for frame in range(count):
            shown = region.mask[:1] if frame == 0 else region.mask[4 * frame - 3 : 4 * frame + 1]
            for y in range(rows):
                for x in range(columns):
                    found[number, frame, y, x] = (
                        shown[:, 2 * pixels * y : 2 * pixels * (y + 1), 2 * pixels * x : 2 * pixels * (x + 1)].mean()
                        >= 0.5
                    )
    return found


class Truth:
    """An attention override: which layer asks is known from their order, self-attention before the text in each block.

    In a context window it has the masks of the window's frames.
    """

    def __init__(self, conditioning, cells, pixels=8, calls_a_block=2):
        binding, text = conditioning[0][1][KEY], conditioning[0][0]
        self.whole = self.member = covered(binding.regions, cells, pixels).flatten(2)  # (K, frames, tokens)
        self.words, self.pads = binding.tokens, ~text[0].any(-1)
        self.calls, self.calls_a_block = 0, calls_a_block

    def __call__(self, attention, q, k, v, heads, **rest):
        turn = self.calls % self.calls_a_block
        self.calls += 1
        window = rest["transformer_options"].get("context_window")
        frames = torch.arange(self.whole.shape[1])
        self.member = self.whole[:, frames if window is None else window.get_tensor(frames, dim=0)]
        out = attention(q, k, v, heads, **rest)
        for row, which in enumerate(rest["transformer_options"]["cond_or_uncond"]):
            if which == 0 and turn in (0, self.calls_a_block - 1):  # the positive half; an image's keys stand between
                one = slice(row, row + 1)
                asked = self.own if turn == 0 else self.text
                out[one] = asked(*(rearrange(x[one].double(), "1 n (h d) -> h n d", h=heads) for x in (q, k, v))).to(
                    out
                )
        return out

    def own(self, q, k, v):
        flat = self.member.flatten(1).T  # (tokens of the clip, K)
        same = (flat[:, None] == flat[None]).all(-1)
        return _dense(q, k, v, SELF * (1 - same.double().mean(1)), same)

    def text(self, q, k, v):
        count = int(self.pads.sum())
        kept = (~self.pads).nonzero().flatten().tolist() + self.pads.nonzero().flatten().tolist()[:1]
        more = torch.tensor([math.log(count) if self.pads[key] else 0.0 for key in kept], dtype=torch.float64)
        covered = self.member.double()
        size = torch.einsum("kfn,kf->fn", covered, covered.mean(2)).flatten()
        positive = torch.einsum("kfn,kl->fnl", covered, self.words[:, kept].double()).flatten(0, 1) > 0
        return _dense(q, k[:, kept], v[:, kept], CROSS * (1 - size).clamp(0, 1), positive, more)


def _dense(q, k, v, strength, positive, more=0.0):
    """Eq. 1-2; more: added to the scores of a key, the logarithm of how many it stands for."""
    s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + more
    strength = strength[:, None]
    s = (1 - strength) * s + strength * torch.where(positive, s.amax(-1, True), s.amin(-1, True))
    return rearrange(s.softmax(-1) @ v, "h n d -> 1 n (h d)")


# ---- whole runs -------------------------------------------------------------------------------------------------------


def st_layout(model, self_strength=SELF, cross_strength=CROSS, **more):
    """The paper's, with the same strength at all levels."""
    return STLayoutAttention.execute(model, "paper", self_strength, cross_strength, 1.0, power=0.0, **more).args[0]


def sampled(model, positive, latent, steps=2, cfg=3.0, noise=7, notes=None, mask=None):
    """From fresh noise, or its seed, under a simple schedule. notes: more for both prompts. mask: where the latent is not kept."""
    negative, euler = tiny_wan.text(9, 7), comfy.samplers.ksampler("euler")
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*([[text, {**extra, **(notes or {})}] for text, extra in side] for side in (positive, negative)))
    guider.set_cfg(cfg)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", steps)
    fresh = noise if isinstance(noise, torch.Tensor) else tiny_wan.clip(*latent.shape[2:], latent.shape[1], noise)
    return guider.sample(fresh, latent, euler, sigmas, denoise_mask=mask, disable_pbar=True, seed=0)


def truth(model, positive, latent, pixels=8, calls_a_block=2, **more):
    model = model.clone()
    override = Truth(positive, tuple(latent.shape[-2:]), pixels, calls_a_block)
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    return sampled(model, positive, latent, **more)


def prompt(latent, length=64, words=12, pixels=8):
    found = regions(*latent.shape[2:], pixels)
    return bound(tiny_wan.text(3, words, length), found)


def agree(model, positive, latent, pixels=8, calls_a_block=2, **more):
    expected, ours = (
        truth(model, positive, latent, pixels, calls_a_block, **more),
        sampled(st_layout(model), positive, latent, **more),
    )
    assert rig.rms(expected - sampled(model, positive, latent, **more)) > 1e-2 * rig.rms(expected)
    assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)
