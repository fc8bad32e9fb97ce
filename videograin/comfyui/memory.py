"""What the plan holds beyond the plain network's memory: told to ComfyUI, which makes room, and to the user.

ComfyUI reckons a network's memory from the latent's size alone. Attention over all frames takes no more than that, for
it is the same tensors read as one long picture; copies of keys, values and results do, and what is held of the source
from one evaluation to the next. Copies are counted on top of the network's most, which it needs in a feed-forward layer
and not in attention: the sum is what is surely enough. The levels of an inversion are told by DDIM Inversion itself, and
lie in ordinary memory or in a file.
"""

from __future__ import annotations

import math

import comfy.model_management
from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher

from ..backbones import registry
from ..backbones.base import Need
from ..features.base import Work
from .plan import KEY, Plan
from .progress import Notes
from .run import RUN
from .validate import logger

# Of an ordinary step, in the feed-forward layers: measured 27 as PyTorch counts it, 33 to 39 resident on a CPU.
WORK = 33


def query_bytes(shape: list[int], network: BaseModel) -> int:
    """One layer's queries, of both halves of guidance; shape of the latent.

    Reckoned at the finest grid with the network's narrowest layers; deeper ones have twice the channels on a
    quarter of the tokens.
    """
    backbone, size = registry.of(network.diffusion_model), _number(network)
    geometry = backbone.geometry(tuple(shape))
    return 2 * geometry.frames * geometry.tokens * backbone.channels(network.diffusion_model) * size


def work_bytes(shape: list[int], network: BaseModel) -> int:
    """What a step takes without us: for the user. ComfyUI's own number is the same on a GPU, four times that on a CPU."""
    return WORK * query_bytes(shape, network)


def extra_bytes(plan: Plan, shape: list[int], network: BaseModel) -> int:
    """Most that the plan's features hold besides, for both halves of guidance; shape of the latent."""
    work = _work(shape, network)
    return sum(record.held_bytes(work) + record.source_bytes(work) for record in plan if not record.neutral)


def _work(shape: list[int], network: BaseModel) -> Work:
    backbone = registry.of(network.diffusion_model)
    geometry = backbone.geometry(tuple(shape))
    return Work(geometry, query_bytes(shape, network), _number(network), backbone, network.diffusion_model)


def _number(network: BaseModel) -> int:
    return comfy.model_management.dtype_size(network.get_dtype_inference())


def prepare_sampling(executor, model: ModelPatcher, noise_shape, conds, *args, **kwargs):
    """PREPARE_SAMPLING: ComfyUI frees memory for a latent of `noise_shape`, so ours has more frames by what the plan adds."""
    options = kwargs.get("model_options") or model.model_options
    plan: Plan = options.get("transformer_options", {}).get(KEY, ())
    shape, network = list(noise_shape), model.model
    axis = registry.of(network.diffusion_model).frame_axis
    extra = extra_bytes(plan, shape, network)
    plain = network.memory_required([2 * shape[0], *shape[1:]])
    free = comfy.model_management.get_free_memory(model.load_device)
    logger.info(
        "Sampling %d frames: about %.0f MB for the network's work and %.0f MB for attention across frames, besides the "
        "weights; %.0f MB are free.", shape[axis], work_bytes(shape, network) / 1e6, extra / 1e6, free / 1e6,
    )  # fmt: skip
    need, total = work_bytes(shape, network) + extra, comfy.model_management.get_total_memory(model.load_device)
    if need > total:
        run = options["transformer_options"].get(RUN)
        chunks = "Edit in Chunks, " if Need.FRAME_BATCH in registry.of(network.diffusion_model).offers else ""
        (run.notes if run else Notes()).add(
            f"{need / 1e6:.0f} MB are more than the {total / 1e6:.0f} MB of {model.load_device}: this will run out of memory. "
            f"Use fewer frames, {chunks}or a smaller picture."
        )
    for record in plan:
        if not record.neutral and (looking := record.looked_bytes(_work(shape, network))):
            logger.info(
                "%s: about %.0f MB for gradients, at the steps that move something.", record.node, looking / 1e6
            )
            extra = max(extra, looking - plain)  # it looks before a step's ordinary work, not during it
    shape[axis] = math.ceil(shape[axis] * (1 + extra / plain))
    return executor(model, shape, conds, *args, **kwargs)
