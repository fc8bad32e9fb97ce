"""What differs between the supported ComfyUI versions (0.16.3 and later), and what is asked of a MODEL."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

import torch
from comfy.ldm.modules.attention import SpatialVideoTransformer
from comfy.model_patcher import ModelPatcher
from comfy.model_sampling import CONST, IMG_TO_IMG_FLOW, ModelSamplingDiscrete
from torch import Tensor, nn

from ..backbones import registry
from ..backbones.base import Backbone, Need
from .other_packs import pack_of

logger = logging.getLogger("videograin")

TESTED = "0.30.0"  # the newest ComfyUI that the tests run on


def tell_if_newer(version: str) -> None:
    """One line in the log on a ComfyUI that is newer than any this pack was tested with. version: such as "0.38.1"."""
    found, tested = ([int(part) for part in re.findall(r"\d+", text)[:3]] for text in (version, TESTED))
    if found > tested:
        logger.info(
            "VideoGrain is tested with ComfyUI up to %s; this is %s. What may differ: docs/compatibility.md.",
            TESTED,
            version,
        )


def require_family(model: ModelPatcher, node: str, *needs: Need) -> Backbone:
    """The family of a MODEL. Raises ValueError where it is of none, lacks what a node needs, or another node has changed it."""
    network = model.get_model_object("diffusion_model")
    if hasattr(network, "_orig_mod") or hasattr(model.model.diffusion_model, "_orig_mod"):
        raise ValueError(
            f"The network of {node}'s `model` is compiled as a whole (torch.compile, set by another node in the network's place), "
            "which leaves no room for hooks; while it is loaded this holds for every MODEL of the checkpoint. Take core's "
            "TorchCompileModel node instead, or remove the node and unload the models."
        )
    backbone = registry.of(network)
    if backbone is None:
        pack, fix = pack_of(network), registry.instead(network) or "Connect a checkpoint of one of these"
        if not pack.startswith("comfy."):
            fix = f"It is a network of {pack}'s own: load a Stable Diffusion checkpoint with Load Checkpoint instead"
        raise ValueError(
            f"{node} works on {' and '.join(family.members for family in registry.FAMILIES)}, but its `model` input is a "
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
    sampling = model.get_model_object("model_sampling")
    if isinstance(sampling, CONST) and not backbone.path.fades:
        raise ValueError(
            f"{node}'s `model` input samples by rectified flow (ModelSamplingSD3 or a flow checkpoint); the method is "
            "made for epsilon- and v-prediction. Remove that node, or connect another checkpoint."
        )
    if backbone.path.fades and (not isinstance(sampling, CONST) or isinstance(sampling, IMG_TO_IMG_FLOW)):
        raise ValueError(
            f"{node}'s `model` is a {backbone.name} that does not sample by rectified flow from noise ({type(sampling).__name__}: a "
            "ModelSampling node for other models, or a checkpoint that goes from picture to picture). Remove that node, or connect "
            "another checkpoint."
        )
    require_offers(backbone, frozenset(needs), node)
    return backbone


def require_one_clip(backbone: Backbone, latent: Tensor, whose: str) -> None:
    """Raises ValueError for a latent of several clips. whose: for the message."""
    if backbone.frame_axis > 0 and len(latent) != 1:
        raise ValueError(
            f"{whose} holds {len(latent)} clips, but regions, sources and their noise are of one. Give it one clip: set "
            "`batch_size` to 1, or take one with Latent From Batch."
        )


def require_loaded(model: ModelPatcher, node: str) -> None:
    """Raises ValueError where another MODEL of the same checkpoint has left a network of its own in the loaded model's place."""
    if registry.of(model.model.diffusion_model) is None:
        raise ValueError(
            f"The network of {node}'s `model` is a {type(model.model.diffusion_model).__name__} at present: another node has put it "
            "there for another MODEL of this checkpoint. Unload the models (or restart ComfyUI) and run again."
        )


def require_offers(backbone: Backbone, needs: frozenset[Need], node: str) -> None:
    """Raises ValueError where a node needs what a family of models does not have."""
    missing = needs - backbone.offers
    if missing:
        words = " and ".join(sorted(need.value for need in missing))
        fix = f"Set {node}'s `levels` to “all”" if missing == {Need.LEVELS} else f"Take {node} out"
        raise ValueError(
            f"{node} needs {words}, which its `model`, a {backbone.name}, does not have. {fix}, or connect a checkpoint of another "
            "family."
        )


def _foreign_attention(model: ModelPatcher) -> nn.Module | None:
    """A layer that a node has put, or will put, where the network's attention is, and that has not its projections."""
    network = model.model.diffusion_model
    layers = {f"diffusion_model.{name}": module for name, module in network.named_modules()} | model.object_patches
    attentions = (layer for name, layer in layers.items() if name.endswith((".attn1", ".attn2")) and layer is not None)
    return next((a for a in attentions if not all(hasattr(a, f"to_{part}") for part in ("q", "k", "v", "out"))), None)


def require_text(model: ModelPatcher, encoded: Iterable[Tensor], whose: str) -> None:
    """Raises ValueError for no text, and for that of another kind of model. whose: for the message, "Some Node's `conditioning`"."""
    network = model.model.diffusion_model
    family = registry.of(network)
    width = (family and family.text_width(network)) or model.model.model_config.unet_config.get("context_dim")
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
    channels = getattr(network, "in_channels", None)
    takes = channels is None or channels > model.model.latent_format.latent_channels
    return not takes and any(note.get("concat_latent_image") is not None for note in notes)


def training_timestep(sampling, sigma: Tensor) -> float:
    """The training step, 0 to 999, of a noise level; models with another clock (EDM) are read on SD's.

    Rectified flow has one clock of its own: the noise's share, whatever its schedule's shift.
    """
    if isinstance(sampling, CONST):
        return 999 * float(sigma)
    clock = _clock(sampling)
    return float(clock.timestep(sigma.cpu() if clock is not sampling else sigma))


def noise_level(sampling, timestep: float) -> float:
    """sigma at a training step, 0 to 999: the other way round."""
    return timestep / 999 if isinstance(sampling, CONST) else float(_clock(sampling).sigma(torch.tensor(timestep)))


def _clock(sampling) -> ModelSamplingDiscrete:
    return sampling if isinstance(sampling, ModelSamplingDiscrete) else ModelSamplingDiscrete()


def sampler_name(sampler: Any) -> str:
    """The name of core's sampler function; empty for a sampler that is another pack's object."""
    name = getattr(getattr(sampler, "sampler_function", None), "__name__", "")
    return name.removeprefix("sample_").removesuffix("_function")
