"""Stable Diffusion's UNets (SD 1.x, SD 2.x, SDXL): pictures side by side in the batch are the frames of a clip.

Attention sits in transformer blocks beside ResNets, at grids of 1, 1/2, 1/4 and 1/8 of the latent's. ComfyUI lets one
replacement stand at each site; ours is put there for one call, around whatever it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from ..core.cross_frame import OWN
from ..core.noise_path import EPS
from .base import Backbone, Engine, Layer, Need, ResNet, Site


class UNet(Backbone):
    name = "Stable Diffusion UNet"
    members = "Stable Diffusion UNets (SD 1.x, SD 2.x, SDXL)"
    offers = frozenset(Need)
    dimensions = ("frames", "channels", "height", "width")
    own_key_set = OWN
    path = EPS

    def matches(self, network: nn.Module) -> bool:
        return _is(network, "UNetModel")

    def on_latent(self, frames: Tensor) -> Tensor:
        return frames

    def sites(self, network: nn.Module) -> dict[Site, int]:
        levels = block_levels(network)
        return {site: levels[site[:2]] for site in transformer_blocks(network)}

    def channels(self, network: nn.Module) -> int:
        return network.model_channels

    def widths(self, network: nn.Module) -> dict[Site, int]:
        return {site: block.attn1.to_q.out_features for site, block in transformer_blocks(network).items()}

    def heads(self, network: nn.Module) -> dict[Site, int]:
        return {site: block.n_heads for site, block in transformer_blocks(network).items()}

    def frames_of(self, x: Tensor, conds: int) -> tuple[int, bool]:
        return len(x) // conds, len(x) % conds == 0

    def clip(self, x: Tensor, number: int, frames: int) -> Tensor:
        return x[number * frames : (number + 1) * frames]

    def rows(self, conds: int, frames: int, tokens: int) -> tuple[int, int]:
        return conds * frames, tokens

    def split(self, x: Tensor, conds: int, frames: int) -> Tensor:
        return rearrange(x, "(c f) ... -> c f ...", c=conds)

    split_text = split

    def joined(self, x: Tensor) -> Tensor:
        return rearrange(x, "c f ... -> (c f) ...")

    def level(self, height: int, rows: int) -> int:
        level = 1
        while height > rows:
            height, level = -(-height // 2), level * 2  # every halving rounds up
        return level

    @contextmanager
    def attached(self, engine: Engine, network: nn.Module, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A copy of the transformer options with a replacement at every site where a feature acts."""
        patched = options.copy()
        replace = {kind: dict(patches) for kind, patches in options.get("patches_replace", {}).items()}
        for kind, attend in engine.kinds.items():
            patches = replace.setdefault(kind, {})
            for site in engine.sites:
                previous = patches.get(site, patches.get(site[:2]))
                patches[site] = _Replacement(attend, site, previous)
        patched["patches_replace"] = replace
        if engine.watched:
            patches = options.get("patches", {})
            patched["patches"] = {
                **patches,
                "attn1_patch": [*patches.get("attn1_patch", []), partial(_hidden, engine.see_hidden)],
            }
        yield patched

    def resnets(self, network: nn.Module) -> dict[int, ResNet]:
        levels = block_levels(network)
        return {
            number: ResNet(
                next(part for part in block if _is(part, "ResBlock")).out_layers[-1], levels["output", number]
            )
            for number, block in enumerate(network.output_blocks)
        }

    def norms(self, network: nn.Module) -> Iterable[nn.Module]:
        """Two in each ResNet, one in the output head, unless that is cut off."""
        resnets = [module for module in network.modules() if _is(module, "ResBlock")]
        head = [network.out[0]] if isinstance(network.out, nn.Sequential) else []
        return [norm for resnet in resnets for norm in (resnet.in_layers[0], resnet.out_layers[0])] + head

    @contextmanager
    def cut_after(self, network: nn.Module, sites: Iterable[Site]) -> Iterator[None]:
        whole, head = network.output_blocks, network.out
        network.output_blocks, network.out = whole[: output_blocks(sites)], nn.Identity()
        try:
            yield
        finally:
            network.output_blocks, network.out = whole, head

    def kept_for_gradients(self, network: nn.Module, sites: Iterable[Site], tokens: int) -> tuple[float, int]:
        """Layers without gradients of their own keep their inputs where they are convolutions, norms or nonlinear;
        attention, without a map, its queries, keys, values and result.
        """
        levels, last = block_levels(network), output_blocks(sites)
        kept = weights = 0
        for group, number in levels:
            if group == "output" and number >= last:
                continue
            block = blocks_of(network)[group][number]
            kept += tokens / levels[group, number] ** 2 * sum(map(_kept, block.modules()))
            weights += sum(weight.numel() for weight in block.parameters())
        return kept, weights


class _Replacement:
    """A replacement patch as ComfyUI calls it."""

    def __init__(self, attend: Any, site: Site, previous: Any):
        self.attend, self.site, self.previous = attend, site, previous

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra: dict[str, Any]) -> Tensor:
        size, precision = tuple(extra["activations_shape"][-2:]), extra.get("attn_precision")
        return self.attend(Layer(self.site, size, extra["n_heads"], precision, self.previous, extra), q, k, v)


def _is(module: nn.Module, name: str) -> bool:
    """Whether a module is of ComfyUI's class of this name, or of one made from it."""
    return any(kind.__name__ == name and kind.__module__.startswith("comfy.") for kind in type(module).__mro__)


def _holds(block: nn.Module, name: str) -> bool:
    return any(_is(module, name) for module in block.modules())


def blocks_of(network: nn.Module) -> dict[str, Any]:
    """Blocks by ComfyUI's names of their groups."""
    return {"input": network.input_blocks, "middle": [network.middle_block], "output": network.output_blocks}


def transformer_blocks(network: nn.Module) -> dict[Site, nn.Module]:
    """Every transformer block by its address, found by walking the network."""
    return {
        (group, number, index): attention
        for group, blocks in blocks_of(network).items()
        for number, block in enumerate(blocks)
        if block is not None
        for transformer in block.modules()
        if _is(transformer, "SpatialTransformer")
        for index, attention in enumerate(transformer.transformer_blocks)
        if _is(attention, "BasicTransformerBlock")
    }


def block_levels(network: nn.Module) -> dict[tuple[str, int], int]:
    """The attention level of every block."""
    levels, level = {}, 1
    for number, block in enumerate(network.input_blocks):
        level *= 2 if _holds(block, "Downsample") else 1
        levels["input", number] = level
    levels["middle", 0] = level
    for number, block in enumerate(network.output_blocks):
        levels["output", number] = level  # where a block doubles, it does so after its attention
        level //= 2 if _holds(block, "Upsample") else 1
    return levels


def output_blocks(sites: Iterable[Site]) -> int:
    """How many of the network's output blocks run until all sites are seen."""
    return max((number + 1 for group, number, _ in sites if group == "output"), default=0)


def _kept(module: nn.Module) -> int:
    """Numbers for each token that a part of the network keeps for the backward pass."""
    if _is(module, "ResBlock"):
        return 3 * (module.channels + module.out_channels)
    if _is(module, "SpatialTransformer"):
        return 3 * module.in_channels
    if _is(module, "BasicTransformerBlock"):
        return 21 * module.attn1.to_q.in_features
    return 0


def _hidden(see: Any, x: Tensor, context: Tensor, value: Tensor, extra: dict) -> tuple[Tensor, Tensor, Tensor]:
    """An attn1_patch that changes nothing."""
    see((*extra["block"], extra["block_index"]), tuple(extra["activations_shape"][-2:]), x)
    return x, context, value
