"""What attention across frames holds beyond the plain network's: told to ComfyUI, which makes room, and to the user.

ComfyUI reckons a network's memory from the latent's size alone. Attention over all frames takes no more than that, for
it is the same tensors read as one long picture; copies of keys, values and results do, and what is held of the source
from one evaluation to the next. Copies are counted on top of the network's most, which it needs in a feed-forward layer
and not in attention: the sum is what is surely enough. The levels of an inversion are told by DDIM Inversion itself, and
lie in ordinary memory or in a file.
"""

from __future__ import annotations

import math

import comfy.model_management
from comfy.ldm.modules.attention import BasicTransformerBlock, SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from torch import nn

from ..core.cross_frame import ALL, FIRST_PREVIOUS, MIDDLE, OWN
from ..features.fatezero_fusion import fused_sites
from ..features.place_objects import output_blocks, placed_sites
from ..features.pnp_injection import injected_blocks, injected_sites, last_convolution
from .plan import (
    EVERYWHERE,
    KEY,
    LEVELS,
    CrossFusion,
    Injection,
    Motion,
    Placement,
    Probe,
    Record,
    SelfFusion,
    STLayout,
    anchored,
    find,
    key_sets,
)
from .progress import Notes
from .run import RUN
from .validate import attention_modules, block_levels, logger, site_levels

# In tensors of the size of one layer's queries: keys and values of two frames per frame, or of one, as copies.
COPIES = {OWN: 0, ALL: 0, MIDDLE: 2, FIRST_PREVIOUS: 4}
MODULATED, MOVING = 1, 3  # ST-Layout's own result; queries, keys and values gathered by path, and the paths' results
ANCHORED = 3  # keys and values of a group of frames and the anchors, and its result
FOLLOWING, EXCHANGED = 1, 2  # the rows that follow the source; queries and keys with the source's among them
# Of an ordinary step, in the feed-forward layers: measured 27 as PyTorch counts it, 33 to 39 resident on a CPU.
WORK = 33
TEXT = 77  # tokens of an ordinary prompt
PORTABLE = 400 * 2**20  # bytes that ST-Layout's form without Triton holds at once on a GPU, see attention/


def query_bytes(shape: list[int], network: BaseModel) -> int:
    """One layer's queries, of both halves of guidance; shape (frames, C, h, w).

    Reckoned at the latent's own grid with the network's narrowest layers; deeper ones have twice the channels on a
    quarter of the tokens.
    """
    size = comfy.model_management.dtype_size(network.get_dtype_inference())
    return 2 * shape[0] * math.prod(shape[2:]) * network.diffusion_model.model_channels * size


def work_bytes(shape: list[int], network: BaseModel) -> int:
    """What a step takes without us: for the user. ComfyUI's own number is the same on a GPU, four times that on a CPU."""
    return WORK * query_bytes(shape, network)


def extra_bytes(plan: tuple[Record, ...], shape: list[int], network: BaseModel) -> int:
    """Most that the plan's features hold besides, for both halves of guidance; shape (frames, C, h, w)."""
    sets = key_sets(plan)
    copies = max(COPIES[sets.at(level)] for level in LEVELS)
    copies += ANCHORED * (anchored(plan) is not None)
    copies += MODULATED * (find(plan, STLayout) is not None) + MOVING * (find(plan, Motion) is not None)
    size = comfy.model_management.dtype_size(network.get_dtype_inference())
    queries = query_bytes(shape, network)
    fusion: SelfFusion | None = find(plan, SelfFusion)
    if fusion is not None:
        copies += EXCHANGED if fusion.where == EVERYWHERE else FOLLOWING
    copies += EXCHANGED * (find(plan, Injection) is not None)
    portable = min(PORTABLE, 8 * queries) if find(plan, STLayout) is not None else 0
    probe: Probe | None = find(plan, Probe)
    looking = probe.observer.held_bytes(math.prod(shape[2:])) if probe is not None else 0
    return copies * queries + portable + looking + source_bytes(plan, shape, network.diffusion_model, size)


def source_bytes(plan: tuple[Record, ...], shape: list[int], unet: UNetModel, size: int) -> int:
    """What is held of the source during a step: queries and keys, ResNets' outputs, nothing of other steps.

    shape (frames, C, h, w), of the latent; size, bytes of a number in the network.
    """
    frames, tokens, numbers = shape[0], math.prod(shape[2:]), 0
    modules, levels = attention_modules(unet), site_levels(unet)
    for kind, width in ((SelfFusion, lambda n: 2 * n), (CrossFusion, lambda n: n + TEXT)):
        record = find(plan, kind)
        for site in fused_sites(unet, record) if record and not record.neutral else ():
            numbers += modules[site].attn1.to_q.out_features * width(math.ceil(tokens / levels[site] ** 2))
    injection: Injection | None = find(plan, Injection)
    if injection is not None and not injection.neutral:
        blocks = block_levels(unet)
        for site in injected_sites(unet) if injection.attention else ():
            numbers += modules[site].attn1.to_q.out_features * 2 * math.ceil(tokens / levels[site] ** 2)
        for number in injected_blocks(unet) if injection.features else ():
            channels = last_convolution(unet, number).out_channels
            numbers += channels * math.ceil(tokens / blocks["output", number] ** 2)
    return frames * numbers * size


def placing_bytes(record: Placement, shape: list[int], unet: UNetModel, size: int) -> int:
    """What one look of Place Objects holds: all that the backward pass needs, and its copy of the weights in use.

    Arguments as source_bytes. Layers without gradients of their own keep their inputs where they are convolutions,
    norms or nonlinear; attention, without a map, its queries, keys, values and result. The maps that are looked at
    are kept in float32.
    """
    sites, levels = placed_sites(unet, record.level), block_levels(unet)
    groups = {"input": unet.input_blocks, "middle": [unet.middle_block], "output": unet.output_blocks}
    running = [key for key in levels if key[0] != "output" or key[1] < output_blocks(sites)]
    numbers = weights = 0
    for group, number in running:
        block, tokens = groups[group][number], math.prod(shape[2:]) / levels[group, number] ** 2
        numbers += tokens * sum(map(_kept, block.modules()))
        weights += sum(weight.numel() for weight in block.parameters())
    modules = attention_modules(unet)
    maps = sum(2 * 4 * modules[site].n_heads * TEXT for site in sites) * math.prod(shape[2:]) / record.level**2
    return int(shape[0] * (numbers * size + maps) + weights * size)


def _kept(module: nn.Module) -> int:
    """Numbers for each token that a part of the network keeps for the backward pass."""
    if isinstance(module, ResBlock):
        return 3 * (module.channels + module.out_channels)
    if isinstance(module, SpatialTransformer):
        return 3 * module.in_channels
    if isinstance(module, BasicTransformerBlock):
        return 21 * module.attn1.to_q.in_features
    return 0


def prepare_sampling(executor, model: ModelPatcher, noise_shape, conds, *args, **kwargs):
    """PREPARE_SAMPLING: ComfyUI frees memory for a batch of `noise_shape`, so ours grows by what the plan adds."""
    options = kwargs.get("model_options") or model.model_options
    plan: tuple[Record, ...] = options.get("transformer_options", {}).get(KEY, ())
    shape, network = list(noise_shape), model.model
    extra = extra_bytes(plan, shape, network)
    plain = network.memory_required([2 * shape[0], *shape[1:]])
    free = comfy.model_management.get_free_memory(model.load_device)
    logger.info(
        "Sampling %d frames: about %.0f MB for the network's work and %.0f MB for attention across frames, besides the "
        "weights; %.0f MB are free.", shape[0], work_bytes(shape, network) / 1e6, extra / 1e6, free / 1e6,
    )  # fmt: skip
    need, total = work_bytes(shape, network) + extra, comfy.model_management.get_total_memory(model.load_device)
    if need > total:
        run = options["transformer_options"].get(RUN)
        (run.notes if run else Notes()).add(
            f"{need / 1e6:.0f} MB are more than the {total / 1e6:.0f} MB of {model.load_device}: this will run out of memory. "
            "Use fewer frames, Edit in Chunks, or a smaller picture."
        )
    placement = find(plan, Placement)
    if placement is not None and not placement.neutral:
        size = comfy.model_management.dtype_size(network.get_dtype_inference())
        looking = placing_bytes(placement, shape, network.diffusion_model, size)
        logger.info("Place Objects: about %.0f MB for gradients, at the steps that move something.", looking / 1e6)
        extra = max(extra, looking - plain)  # it looks before a step's ordinary work, not during it
    shape[0] = math.ceil(shape[0] * (1 + extra / plain))
    return executor(model, shape, conds, *args, **kwargs)
