"""Watch: the share of a phrase's cross-attention that falls inside its own area during sampling (paper Fig. 7).

A watch is an ordinary attn2 replacement, as any pack may set, that returns plain attention to the bit. ST-Layout
Attention acts around it, so both get the same q and k. "Before" is the softmax of those. "After" is the engine's own
attention on the same q and k, with values of 1 on the phrase's tokens and 0 elsewhere; its output is the probability
itself, also for fusion with a source.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.model_patcher import ModelPatcher
from einops import rearrange
from torch import Tensor

from ...videograin.backbones.base import Layer
from ...videograin.backbones.unet import UNet
from ...videograin.comfyui.attention import Call
from ...videograin.comfyui.run import RUN
from ...videograin.core.phrase_tokens import Binding
from ...videograin.features.engine import CROSS, Half
from ...videograin.views.attention_maps import attention_inside

STEPS = (0, 2, 4)  # of the sampling, where modulation is strong at any number of steps


class Watch:
    """The shares inside every area, at every attention site and watched step."""

    def __init__(self, binding: Binding):
        self.masks = [region.mask.float() for region in binding.regions]
        self.tokens = binding.tokens  # (K, L) bool
        self.levels: list[float] = []  # sigma of the steps so far
        self.before: list[float] = []
        self.after: list[float] = []

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> Tensor:
        sigma = float(extra["sigmas"].flatten()[0])
        if sigma not in self.levels:
            self.levels.append(sigma)
        roles = extra["cond_or_uncond"]
        if self.levels.index(sigma) in STEPS and 0 in roles and not _of_source(extra):
            number, frames = roles.index(0), len(q) // len(roles)  # 0 is the positive prompt, in core's numbering
            self.look(number, frames, q, k, extra)
        return optimized_attention(q, k, v, extra["n_heads"], attn_precision=extra["attn_precision"])

    def look(self, number: int, frames: int, q: Tensor, k: Tensor, extra: dict[str, Any]) -> None:
        mine = slice(number * frames, (number + 1) * frames)
        plain = probabilities(q[mine], k[mine], self.tokens, extra["n_heads"])
        directed = _directed(number, q, k, self.tokens, extra)
        height, width = extra["activations_shape"][-2:]
        for shares, maps in ((self.before, plain), (self.after, plain if directed is None else directed)):
            grids = rearrange(maps.float().cpu(), "f (h w) k -> k f h w", h=height, w=width)
            shares += [attention_inside(grid, mask) for grid, mask in zip(grids, self.masks, strict=True)]


def probabilities(q: Tensor, k: Tensor, tokens: Tensor, heads: int) -> Tensor:
    """Share of each query's attention that goes to each phrase's tokens, mean over heads.

    q (F, N, heads × d), k (F, L, heads × d), tokens (K, L) bool. Returns (F, N, K) float32.
    """
    q, k = (rearrange(x, "f n (h d) -> f h n d", h=heads).float() for x in (q, k))
    share = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1).mean(1)
    return share @ tokens.T.to(share)


def _of_source(extra: dict[str, Any]) -> bool:
    """Whether this is the call on the source that injection and fusion make before a step."""
    run = extra.get(RUN)
    return run is not None and any(run.conds[i].half == Half.SOURCE for i in extra["uuids"] if i in run.conds)


def _directed(number: int, q: Tensor, k: Tensor, tokens: Tensor, extra: dict[str, Any]) -> Tensor | None:
    """The probabilities after modulation and fusion, as in `probabilities`; None where no feature does either."""
    run, heads = extra.get(RUN), extra["n_heads"]
    if run is None:
        return None
    shown = run.shown_to_network(extra["sigmas"], q)
    call = Call(run, extra, shown.repeat(len(q) // len(shown), 1, 1, 1), k.shape[1], run.features)
    layer = Layer((*extra["block"], extra["block_index"]), tuple(extra["activations_shape"][-2:]), heads, None, None)
    own = call.own_cross(call.at(CROSS, layer), number, call.split(q)[number], call.split_text(k)[number])
    if own is None:
        return None
    values = torch.zeros_like(call.split_text(k)[number]).unflatten(-1, (heads, -1))
    values[..., : len(tokens)] = tokens.T.to(values)[:, None]  # the same in every head and frame
    return rearrange(own(values.flatten(-2)), "f n (h d) -> f n h d", h=heads)[..., : len(tokens)].mean(2)


def watched(model: ModelPatcher, watch: Watch) -> ModelPatcher:
    clone = model.clone()
    for block, number, index in UNet().sites(model.model.diffusion_model):
        clone.set_model_attn2_replace(watch, block, number, index)
    return clone
