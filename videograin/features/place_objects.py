"""Place Objects in a run: gradients of the network in ComfyUI's inference mode, and steps on the latent.

Before a step's ordinary evaluation the network sees the latent under the positive prompt alone, through ComfyUI's own
batching, so that ControlNet, hooks and context windows act as they do in the edit. Gradients exist only inside the
network's own call: it is cut after the last block that is looked at, its weights take part as copies, and attention is
PyTorch's own, which has a backward pass. Measured are the maps of the prompt as it is: ST-Layout Attention and other
packs' attention patches, which would fill them already, are left out.

The sampler's x is never written to. The edit's evaluation is shown the moved latent, and the prediction is returned that
leads an Euler step from x to where it would lead from there (reatco.carried). So each evaluation of a sampler that
makes several a step places anew, and enters with the weight the sampler gives it. Where Latent Blend holds the source,
nothing moves: steps act inside its mask only, before it mixes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from comfy.ldm.modules.attention import attention_pytorch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from einops import rearrange
from torch import Tensor, nn

from ..comfyui.attention import Call
from ..comfyui.module_hooks import hooked
from ..comfyui.plan import Placement
from ..comfyui.source_pass import call_network
from ..comfyui.validate import Site, logger, site_levels, training_timestep
from ..core import reatco
from ..core.regions import Grid, Region, clip_masks

if TYPE_CHECKING:
    from ..comfyui.run import Run

SCALES = (2.0**10, 2.0**5, 1.0)  # of the loss in half precision, where small gradients would vanish


@dataclass(eq=False)
class Look:
    """One look at the latent, of one call of the network or, in context windows, several.

    ends: inner score below which it refines, None where it does not. refined: whether it has before. gradient: (frames,
    channels, h, w) float32, of the network's input, summed over windows. windows: how many saw each frame.
    """

    ends: float | None
    refined: bool
    gradient: Tensor
    windows: Tensor
    refining: bool = False
    scores: list[str] = field(default_factory=list)


class Placer:
    """What Place Objects means in one run."""

    def __init__(self, run: Run, record: Placement):
        self.run, self.record = run, record
        self.sites = placed_sites(run.model.diffusion_model, record.level)
        self.look: Look | None = None  # while one is going on

    def acting(self, sigma: float) -> bool:
        return self.run.schedule(0.0, self.record.end_percent).active(sigma)

    def moved(self, sigma: float, guider: Any, x: Tensor, options: dict) -> Tensor:
        """x after the gradient steps due at sigma; x itself where there are none."""
        if not self.acting(sigma):
            return x
        sampling = self.run.model.model_sampling
        timestep = training_timestep(sampling, torch.tensor(sigma))
        # The network's input is z = x / sqrt(1 + sigma²), and the step is on z.
        size = reatco.step_size(timestep, self.record.strength) * (1 + sigma**2) ** 0.5
        ends, where, moved = self._refinement(sigma), self._movable(sigma, x), x
        for attempt in count():
            end = ends if attempt < self.record.refinements else None
            look = self._looked(moved, sigma, guider, options, end, refined=attempt > 0)
            moved = moved - size * where * look.gradient
            logger.debug("Place Objects, step %d of sigma %.3f: %s", attempt + 1, sigma, "; ".join(look.scores))
            if not look.refining:
                return moved

    def _refinement(self, sigma: float) -> float | None:
        """The inner score that ends refinement at sigma, None where there is none."""
        sampling, levels = self.run.model.model_sampling, [level for level in self.run.sigmas if level > 0]
        refined = reatco.refined_levels([training_timestep(sampling, torch.tensor(level)) for level in levels])
        return next((end for i, end in refined.items() if abs(levels[i] - sigma) <= 1e-4 * sigma), None)

    def _movable(self, sigma: float, x: Tensor) -> Tensor:
        """Where the latent may move: all of it, or what Latent Blend leaves to the edit."""
        blending = self.run.blend is not None and self.run.blending.active(sigma)
        return self.run.mask_at(sigma).to(x) if blending else x.new_ones(1)

    def _looked(self, x: Tensor, sigma: float, guider: Any, options: dict, ends: float | None, refined: bool) -> Look:
        acting = [chunk for chunk in guider.conds["positive"] if self._acts(chunk, sigma)]
        look = self.look = Look(ends, refined, torch.zeros_like(x), x.new_zeros(len(x)))
        try:
            call_network(guider.inner_model, acting[:1], x, x.new_full((len(x),), sigma), options)
        finally:
            self.look = None
        look.gradient /= look.windows.clamp(min=1).view(-1, 1, 1, 1)
        return look

    def _acts(self, cond: dict[str, Any], sigma: float) -> bool:
        chunk = self.run.chunks.get(cond["uuid"])
        return chunk is not None and chunk.end <= sigma <= chunk.start

    def call(self, options: dict[str, Any], z: Tensor) -> Call:
        """One call of the network to look at the positive prompt's maps as they are."""
        # CLIP NegPip's, by which a token's two rows become one key and one value: the words are those of the keys.
        kept = {"attn2_patch": options.get("patches", {}).get("attn2_patch", [])} if self.record.rows > 1 else {}
        plain = {"patches": kept, "patches_replace": {}, "optimized_attention_override": _differentiable}
        call = Call(self.run, {**options, **plain}, z)
        call.decay, call.maps = 0.0, Maps(self.sites)
        return call

    def measure(self, call: Call, executor: Any, args: tuple, kwargs: dict) -> Tensor:
        """Stands for that call: finds the gradient of the loss, and returns an empty prediction."""
        network, (z, *rest) = executor.class_obj, args
        given = (*rest, *kwargs.values())
        if any(isinstance(value, dict) and "output" in value for value in given):  # ControlNet adds to skips in place
            call.options["patches"] = {**call.options["patches"], "input_block_patch_after_skip": [_apart]}
        if call.indices is not None:
            with (
                torch.inference_mode(False), torch.enable_grad(),
                own_weights(network), cut(network, output_blocks(self.sites)), hooked(call, network),
            ):  # fmt: skip
                shown = z.clone().requires_grad_()
                executor(shown, *map(_ordinary, rest), **{name: _ordinary(value) for name, value in kwargs.items()})
                gradient = self._gradient(call, shown)
                call.maps.found.clear()  # the call is in a cycle with its dispatchers: the network's graph would live on
            frames, channels = list(call.indices), self.look.gradient.shape[1]  # inpainting models are given more
            self.look.gradient[frames] += gradient[:, :channels].to(self.look.gradient)
            self.look.windows[frames] += 1
        return z.new_zeros(len(z), network.out_channels, *z.shape[2:])

    def _gradient(self, call: Call, z: Tensor) -> Tensor:
        """dL/dz of what was seen; (frames, channels, h, w) float32."""
        record, look, maps = self.record, self.look, call.maps.mean()
        regions = tuple(Region(place.mask, place.name) for place in record.places)
        masks = clip_masks(regions, self.run.frames, self.run.cells)[:, list(call.indices)]
        inside = reatco.token_masks(masks, Grid(*maps.shape[:3]), record.mode).to(maps.device)
        words = torch.stack([place.tokens for place in record.places]).to(maps.device)
        found = reatco.word_maps(maps, nn.functional.pad(words, (0, maps.shape[-1] - words.shape[1])))
        inner, outer = reatco.scores(found, inside, record.share)
        look.scores += [
            f"{place.name} {s.item():.3f} inside, {b.item():.3f} outside"
            for place, s, b in zip(record.places, inner, outer, strict=True)
        ]
        if look.ends is not None and inner.min().item() < look.ends:
            look.refining = True
            loss = reatco.refining_loss(inner)
        else:
            # As released, the outer scores of a refined step are still those of the latent before: no gradient.
            dropped = record.mode == reatco.REFERENCE and look.refined
            loss = reatco.placing_loss(inner, outer, 0.0 if dropped else record.outer_weight)
        if not loss.requires_grad:  # a window without any of the objects
            return torch.zeros_like(z, dtype=torch.float32)
        scales = SCALES if z.dtype == torch.float16 else (1.0,)
        for scale in scales:
            (gradient,) = torch.autograd.grad(scale * loss, z, retain_graph=scale != scales[-1])
            if torch.isfinite(gradient).all():
                return gradient.float() / scale
        self.run.warn_once(
            "Place Objects: the gradient overflows in this precision, and nothing is moved at such a step. Start ComfyUI "
            "with --force-fp32."
        )
        return torch.zeros_like(z, dtype=torch.float32)


class Maps:
    """Cross-attention maps of some layers, mean over their heads, as one call of the network makes them."""

    def __init__(self, sites: list[Site]):
        self.sites, self.found = sites, []

    def add(self, site: Site, q: Tensor, k: Tensor, heads: int, grid: Grid) -> None:
        """q (f, n, heads · d), k (f, tokens, heads · d)."""
        if site in self.sites:
            q, k = (rearrange(x.float(), "f n (h d) -> f h n d", h=heads) for x in (q, k))
            scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            self.found.append(scores.softmax(-1).mean(1).unflatten(1, (grid.height, grid.width)))

    def mean(self) -> Tensor:
        """(frames, h, w, tokens) float32, over layers and heads."""
        return torch.stack(self.found).mean(0)


def placed_sites(network: UNetModel, level: int) -> list[Site]:
    """The layers that are looked at."""
    return [site for site, there in site_levels(network).items() if there == level]


def output_blocks(sites: list[Site]) -> int:
    """How many of the network's output blocks run until all sites are seen."""
    return max((number + 1 for group, number, _ in sites if group == "output"), default=0)


@contextmanager
def cut(network: UNetModel, blocks: int) -> Iterator[None]:
    """Lets a network end after some of its output blocks, without its head; what it then returns is no prediction."""
    whole, head = network.output_blocks, network.out
    network.output_blocks, network.out = whole[:blocks], nn.Identity()
    try:
        yield
    finally:
        network.output_blocks, network.out = whole, head


@contextmanager
def own_weights(network: UNetModel) -> Iterator[None]:
    """Has every layer work with a copy of its weights, made where gradients are allowed.

    ComfyUI loads weights in inference mode, and moves them through buffers where they do not all fit: neither may a
    backward pass rely on.
    """
    layers = [(m, m.weight_function, m.bias_function) for m in network.modules() if hasattr(m, "weight_function")]
    for layer, weight, bias in layers:
        layer.weight_function, layer.bias_function = [*weight, torch.clone], [*bias, torch.clone]
    try:
        yield
    finally:
        for layer, weight, bias in layers:
            layer.weight_function, layer.bias_function = weight, bias


def _differentiable(attention: Any, *args: Any, **kwargs: Any) -> Tensor:
    """An attention override: whatever was chosen for speed may have no backward pass."""
    return attention_pytorch(*args, **kwargs)


def _apart(h: Tensor, options: dict) -> Tensor:
    """A patch after which a skip connection and the next block's input are not one tensor."""
    return h.clone()


def _ordinary(value: Any) -> Any:
    """A tensor made in inference mode as one that a backward pass may keep."""
    return value.clone() if isinstance(value, Tensor) else value
