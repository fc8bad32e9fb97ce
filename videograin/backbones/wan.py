"""Wan 2.1 and 2.2, and VACE: video transformers over all tokens of a clip, under rectified flow.

Each block has self-attention and attention to the text as modules of its own, and both ask core's one attention function. No shape
tells them apart (a frame of 256×512 pixels has as many tokens as a text), and `block_index` is the same in VACE's own
blocks; so hooks on the modules say, for one call of the network, which of them attends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..core.cross_frame import ALL
from ..core.noise_path import FLOW
from .base import Backbone, Engine, Geometry, Layer, Need, Site

MODULE, NETWORKS = "comfy.ldm.wan.", ("WanModel", "VaceWanModel")
SELF = "attn1"
LAYERS = {SELF: "self_attn", "attn2": "cross_attn"}  # by core's names of the kinds
OVERRIDE = "optimized_attention_override"
THIRDS = ("input", "middle", "output")
PER_LATENT, PATCH = 4, 2
KIN = (
    "It is a Wan model that looks at more than a clip and a text (a face, a voice, a pose, a camera), or frame after frame, so its "
    "attention is another. Connect Wan 2.1 or 2.2 for text to video or image to video, or VACE"
)
PIXELS = {16: 8, 48: 16}  # of a cell, by the latent's channels: Wan 2.1's VAE, and that of Wan 2.2 5B


class Wan(Backbone):
    name = "Wan model"
    members = "Wan 2.1 and 2.2 (text to video, image to video, VACE)"
    offers = frozenset({Need.CROSS_ATTENTION, Need.INVERSION})
    dimensions = ("clips", "channels", "frames", "height", "width")
    own_key_set = ALL
    path = FLOW

    def matches(self, network: nn.Module) -> bool:
        return type(network).__module__.startswith(MODULE) and type(network).__qualname__ in NETWORKS

    def instead(self, network: nn.Module) -> str | None:
        kin = any(kind.__module__.startswith(MODULE) for kind in type(network).__mro__)
        return KIN if kin and not self.matches(network) else None

    def geometry(self, shape: tuple[int, ...]) -> Geometry:
        return Geometry(shape[2], *shape[-2:], PIXELS.get(shape[1], 8), PER_LATENT, PATCH)

    def on_latent(self, frames: Tensor) -> Tensor:
        return frames.movedim(0, 1)[None]

    def sites(self, network: nn.Module) -> dict[Site, int]:
        """By thirds of its depth, under the names that a UNet's blocks have there."""
        return dict.fromkeys((_site(number, len(network.blocks)) for number in range(len(network.blocks))), 1)

    def channels(self, network: nn.Module) -> int:
        return network.dim

    def widths(self, network: nn.Module) -> dict[Site, int]:
        return dict.fromkeys(self.sites(network), network.dim)

    def text_width(self, network: nn.Module) -> int:
        return network.text_dim

    def padding(self, text: Tensor) -> Tensor:
        """The encoder leaves nothing of what stands behind a prompt: its rows are 0, and all have one key and one value."""
        return ~text[0].any(-1).cpu()

    def references(self, notes: Mapping[str, Any]) -> int:
        """VACE's: a frame with nothing to change, and with no picture (0 for the network) where what changes would be."""
        frames, masks = notes.get("vace_frames") or (), notes.get("vace_mask") or ()
        return max((_leading(*pair) for pair in zip(frames, masks, strict=False)), default=0)

    def frames_of(self, x: Tensor, conds: int) -> tuple[int, bool]:
        return x.shape[2], len(x) == conds

    def clip(self, x: Tensor, number: int, frames: int) -> Tensor:
        return x[number].movedim(0, 1)

    def rows(self, conds: int, frames: int, tokens: int) -> tuple[int, int]:
        return conds, frames * tokens

    def split(self, x: Tensor, conds: int, frames: int) -> Tensor:
        return rearrange(x, "c (f n) d -> c f n d", f=frames)

    def split_text(self, x: Tensor, conds: int, frames: int) -> Tensor:
        return x[:, None].expand(-1, frames, -1, -1)

    def joined(self, x: Tensor) -> Tensor:
        return rearrange(x, "c f n d -> c (f n) d")

    def level(self, height: int, rows: int) -> int:
        return 1

    @contextmanager
    def attached(self, engine: Engine, network: nn.Module, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Around another pack's override, if there is one: what no feature changes goes to it, as without us."""
        attention = _Attention(engine, options)
        with ExitStack() as hooks:
            if any(hasattr(block, "_orig_mod") for block in network.blocks):  # compiled one by one, as KJNodes does
                hooks.enter_context(_uncompiled())
            for number, block in enumerate(network.blocks):
                for kind, name in LAYERS.items():
                    if kind not in engine.kinds and not (kind == SELF and engine.watched):
                        continue
                    module, place = getattr(block, name), (kind, _site(number, len(network.blocks)))
                    hooks.callback(module.register_forward_pre_hook(partial(attention.enter, place)).remove)
                    hooks.callback(module.register_forward_hook(attention.leave).remove)
            yield {**options, OVERRIDE: attention}


class _Attention:
    """The attention override of one call of the network. here: the module that attends, as (kind, site)."""

    def __init__(self, engine: Engine, options: dict[str, Any]):
        self.engine, self.options, self.kinds = engine, options, engine.kinds
        self.previous: Callable | None = options.get(OVERRIDE)
        self.grid = tuple(-(-side // PATCH) for side in engine.size)
        self.here: tuple[str, Site] | None = None
        self.calls = self.own_call = 0  # in the module at work, and which of them is its own

    def enter(self, place: tuple[str, Site], module: nn.Module, args: tuple) -> None:
        self.here, self.calls = place, 0
        # Image-to-video attends to the picture's keys before the text's; what comes after is another pack's.
        self.own_call = 2 if hasattr(module, "k_img") else 1
        if place[0] == SELF and self.engine.watched:
            self._require_frames(args[0])
            self.engine.see_hidden(place[1], self.grid, args[0])

    def leave(self, module: nn.Module, args: tuple, out: Tensor) -> None:
        (kind, site), self.here = self.here, None
        if self.calls < self.own_call and kind in self.kinds:
            raise ValueError(
                f"{self.engine.owner(module.forward)} has put attention of its own in the place of Wan's (first at block {site[1]}, "
                f"{LAYERS[kind]}), which leaves no room for this pack's. Remove its node, or take one that only replaces "
                "the attention function (Patch Sage Attention KJ does)."
            )

    def __call__(
        self, attention: Callable, q: Tensor, k: Tensor, v: Tensor, heads: int, *args: Any, **given: Any
    ) -> Tensor:
        self.calls += 1
        # The network writes into its options where it is (block_index): so it would without us.
        self.options.update({name: value for name, value in given["transformer_options"].items() if name != OVERRIDE})
        kind, site = self.here or (None, None)
        if kind not in self.kinds or self.calls != self.own_call:
            plain = attention if self.previous is None else partial(self.previous, attention)
            return plain(q, k, v, heads, *args, **given)
        self._require_frames(q)
        return self.kinds[kind](Layer(site, self.grid, heads, given.get("attn_precision"), None), q, k, v)

    def _require_frames(self, x: Tensor) -> None:
        """Raises ValueError where the tokens are not those of the clip's frames."""
        rows, tokens = len(self.engine.conds), self.engine.frames * self.grid[0] * self.grid[1]
        if x.shape[1] != tokens:
            raise ValueError(
                f"The model is shown {x.shape[1]} tokens, but the clip's frames are {tokens}: a prompt brings pictures for the model to "
                "look at besides (a reference picture of Fun Control, Phantom or Bernini), which no region is for. Take that node "
                "out; a first frame may be given by Wan's image to video, or by VACE."
            )
        if len(x) != rows:
            raise ValueError(
                f"A part of the batch attends by itself ({len(x)} of {rows} prompts), as with WanVideo NAG of KJNodes, so that "
                "which prompt it is cannot be known. Take that node out, or set the sampler's `cfg` to 1."
            )


def _uncompiled() -> AbstractContextManager:
    """What stands in a block changes from call to call, and would be compiled anew each time. PyTorch before 2.6 does that."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance else nullcontext()


def _site(number: int, blocks: int) -> Site:
    return THIRDS[3 * number // blocks], number, 0


def _leading(frames: Tensor, mask: Tensor) -> int:
    """frames (1, 2C, f, h, w), what stays and what changes; mask (1, 64, f, h, w)."""
    changing = frames[0, frames.shape[1] // 2 :]
    level = (changing == changing[..., :1, :1]).flatten(2).all(-1).all(0)  # (f,): a picture is not, for its edges
    only = (level & ~mask[0].any(0).flatten(1).any(1)).tolist()
    return only.index(False) if False in only else 0
