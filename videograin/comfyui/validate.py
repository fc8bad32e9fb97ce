"""What differs between the supported ComfyUI versions (0.16.3 and later), and what is asked of a MODEL."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
from comfy.ldm.modules.attention import BasicTransformerBlock, SpatialTransformer, SpatialVideoTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, UNetModel, Upsample
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import CONST, ModelSamplingDiscrete
from torch import Tensor, nn

from .other_packs import pack_of

logger = logging.getLogger("videograin")

TESTED = "0.30.0"  # the newest ComfyUI that the tests run on

Site = tuple[str, int, int]  # block group, block number, transformer block: ComfyUI's own address of an attention pair


def tell_if_newer(version: str) -> None:
    """One line in the log on a ComfyUI that is newer than any this pack was tested with. version: such as "0.38.1"."""
    found, tested = ([int(part) for part in re.findall(r"\d+", text)[:3]] for text in (version, TESTED))
    if found > tested:
        logger.info(
            "VideoGrain is tested with ComfyUI up to %s; this is %s. What may differ: docs/compatibility.md.",
            TESTED,
            version,
        )


def require_unet(model: ModelPatcher, node: str) -> None:
    """Raises ValueError unless the MODEL is a Stable Diffusion UNet."""
    network = model.get_model_object("diffusion_model")
    if hasattr(network, "_orig_mod") or hasattr(model.model.diffusion_model, "_orig_mod"):
        raise ValueError(
            f"The network of {node}'s `model` is compiled as a whole (torch.compile, set by another node in the network's place), "
            "which leaves no room for hooks; while it is loaded this holds for every MODEL of the checkpoint. Take core's "
            "TorchCompileModel node instead, or remove the node and unload the models."
        )
    if not isinstance(network, UNetModel):
        pack, fix = pack_of(network), "Connect a UNet checkpoint"
        if not pack.startswith("comfy."):
            fix = f"It is a network of {pack}'s own: load a Stable Diffusion checkpoint with Load Checkpoint instead"
        raise ValueError(
            f"{node} works on Stable Diffusion UNets (SD 1.x, SD 2.x, SDXL), but its `model` input is a "
            f"{type(network).__name__}. {fix}."
        )
    if attention := _foreign_attention(model):
        raise ValueError(
            f"{node}'s `model` has attention layers of {pack_of(attention)} in the place of ComfyUI's "
            f"({type(attention).__name__}), which leave no room for this pack's. Connect the MODEL from before that node; of "
            "LayerDiffuse, choose a `config` without “attn_sharing”."
        )
    if any(isinstance(module, SpatialVideoTransformer) for module in network.modules()):
        raise ValueError(
            f"{node}'s `model` input is a video model with temporal layers of its own (Stable Video Diffusion), whose "
            "attention is not over pictures. Connect an image checkpoint: SD 1.x, SD 2.x or SDXL."
        )
    if isinstance(model.get_model_object("model_sampling"), CONST):
        raise ValueError(
            f"{node}'s `model` input samples by rectified flow (ModelSamplingSD3 or a flow checkpoint); the method is "
            "made for epsilon- and v-prediction. Remove that node, or connect another checkpoint."
        )


def _foreign_attention(model: ModelPatcher) -> nn.Module | None:
    """A layer that a node has put, or will put, where the network's attention is, and that has not its projections."""
    network = model.model.diffusion_model
    layers = {f"diffusion_model.{name}": module for name, module in network.named_modules()} | model.object_patches
    attentions = (layer for name, layer in layers.items() if name.endswith((".attn1", ".attn2")) and layer is not None)
    return next((a for a in attentions if not all(hasattr(a, f"to_{part}") for part in ("q", "k", "v", "out"))), None)


def require_text(model: ModelPatcher, encoded: Iterable[Tensor], whose: str) -> None:
    """Raises ValueError for no text, and for that of another kind of model. whose: for the message, "Some Node's `conditioning`"."""
    width = model.model.model_config.unet_config.get("context_dim")
    for text in encoded:
        if not text.numel():
            raise ValueError(
                f"{whose} holds no text at all, {tuple(text.shape)}. Encode a prompt with CLIP Text Encode."
            )
        if not text.isfinite().all():
            raise ValueError(
                f"{whose} contains NaN or infinite values. Look at the node that encoded it, and at its CLIP."
            )
        if isinstance(width, int) and text.shape[-1] != width:
            raise ValueError(
                f"{whose} is text of {text.shape[-1]} numbers a token, but the model reads {width}: its text encoder belongs "
                "to another kind of checkpoint. Encode the prompt with the CLIP that was loaded with the model."
            )


def require_picture(model: ModelPatcher, notes: Iterable[dict[str, Any]], whose: str) -> None:
    """Raises ValueError where an inpaint checkpoint is not told what picture to complete.

    notes: of every entry of a conditioning. whose: for the message, "Some Node's `conditioning`".
    """
    if "masked_image" in model.model.concat_keys and any(note.get("concat_latent_image") is None for note in notes):
        raise ValueError(
            f"The model is an inpaint checkpoint, which is shown the picture it completes beside the noise, but {whose} "
            "brings none, so it would be shown a grey one. Connect the CONDITIONING of InpaintModelConditioning, with its "
            "`noise_mask` off and the same `pixels` and `mask` for the inversion and the edit, or another checkpoint."
        )


def ignores_picture(model: ModelPatcher, notes: Iterable[dict[str, Any]]) -> bool:
    """Whether prompts bring a picture to a checkpoint that is shown none beside the noise."""
    network = model.model.diffusion_model
    takes = network.in_channels > model.model.latent_format.latent_channels
    return not takes and any(note.get("concat_latent_image") is not None for note in notes)


def training_timestep(sampling, sigma: Tensor) -> float:
    """The training step, 0 to 999, of a noise level; models with another clock (EDM) are read on SD's."""
    clock = sampling if isinstance(sampling, ModelSamplingDiscrete) else ModelSamplingDiscrete()
    return float(clock.timestep(sigma.cpu() if clock is not sampling else sigma))


def attention_level(full: int, rows: int) -> int:
    """How often a UNet has halved `full` rows, rounding up, to get `rows`: 1, 2, 4, 8, ..."""
    level = 1
    while full > rows:
        full, level = -(-full // 2), level * 2
    return level


def attention_modules(network: UNetModel) -> dict[Site, BasicTransformerBlock]:
    """Every transformer block by its address, found by walking the network."""
    groups = {"input": network.input_blocks, "middle": [network.middle_block], "output": network.output_blocks}
    return {
        (group, number, index): attention
        for group, blocks in groups.items()
        for number, block in enumerate(blocks)
        if block is not None
        for transformer in block.modules()
        if isinstance(transformer, SpatialTransformer)
        for index, attention in enumerate(transformer.transformer_blocks)
        if isinstance(attention, BasicTransformerBlock)
    }


def attention_sites(network: UNetModel) -> list[Site]:
    """The address of every transformer block."""
    return list(attention_modules(network))


def site_levels(network: UNetModel) -> dict[Site, int]:
    """The attention level of every transformer block: the latent's grid is divided by 1, 2, 4, 8, ... there."""
    levels = block_levels(network)
    return {site: levels[site[:2]] for site in attention_sites(network)}


def block_levels(network: UNetModel) -> dict[tuple[str, int], int]:
    """The same of every block."""
    levels, level = {}, 1
    for number, block in enumerate(network.input_blocks):
        level *= 2 if _holds(block, Downsample) else 1
        levels["input", number] = level
    levels["middle", 0] = level
    for number, block in enumerate(network.output_blocks):
        levels["output", number] = level  # where a block doubles, it does so after its attention
        level //= 2 if _holds(block, Upsample) else 1
    return levels


def _holds(block: nn.Module, kind: type) -> bool:
    return any(isinstance(module, kind) for module in block.modules())


def sampler_name(sampler: Any) -> str:
    """The name of core's sampler function; empty for a sampler that is another pack's object."""
    name = getattr(getattr(sampler, "sampler_function", None), "__name__", "")
    return name.removeprefix("sample_").removesuffix("_function")


def stopping_level(sampler: Any, sigmas: list[float]) -> float | None:
    """Where a sampler stops that does not end each step where a straight line would, None for all others.

    The dpm ones choose their own levels and stop short of 0, at the list's last level but one; UniPC's steps of high
    order mix what it was told at several levels, and it takes 0 for 0.001.
    """
    name = sampler_name(sampler)
    if name in ("dpm_fast", "dpm_adaptive"):
        return sigmas[-1] or sigmas[-2]
    return (sigmas[-1] or 0.001) if name.startswith("unipc") else None


def model_name(model: ModelPatcher) -> str:
    return type(model.model).__name__


def model_identity(model: ModelPatcher) -> str:
    """A fingerprint of the weights a MODEL samples with, equal after a restart.

    Covers the class, the kind of prediction and its sigma table, every weight's name, shape and dtype, the values of eight
    small tensors, and the keys, strengths and first values of LoRA patches. Norms and biases are read because patches leave them
    alone; where one is patched its unpatched backup is read, so a loaded and an unloaded model agree.
    """
    with _ejected(model):
        return _identity(model)


@contextmanager
def _ejected(model: ModelPatcher) -> Iterator[None]:
    """Without the layers that another pack (AnimateDiff-Evolved) has in the network while it is loaded."""
    sharing = (loaded.model for loaded in comfy.model_management.current_loaded_models if loaded.model is not None)
    injected = next((m for m in sharing if m.model is model.model and m.is_injected), None)
    if injected is None:
        yield
    else:
        with injected.use_ejected():
            yield


def _identity(model: ModelPatcher) -> str:
    digest = hashlib.sha256(model_name(model).encode())
    sampling = model.get_model_object("model_sampling")
    digest.update(" ".join(kind.__name__ for kind in type(sampling).__mro__).encode())
    if isinstance(sampling, ModelSamplingDiscrete):
        digest.update(sampling.sigmas.float().cpu().numpy().tobytes())
    weights = model.model.diffusion_model.state_dict()
    names = sorted(weights)
    for name in names:
        digest.update(f"{name}{tuple(weights[name].shape)}{weights[name].dtype}".encode())
    small = [name for name in names if weights[name].ndim == 1]
    for name in small[:: max(1, len(small) // 8)][:8]:
        backup = model.backup.get(f"diffusion_model.{name}")
        tensor = weights[name] if backup is None else getattr(backup, "weight", backup)
        digest.update(tensor.detach().float().cpu()[:256].numpy().tobytes())
    for key in sorted(model.patches, key=str):
        for patch in model.patches[key]:
            digest.update(f"{key}{patch[0]}{patch[2]}".encode())
            for tensor in _tensors(patch[1]):
                digest.update(tensor.detach().flatten()[:16].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _tensors(patch: Any) -> Iterator[Tensor]:
    """A patch's tensors: adapters hold them in `weights`, the other kinds in nested tuples."""
    if isinstance(patch, Tensor):
        yield patch
    elif isinstance(patch, tuple | list):
        for part in patch:
            yield from _tensors(part)
    elif hasattr(patch, "weights"):
        yield from _tensors(patch.weights)
