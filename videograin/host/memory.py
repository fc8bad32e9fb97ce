"""What attention across frames holds beyond the plain network's: told to ComfyUI, which makes room, and to the user.

ComfyUI reckons a network's memory from the latent's size alone. Attention over all frames takes no more than that, for
it is the same tensors read as one long picture; copies of keys, values and results do.
"""

from __future__ import annotations

import math

import comfy.model_management
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher

from ..attention.key_sets import ALL, FIRST_PREVIOUS, MIDDLE, OWN
from .compat import attention_modules, logger, site_levels
from .fusing import fused_sites
from .plan import KEY, LEVELS, CrossFusion, Motion, Record, SelfFusion, STLayout, find, key_sets

# In tensors of the size of one layer's queries: keys and values of two frames per frame, or of one, as copies.
COPIES = {OWN: 0, ALL: 0, MIDDLE: 2, FIRST_PREVIOUS: 4}
MODULATED, MOVING = 1, 2  # ST-Layout's own result; the dense result with the paths' on top
FOLLOWING = 1  # the rows that follow the source
TEXT = 77  # tokens of an ordinary prompt
PORTABLE = 400 * 2**20  # bytes that ST-Layout's form without Triton holds at once on a GPU, see attention/


def extra_bytes(plan: tuple[Record, ...], shape: list[int], network: BaseModel) -> int:
    """Most that the plan's features hold at one layer, for both halves of guidance; shape (frames, C, h, w).

    Reckoned at the latent's own grid with the network's narrowest layers; deeper ones have twice the channels on a
    quarter of the tokens.
    """
    sets = key_sets(plan)
    copies = max(COPIES[sets.at(level)] for level in LEVELS)
    copies += MODULATED * (find(plan, STLayout) is not None) + MOVING * (find(plan, Motion) is not None)
    size = comfy.model_management.dtype_size(network.get_dtype_inference())
    queries = 2 * shape[0] * math.prod(shape[2:]) * network.diffusion_model.model_channels * size
    copies += FOLLOWING * (find(plan, SelfFusion) is not None)
    portable = min(PORTABLE, 8 * queries) if find(plan, STLayout) is not None else 0
    return copies * queries + portable + source_bytes(plan, shape, network.diffusion_model, size)


def source_bytes(plan: tuple[Record, ...], shape: list[int], unet: UNetModel, size: int) -> int:
    """What the fusions hold of the source during a step: queries and keys, nothing of other steps.

    shape (frames, C, h, w), of the latent; size, bytes of a number in the network.
    """
    frames, tokens, numbers = shape[0], math.prod(shape[2:]), 0
    modules, levels = attention_modules(unet), site_levels(unet)
    for kind, width in ((SelfFusion, lambda n: 2 * n), (CrossFusion, lambda n: n + TEXT)):
        record = find(plan, kind)
        for site in fused_sites(unet, record) if record and not record.neutral else ():
            numbers += modules[site].attn1.to_q.out_features * width(math.ceil(tokens / levels[site] ** 2))
    return frames * numbers * size


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
        "weights; %.0f MB are free.", shape[0], plain / 1e6, extra / 1e6, free / 1e6,
    )  # fmt: skip
    shape[0] = math.ceil(shape[0] * (1 + extra / plain))
    return executor(model, shape, conds, *args, **kwargs)
